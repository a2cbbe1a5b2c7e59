"""A request's body as it can be signed and sent: its hash is known before its first byte leaves.

API Gateway takes neither unsigned nor chunked payloads, so a stream is read before it is sent: a small one
into memory (a log file may grow while it is uploaded), a large file twice, anything else into a temporary
file.
"""

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

from requests import PreparedRequest

IN_MEMORY = 8 * 1024 * 1024
"""Bytes of a stream that are held in memory. API Gateway takes 10 MB."""

_CHUNK = 1024 * 1024


def settle(request: PreparedRequest) -> str:
    """Give the request a body of known length; the SHA-256 of its bytes, in hexadecimal."""
    body: Any = request.body
    if body is None:
        return hashlib.sha256(b"").hexdigest()
    if isinstance(body, str):
        body = body.encode()
    elif isinstance(body, (bytearray, memoryview)):
        body = bytes(body)
    if not isinstance(body, bytes):
        return _settle_stream(request, body)
    _carry(request, body, len(body), None)
    return hashlib.sha256(body).hexdigest()


def _settle_stream(request: PreparedRequest, body: Any) -> str:
    start = _position(body)
    chunks = _chunks(body)
    head = io.BytesIO()
    while head.tell() <= IN_MEMORY and (chunk := next(chunks, b"")):
        head.write(chunk)
    digest = hashlib.sha256(head.getvalue())
    if head.tell() <= IN_MEMORY:
        _carry(request, head.getvalue(), head.tell(), None)
        return digest.hexdigest()
    if start is not None:
        length = head.tell() + sum(_hashed(digest, chunks))
        body.seek(start)
        _carry(request, body, length, start)
        return digest.hexdigest()
    spool = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115 -- closed with the answer, by the hook
    spool.write(head.getvalue())
    for chunk in chunks:
        digest.update(chunk)
        spool.write(chunk)
    length = spool.tell()
    spool.seek(0)
    request.register_hook("response", lambda response, **_: _close_unless_moved(spool, response))
    _carry(request, spool, length, 0)
    return digest.hexdigest()


def _close_unless_moved(spool: IO[bytes], response: Any) -> None:
    if not response.is_redirect:  # a 307 sends it again
        spool.close()


def _carry(request: PreparedRequest, body: Any, length: int, position: int | None) -> None:
    request.body = body
    request.headers.pop("Transfer-Encoding", None)
    request.headers["Content-Length"] = str(length)
    # where requests rewinds to before it follows a redirect; bytes need none
    request._body_position = position  # type: ignore[attr-defined]


def _hashed(digest: Any, chunks: Iterator[bytes]) -> Iterator[int]:
    for chunk in chunks:
        digest.update(chunk)
        yield len(chunk)


def _position(body: Any) -> int | None:
    """Where a file stands that can be read twice; None for other streams, and for text."""
    if not (hasattr(body, "seek") and hasattr(body, "tell")) or isinstance(body, io.TextIOBase):
        return None
    try:
        position: int = body.tell()
        body.seek(position)
    except OSError:
        return None
    return position


def _chunks(body: Any) -> Iterator[bytes]:
    """The rest of a stream. Text is sent as UTF-8."""
    parts: Iterable[Any] = iter(lambda: body.read(_CHUNK), body.read(0)) if hasattr(body, "read") else body
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        if data:
            yield data
