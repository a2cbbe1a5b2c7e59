"""One HTTPS POST to a stranger: to an address that was checked, in five seconds, for its status alone.

A name is resolved once; every address that it stands for must be global, and the connection goes to one of
those very addresses. So a resolver that answers otherwise a moment later has nothing to win. TLS checks the
certificate against the name. There are no redirects, no proxy, no environment variable, no cookie; of the
answer the head is read (16 KB at most), never the body.

The clock runs over all of it, resolution included: a peer that sends a byte now and then gains nothing.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from cairn.domain.addresses import is_global
from cairn.domain.webhooks import Target

T = TypeVar("T")

SECONDS = 5.0
PORT = 443

_HEAD = 16 * 1024
_PIECE = 16 * 1024

Resolve = Callable[[str], Sequence[str]]
"""From a name to its addresses. Raises OSError; in SECONDS at most."""


class Connection(Protocol):
    """Of a connected socket, what is used here."""

    def settimeout(self, seconds: float, /) -> None: ...
    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


Connect = Callable[[str, int, float], Connection]
"""Address, port and seconds to a connection. Raises OSError."""


class Undelivered(Exception):
    """No answer came. ``repeat``: it may come another time. The message names no address and no URL."""

    def __init__(self, reason: str, *, repeat: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.repeat = repeat


@dataclass(frozen=True, slots=True)
class Answer:
    """``retry_after`` in seconds, where the answer says so."""

    status: int
    retry_after: int | None = None


def resolve(host: str) -> Sequence[str]:
    """The addresses of a name by the system's resolver, which knows no timeout: it is waited for in
    SECONDS at most. An address is its own."""
    found: list[str] = []
    failures: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failures.append(error)
        else:
            found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))

    asking = threading.Thread(target=ask, name="resolve", daemon=True)
    asking.start()
    asking.join(SECONDS)
    if failures:
        raise OSError(str(failures[0]))
    if not found:
        raise TimeoutError(f"no answer in {SECONDS:g} seconds")
    return found


def connect(address: str, port: int, seconds: float) -> Connection:
    """To an address, never to a name: nothing is resolved here."""
    version = ipaddress.ip_address(address).version
    connection = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect((address, port))
    except OSError:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True)
class Way:
    """How requests leave: ``Way(ssl.create_default_context())`` in production. A test gives a resolver, a
    connector or a context of its own; the environment decides nothing."""

    context: ssl.SSLContext
    resolve: Resolve = resolve
    connect: Connect = connect
    clock: Callable[[], float] = time.monotonic
    is_allowed: Callable[[str], bool] = is_global


def post(way: Way, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
    """Send it. Raises Undelivered."""
    until = way.clock() + SECONDS

    def left() -> float:
        seconds = until - way.clock()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    try:
        connection = _reach(way, target.host, left)
        try:
            channel = _Channel(connection, way.context, target.host, left)
            channel.send(_request(target, headers, body))
            return _answer(channel)
        finally:
            connection.close()
    except TimeoutError:
        raise Undelivered(f"no answer within {SECONDS:g} seconds") from None
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"the certificate is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise Undelivered(f"TLS failed: {error.reason or 'the peer broke off'}") from None
    except OSError as error:
        raise Undelivered(f"the connection failed: {error.strerror or type(error).__name__}") from None


def _reach(way: Way, host: str, left: Callable[[], float]) -> Connection:
    """A connection to the first of the host's addresses that takes one."""
    try:
        addresses = way.resolve(host)
    except TimeoutError:
        raise
    except OSError as error:
        raise Undelivered(f"the host name cannot be resolved: {error}") from None
    left()
    if not addresses or not all(map(way.is_allowed, addresses)):
        raise Undelivered("the host name stands for an address that is not public", repeat=False)
    failure = OSError()
    for address in addresses:
        try:
            return way.connect(address, PORT, left())
        except TimeoutError:
            raise
        except OSError as error:
            failure = error
    raise failure


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


class _Channel:
    """TLS over a connection, by hand: each wait for the network is as long as the time that is left."""

    def __init__(
        self, connection: Connection, context: ssl.SSLContext, name: str, left: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._left = left
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._repeat(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):  # a write to memory takes all that it is given
            self._repeat(partial(self._tls.write, data[start : start + _PIECE]))

    def receive(self) -> bytes:
        """Some bytes; none at the end."""
        try:
            return self._repeat(lambda: self._tls.read(_PIECE))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def _repeat(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._connection.settimeout(self._left())
                data = self._connection.recv(_PIECE)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        data = self._out.read()
        if data:
            self._connection.settimeout(self._left())
            self._connection.sendall(data)


def _answer(channel: _Channel) -> Answer:
    """The head of the final answer; those before it (1xx) are passed over."""
    head = b""
    read = 0
    while True:
        while b"\r\n\r\n" not in head:
            piece = channel.receive()
            read += len(piece)
            if not piece or read > _HEAD:
                raise Undelivered("the answer is no HTTP")
            head += piece
        first, _, head = head.partition(b"\r\n\r\n")
        status, headers = _parsed(first)
        if status >= 200:
            return Answer(status, _retry_after(headers))


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit() and len(code) == 3):
        raise Undelivered("the answer is no HTTP")
    pairs = (line.partition(":") for line in lines)
    return int(code), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds; a date is not looked at, the queue's own pause does."""
    value = headers.get("retry-after", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 7 else None
