"""Page tokens: where a page ended, for one query alone.

A token is opaque and url-safe: a format version, a checksum of the query and the position, and the position
(``cairn.search.order``) of the page's last row. The next page is what comes behind that position, whatever
was written around it meanwhile. The query's fingerprint covers experiments, filter, view and order, not the
page's size. The checksum guards against mistakes, not forgery: a token grants nothing.
"""

import base64
import binascii
import hashlib
import json
import re
from typing import Any

from cairn.errors import InvalidParameterValue
from cairn.search.order import Ordering, Position

_VERSION = b"\x01"
_CHECKSUM = 12  # bytes
RESUMED = 3
"""A place that no column has: what follows tells how far a pass came."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


def fingerprint(*parts: object) -> bytes:
    """A hash of what makes a query: anything that JSON can say."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def encode(query: bytes, position: Position) -> str:
    """The token for a page that ended at ``position``."""
    payload = json.dumps(position, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_VERSION + _checksum(query, payload) + payload).rstrip(b"=").decode()


def decode(query: bytes, token: str | None, ordering: Ordering[Any]) -> Position | None:
    """The position that a token holds; None for no token.

    Raises InvalidParameterValue for what is no token of this query.
    """
    return checked(_places(query, token), ordering) if token else None


def decode_resumed(
    query: bytes, token: str | None, ordering: Ordering[Any]
) -> tuple[Position | None, str | None]:
    """The same for a search that may stop in the middle of a pass over everything (``resumed``)."""
    return resumed(_places(query, token), ordering) if token else (None, None)


def resumed(places: Position, ordering: Ordering[Any]) -> tuple[Position | None, str | None]:
    """What has been answered, and how far a pass came that goes on from there, if one does: the place
    ``RESUMED`` with a text comes first, then the position, if there is one."""
    if not places or places[0][0] != RESUMED:
        return checked(places, ordering), None
    text = places[0][1]
    if not isinstance(text, str):
        raise InvalidParameterValue("Invalid page token, its position cannot be read")
    return (checked(places[1:], ordering) if places[1:] else None), text


def _places(query: bytes, token: str) -> Position:
    """What a token of this query holds: pairs, whatever is in them."""
    if not _TOKEN.fullmatch(token):
        raise InvalidParameterValue("Invalid page token, could not base64-decode")
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except binascii.Error:
        raise InvalidParameterValue("Invalid page token, could not base64-decode") from None
    payload = raw[1 + _CHECKSUM :]
    canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token
    if raw[:1] != _VERSION or not canonical:
        raise InvalidParameterValue("Invalid page token, it is of no format that this server knows")
    if raw[1 : 1 + _CHECKSUM] != _checksum(query, payload):
        raise InvalidParameterValue("Invalid page token, it was altered or belongs to another query")
    try:
        return tuple((place, value) for place, value in json.loads(payload))
    except (ValueError, TypeError, RecursionError):
        raise InvalidParameterValue("Invalid page token, its position cannot be read") from None


def _checksum(query: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(_VERSION + query + payload).digest()[:_CHECKSUM]


def checked(places: Position, ordering: Ordering[Any]) -> Position:
    """A position of this order. A token's checksum is right here, a forger's nonsense is refused too."""
    columns = ordering.columns
    if len(places) != len(columns) or not all(
        column.accepts(place, value) for column, (place, value) in zip(columns, places, strict=True)
    ):
        raise InvalidParameterValue("Invalid page token, its position is of another order")
    return places
