"""How a JSON body or a query string becomes a Message, and what is said of one that does not.

MLflow (server/handlers.py, ``_get_request_message``) parses leniently, then checks the fields that it
requires; where a field does not parse it goes on with half a message, or answers 500. Here every such
request is refused with INVALID_PARAMETER_VALUE that names the field, in MLflow's words.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from cairn.errors import InvalidParameterValue
from cairn.protocol.message import Creation, Message, json_name

_SEE_DOCS = " See the API docs for more information about request parameters."
_SHOWN = 500
"""Characters of a refused value that the answer repeats."""

M = TypeVar("M", bound=Message)


def parse_body(kind: type[M], body: bytes, given: Mapping[str, str | None]) -> M:
    """A message from a JSON body; an empty body counts as ``{}``.

    ``given`` are the fields that path and headers say: a body that says otherwise is refused.
    A body that is a JSON string is decoded once more (MLflow: "older clients may post their JSON
    double-encoded").
    """
    data = _decode(body)
    if isinstance(data, str):
        data = _decode(data.encode())
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidParameterValue(
            f"The request body must be a JSON object, not {_shown(data)}.{_SEE_DOCS}"
        )
    return _parse(kind, data, given)


def parse_query(kind: type[M], query: Mapping[str, Sequence[str]], given: Mapping[str, str | None]) -> M:
    """A message from a query string.

    As in MLflow a field goes by its own name alone; of a repeated name the first value counts, unless the
    field is a list; booleans are "true" and "false" in any case.
    """
    shape = _shape(kind)
    data: dict[str, Any] = {}
    for name in kind.model_fields:
        values = query.get(name)
        if not values:
            continue
        if any(_has_surrogate(value) for value in values):
            raise _invalid(name, values[0])
        data[name] = list(values) if name in shape.lists else values[0]
        if name in shape.booleans:
            data[name] = _boolean(values[0])
    return _parse(kind, data, given)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A message class as parsing sees it.

    ``spellings`` maps a field's JSON name to its own where they differ; ``messages`` are the fields that
    hold messages, one or a list of them.
    """

    spellings: Mapping[str, str]
    messages: Mapping[str, type[Message]]
    lists: frozenset[str]
    booleans: frozenset[str]


@cache
def _shape(kind: type[Message]) -> _Shape:
    messages, lists, booleans = {}, set(), set()
    for name, field in kind.model_fields.items():
        held: Any = field.annotation
        if getattr(held, "__origin__", None) is list:
            lists.add(name)
            (held,) = get_args(held)
        if isinstance(held, type) and issubclass(held, Message):
            messages[name] = held
        elif held is bool:
            booleans.add(name)
    # one name has an underscore in Python alone, ``schema_``: it is spelled in one way
    names = [name for name in kind.model_fields if not name.endswith("_")]
    spellings = {json_name(name): name for name in names if json_name(name) != name}
    return _Shape(spellings, messages, frozenset(lists), frozenset(booleans))


def _parse(kind: type[M], data: dict[str, Any], given: Mapping[str, str | None]) -> M:
    shape = _shape(kind)
    _settle(shape, data)
    if "run_uuid" in kind.model_fields and "run_id" not in data and "runId" not in data:
        uuid = data.get("run_uuid", data.get("runUuid"))
        if uuid is not None:
            data["run_id"] = uuid
    if issubclass(kind, Creation):  # a header's, never the body's
        data.pop("idempotency_key", None)
        data.pop("idempotencyKey", None)
    for name, value in given.items():
        if value is None or name not in kind.model_fields:
            continue
        said = data.pop(json_name(name), data.get(name, value))
        if said != value:
            raise InvalidParameterValue(
                f"Invalid value {_shown(said)} for parameter '{name}' supplied: "
                f"the request's path says {_shown(value)}."
            )
        data[name] = value
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise _explain(error.errors(include_url=False, include_context=False)[0], kind) from None


def _settle(shape: _Shape, data: dict[str, Any]) -> None:
    """Refuse an object that spells one field in two ways, and drop nulls, in place and all the way down.

    Null is an unset field, but nothing that a list may hold.
    """
    if not data.keys().isdisjoint(shape.spellings):
        for spelling, name in shape.spellings.items():
            if spelling in data and name in data:
                raise InvalidParameterValue(
                    f"Request specifies both '{name}' and '{spelling}'; provide only one of them."
                )
    if None in data.values():
        for name in [name for name, value in data.items() if value is None]:
            del data[name]
    for name, kind in shape.messages.items():
        value = data.get(name, data.get(json_name(name)))
        inner = _shape(kind)
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, dict):
                _settle(inner, item)


def _decode(body: bytes) -> object:
    """JSON, Python's bare NaN and Infinity included.

    Lone surrogates, bytes that are no UTF-8, and what nests deeper than any message does, are refused."""
    if not body.strip():
        return None
    try:
        return from_json(body, allow_inf_nan=True)
    except ValueError as error:
        raise InvalidParameterValue(f"The request body is not valid JSON: {error}.{_SEE_DOCS}") from None


def _boolean(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise InvalidParameterValue(f"Invalid boolean value: {value}, must be 'true' or 'false'.")
    return value.lower() == "true"


def _has_surrogate(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _explain(error: ErrorDetails, kind: type[Message]) -> InvalidParameterValue:
    """MLflow's words for what pydantic found: ``_validate_param_against_schema``, ``_assert_required``."""
    field = _path(error["loc"], kind)
    if error["type"] == "missing" or (error["input"] == "" and _is_required(error["loc"], kind)):
        return InvalidParameterValue(f"Missing value for required parameter '{field}'.{_SEE_DOCS}")
    return _invalid(field, error["input"])


def _invalid(field: str, value: object) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid value {_shown(value)} for parameter '{field}' supplied: "
        f" Hint: Value was of type '{type(value).__name__}'.{_SEE_DOCS}"
    )


def _path(location: tuple[int | str, ...], kind: type[Message]) -> str:
    """``metrics[0].value``, by the fields' own names whatever their spelling in the request."""
    path = ""
    current: type[Message] | None = kind
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
            continue
        name = part
        if current is not None:
            shape = _shape(current)
            name = shape.spellings.get(part, part)
            current = shape.messages.get(name)
        path += f".{name}" if path else name
    return path


def _is_required(location: tuple[int | str, ...], kind: type[Message]) -> bool:
    current: type[Message] | None = kind
    required = False
    for part in location:
        if isinstance(part, int):
            required = False
        elif current is not None:
            shape = _shape(current)
            name = shape.spellings.get(part, part)
            required = name in current.model_fields and current.model_fields[name].is_required()
            current = shape.messages.get(name)
    return required


def _shown(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
