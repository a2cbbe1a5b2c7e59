"""The bytes of an item in a SQLite row: a format byte, then JSON and the binary attributes behind it.

    0x01  length of the JSON (4 bytes, big-endian), the JSON object, nothing else
    0x02  the same, but the JSON is [object, [[name, length], ...]] and the bytes attributes follow it
    0x03  JSON in which every bytes value and every map is tagged, for items with bytes inside lists or maps

JSON because CPython reads and writes it at C speed and any version of Python can; bytes stay out of it
because base64 costs a third more space and time. The key is not in here: the row's columns hold it.
"""

import base64
import json
from typing import Any

from cairn.errors import InternalError
from cairn.storage.table import Item, Key

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode

_PLAIN, _TAILED, _TAGGED = 1, 2, 3


def pack(item: Item) -> bytes:
    """The item without its key, which holds only what ``limits.item_size`` lets pass."""
    flat: dict[str, Any] = {}
    tail: list[tuple[str, bytes]] = []
    for name, value in item.items():
        if type(value) is bytes:
            tail.append((name, value))
        elif name != "pk" and name != "sk":
            flat[name] = value
    try:
        if not tail:
            return _framed(_PLAIN, flat)
        lengths = [(name, len(value)) for name, value in tail]
        return b"".join([_framed(_TAILED, [flat, lengths]), *(value for _, value in tail)])
    except TypeError:
        # Bytes inside a list or a map, which JSON cannot hold.
        return _framed(_TAGGED, {name: _tag(item[name]) for name in item if name not in ("pk", "sk")})


def _framed(form: int, value: Any) -> bytes:
    text: bytes = _encode(value).encode()
    return bytes((form,)) + len(text).to_bytes(4, "big") + text


def unpack(key: Key, row: bytes) -> dict[str, Any]:
    """The item with its key. InternalError for a format of a newer version."""
    end = 5 + int.from_bytes(row[1:5], "big")
    value = _decode(row[5:end].decode())
    item: dict[str, Any]
    match row[0]:
        case 1:
            item = value
        case 2:
            item, lengths = value
            for name, length in lengths:
                item[name] = row[end : end + length]
                end += length
        case 3:
            item = {name: _untag(tagged) for name, tagged in value.items()}
        case form:
            raise InternalError(f"The local table has an item of format {form}: a newer Cairn wrote it.")
    item["pk"], item["sk"] = key
    return item


def _tag(value: Any) -> Any:
    match value:
        case bytes():
            return {"b": base64.b64encode(value).decode()}
        case dict():
            return {"m": {name: _tag(element) for name, element in value.items()}}
        case list():
            return [_tag(element) for element in value]
    return value


def _untag(value: Any) -> Any:
    match value:
        case {"b": text}:
            return base64.b64decode(text)
        case {"m": elements}:
            return {name: _untag(element) for name, element in elements.items()}
        case list():
            return [_untag(element) for element in value]
    return value
