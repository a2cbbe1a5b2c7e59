"""Items in DynamoDB's JSON, ``{"S": "text"}``, and back: str, int, bytes, bool, lists, maps.

Binary is base64 here, as it is sent, and as a stream's events hold it.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cairn.errors import InternalError
from cairn.storage.limits import MalformedRequest
from cairn.storage.table import Item, Key


def marshal_item(item: Item) -> dict[str, Any]:
    return {name: marshal(value) for name, value in item.items()}


def marshal_key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def marshal(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case bytes():
            return {"B": b2a_base64(value, newline=False).decode("ascii")}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case list():
            return {"L": [marshal(element) for element in value]}
        case dict():
            return {"M": {name: marshal(element) for name, element in value.items()}}
    raise MalformedRequest(f"an item holds no {type(value).__name__}")


def unmarshal_item(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name, attribute in attributes.items():
        text = attribute.get("S")  # most attributes by far: a page has hundreds
        item[name] = unmarshal(attribute) if text is None else text
    return item


def unmarshal_key(attributes: Mapping[str, Any]) -> Key:
    return Key(attributes["pk"]["S"], attributes["sk"]["S"])


def unmarshal(attribute: Mapping[str, Any]) -> Any:
    """The value of an attribute; InternalError for what Cairn never writes (sets, null, fractions)."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "B":
            return a2b_base64(value)
        case "N":
            return int(value) if value.lstrip("-").isdecimal() else _whole(value)
        case "L":
            return [unmarshal(element) for element in value]
        case "M":
            return {name: unmarshal(element) for name, element in value.items()}
    raise InternalError(f"The table holds an attribute of type {kind}, which Cairn does not write.")


def _whole(text: str) -> int:
    """Large numbers may come back as ``1E+30``."""
    number = Decimal(text)
    if number != number.to_integral_value():
        raise InternalError("The table holds a number with a fraction, which Cairn does not write.")
    return int(number)
