"""Bytes on their way: an open stream as chunks, and a request's body held to its announced length."""

from collections.abc import Iterator
from typing import Protocol

from cairn.errors import BadRequest

CHUNK = 1024 * 1024
"""Bytes read at once: what a transfer of any size holds in memory."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Source(Readable, Protocol):
    def close(self) -> None: ...


class Chunks:
    """The rest of an open stream, once. It closes itself at its end; ``close`` is for who stops before
    (WSGI servers call it)."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self._source.read(CHUNK):
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        self._source.close()


class Body:
    """A request's body as a file to read, which must hold what its Content-Length says.

    A body that ends early raises BadRequest instead of looking like a shorter file; what lies behind its
    end is not read. ``length`` None reads to the end.
    """

    def __init__(self, stream: Readable, length: int | None) -> None:
        self._stream = stream
        self._length = length
        self._read = 0

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        left = size if self._length is None else min(size, self._length - self._read)
        data = self._stream.read(left) if left > 0 else b""
        self._read += len(data)
        if not data and size > 0 and self._length is not None and self._read < self._length:
            raise BadRequest(f"The upload ended after {self._read} of {self._length} bytes.")
        return data
