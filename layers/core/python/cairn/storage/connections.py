"""Kept connections to one HTTP/1.1 server: a request is one write, its answer is read line by line.

In place of urllib3 and http.client, which take most of a small request's CPU for what an answer of DynamoDB
never has: redirects, cookies, content codings, headers that mail's parser reads. Here are connecting,
certificates, keeping and giving up; what is sent and what an answer means is ``wire``'s. Where a proxy is
in between, ``wire`` asks botocore. Exceptions are botocore's, as if that had been asked.
"""

import select
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

_MAX_LINE = 64 * 1024
_MAX_HEADERS = 100


class Reply(NamedTuple):
    """``headers`` are in lower case; of a repeated name the last value counts."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class _Broken(Exception):
    """What came is no answer, or no whole one."""


class _Connection:
    """A socket, a reader of it, and whether something has come that nobody asked for."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader: BinaryIO = sock.makefile("rb")
        self._arrived = select.poll()
        self._arrived.register(sock, select.POLLIN)

    def is_dropped(self) -> bool:
        """Where something can be read before anything is asked, it is the end."""
        return bool(self._arrived.poll(0))

    def close(self) -> None:
        self.reader.close()
        self.sock.close()


class Connections:
    """Connections to the server of a URL, for any number of threads; the last one given back is used
    first, at most ``most`` wait. ``ca_bundle``: a file of certificates to trust."""

    def __init__(
        self, url: str, ca_bundle: str, *, connect_seconds: float, read_seconds: float, most: int = 50
    ) -> None:
        parts = urlsplit(url)
        self._url = url
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._path = parts.path or "/"
        self._seconds = connect_seconds, read_seconds
        self._trusted = ssl.create_default_context(cafile=ca_bundle) if parts.scheme == "https" else None
        self._waiting: deque[_Connection] = deque(maxlen=most)
        weakref.finalize(self, _close_all, self._waiting)  # who forgets to close leaves no socket open

    def post(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """The answer to one POST; raises exceptions of botocore's. Nothing is sent twice."""
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if head.count("\n") != len(headers) or head.count("\r") != len(headers):
            raise HTTPClientError(error="a header has more than one line")  # a token with its end of line
        sent = b"POST %b HTTP/1.1\r\n%b\r\n%b" % (self._path.encode(), head.encode("latin-1"), body)
        connection = self._kept() or self._connect()
        kept = False
        try:
            connection.sock.sendall(sent)
            reply, kept = _read(connection.reader)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from error
        except (OSError, ValueError, _Broken) as error:
            raise ConnectionClosedError(endpoint_url=self._url, error=error) from error
        finally:
            if kept and len(self._waiting) < (self._waiting.maxlen or 0):
                self._waiting.append(connection)
            else:
                connection.close()
        return reply

    def close(self) -> None:
        """Close those that wait."""
        _close_all(self._waiting)

    def _kept(self) -> _Connection | None:
        while True:
            try:
                connection = self._waiting.pop()
            except IndexError:
                return None
            if not connection.is_dropped():
                return connection
            connection.close()

    def _connect(self) -> _Connection:
        try:
            sock = socket.create_connection((self._host, self._port), self._seconds[0])
            try:
                return _Connection(self._prepared(sock))
            except BaseException:
                sock.close()
                raise
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self._url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from error

    def _prepared(self, sock: socket.socket) -> socket.socket:
        # Without it a packet waits until the one before is acknowledged: up to 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._trusted is not None:
            sock = self._trusted.wrap_socket(sock, server_hostname=self._host)
        sock.settimeout(self._seconds[1])
        return sock


def _close_all(waiting: deque[_Connection]) -> None:
    while waiting:
        waiting.pop().close()


def _read(reader: BinaryIO) -> tuple[Reply, bool]:
    """An answer, and whether the connection is good for another."""
    version, status = _status(reader)
    headers = _headers(reader)
    while 100 <= status < 200:
        version, status = _status(reader)
        headers = _headers(reader)
    length = headers.get("content-length")
    kept = version == b"HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if headers.get("transfer-encoding", "").lower() == "chunked":
        content = _chunks(reader)
    elif length is not None:
        content = _exactly(reader, int(length))
    else:
        content, kept = reader.read(), False
    return Reply(status, headers, content), kept


def _status(reader: BinaryIO) -> tuple[bytes, int]:
    version, _, rest = _line(reader).partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise _Broken(f"no answer of HTTP: {version[:50]!r}")
    return version, int(rest[:3])


def _headers(reader: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = _line(reader)
        if not line:
            return headers
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    raise _Broken("too many headers")


def _chunks(reader: BinaryIO) -> bytes:
    content: list[bytes] = []
    while size := int(_line(reader).partition(b";")[0], 16):
        content.append(_exactly(reader, size))
        _line(reader)
    _headers(reader)  # trailers
    return b"".join(content)


def _line(reader: BinaryIO) -> bytes:
    line = reader.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise _Broken("the connection ended within an answer" if len(line) < _MAX_LINE else "a long line")
    return line.rstrip(b"\r\n")


def _exactly(reader: BinaryIO, size: int) -> bytes:
    if size < 0:
        raise _Broken("a negative length")
    content = reader.read(size)
    if len(content) < size:
        raise _Broken("the connection ended within an answer")
    return content
