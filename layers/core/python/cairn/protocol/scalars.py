"""Scalars of MLflow's proto-JSON, read as leniently as protobuf's ``json_format`` reads them.

An int64 may be a number or a numeric string, a double a number or ``"NaN"`` and ``"Infinity"``, an enum its
name or its number. Bare ``NaN`` and ``Infinity``, which Python's own ``json`` writes, are doubles too.
The common case (a number that is one) never leaves pydantic's compiled core.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

_STRICT = True


def to_integer(value: object) -> int:
    """As ``json_format._ConvertInteger``: 5, 5.0, "5", "5.0"; no bool, no space. ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not an integer")  # noqa: TRY004 -- pydantic reads ValueErrors alone
    if isinstance(value, str):
        if " " in value:
            raise ValueError("not an integer")
        try:
            return int(value)
        except ValueError:
            value = float(value)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("not an integer")
    return int(value)


def to_double(value: object) -> float:
    """As ``json_format._ConvertFloat``: what ``float`` takes, but not ``"nan"``. ValueError otherwise."""
    if not isinstance(value, int | float | str) or value == "nan":
        raise ValueError("not a double")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("too large for a double") from None


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer of 32 or 64 bits."""

    bits: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        limit = 2 ** (self.bits - 1)
        number = core_schema.int_schema(strict=_STRICT, ge=-limit, le=limit - 1)
        loose = core_schema.chain_schema([core_schema.no_info_plain_validator_function(to_integer), number])
        return _first_of(number, loose)


@dataclass(frozen=True, slots=True)
class DoubleNumber:
    """A 64-bit floating point number, NaN and infinities included."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.float_schema(strict=_STRICT, allow_inf_nan=True)
        return _first_of(number, core_schema.no_info_plain_validator_function(to_double))


@dataclass(frozen=True, slots=True)
class EnumName:
    """The name of an enum's value, given as name or number."""

    names: tuple[tuple[str, int], ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        numbers = dict(self.names)
        names = {number: name for name, number in self.names}

        def to_name(value: object) -> str:
            if isinstance(value, str) and value in numbers:
                return value
            if not isinstance(value, int | float | str) or (
                isinstance(value, float) and not math.isfinite(value)
            ):
                raise ValueError("not an enum")
            name = names.get(int(value))
            if name is None:
                raise ValueError("no such value")
            return name

        return _first_of(core_schema.no_info_plain_validator_function(to_name))


def _first_of(*choices: CoreSchema) -> CoreSchema:
    """The first choice that fits, and one plain error where none does."""
    return core_schema.union_schema(
        list(choices),
        mode="left_to_right",
        custom_error_type="proto_json",
        custom_error_message="not of the field's type",
    )


Text = Annotated[str, StringConstraints(strict=True)]
"""A string; proto-JSON turns nothing else into one."""

Given = Annotated[str, StringConstraints(strict=True, min_length=1)]
"""A required string: MLflow takes an empty one for a missing one (``_assert_required``)."""

Int64 = Annotated[int, Integer(64)]
Int32 = Annotated[int, Integer(32)]
Double = Annotated[float, DoubleNumber()]

RunStatus = Annotated[
    str,
    EnumName((("RUNNING", 1), ("SCHEDULED", 2), ("FINISHED", 3), ("FAILED", 4), ("KILLED", 5))),
]
ViewType = Annotated[str, EnumName((("ACTIVE_ONLY", 1), ("DELETED_ONLY", 2), ("ALL", 3)))]
LoggedModelStatus = Annotated[
    str,
    EnumName(
        (
            ("LOGGED_MODEL_STATUS_UNSPECIFIED", 0),
            ("LOGGED_MODEL_PENDING", 1),
            ("LOGGED_MODEL_READY", 2),
            ("LOGGED_MODEL_UPLOAD_FAILED", 3),
        )
    ),
]

WebhookStatus = Annotated[str, EnumName((("ACTIVE", 1), ("DISABLED", 2)))]
_WEBHOOK_ENTITIES = (
    "ENTITY_UNSPECIFIED",
    "REGISTERED_MODEL",
    "MODEL_VERSION",
    "MODEL_VERSION_TAG",
    "MODEL_VERSION_ALIAS",
    "PROMPT",
    "PROMPT_VERSION",
    "PROMPT_TAG",
    "PROMPT_VERSION_TAG",
    "PROMPT_ALIAS",
    "BUDGET_POLICY",
)
_WEBHOOK_ACTIONS = ("ACTION_UNSPECIFIED", "CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED")
WebhookEntity = Annotated[
    str, EnumName(tuple((name, number) for number, name in enumerate(_WEBHOOK_ENTITIES)))
]
WebhookAction = Annotated[
    str, EnumName(tuple((name, number) for number, name in enumerate(_WEBHOOK_ACTIONS)))
]
TokenPermission = Annotated[str, EnumName((("READ", 1), ("WRITE", 2)))]
SessionPermission = Annotated[str, EnumName((("READ", 1), ("WRITE", 2), ("MANAGE", 3)))]
