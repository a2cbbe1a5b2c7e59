"""What all request messages share. How a request becomes one is in ``parse``."""

from pydantic import BaseModel, ConfigDict

from cairn.protocol.scalars import Text


def json_name(field: str) -> str:
    """The camelCase spelling that proto-JSON accepts beside the field's own: ``run_id``, ``runId``."""
    head, *rest = field.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


class Message(BaseModel):
    """A request. Unknown fields are ignored, null counts as unset (proto3 JSON, as MLflow parses it).

    A field without default is required. Where it matters whether a field was given, its default is None;
    elsewhere it is the proto's own ("" or 0).
    """

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=json_name,
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=True,  # a function's cold start builds the models of its first request alone
        protected_namespaces=(),  # MLflow's fields are called model_id and model_type
    )


class Empty(Message):
    """A request without fields."""


class Creation(Message):
    """A request that creates something, and may be sent again by a client that did not see the answer.

    ``idempotency_key`` is the header ``Idempotency-Key``, never a field of the body: the same caller's
    same key creates once.
    """

    idempotency_key: Text | None = None
