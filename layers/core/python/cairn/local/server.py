"""The local HTTP server: waitress in front of the functions' own request handling.

waitress reads a whole request, whatever its size and framing, into memory or past 512 KB into a temporary
file, then a worker thread answers it: a slow upload holds no thread. Uploads reach the handler as that file,
downloads leave in chunks, so neither is ever in memory as a whole. Which requests those are, what they mean
and how they fail is not decided here.
"""

import itertools
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO, Protocol

from waitress.server import BaseWSGIServer, MultiSocketServer, create_server

from cairn.domain.clock import Clock
from cairn.local.events import Environ, StartResponse, event_of, request_path, respond

THREADS = 32
"""A thread is held by a download as long as its client reads, so there are more than a laptop has cores."""

_CONNECTIONS = 1000
_MAX_BODY = 2**50
"""Bytes; waitress wants a limit, artifacts have none."""


class Answer(Protocol):
    """What the HTTP layer answers: bytes with their length known, or a stream of them."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes | Iterable[bytes]: ...


Handle = Callable[[Mapping[str, Any], BinaryIO | None], Answer]
"""An event, and the body apart where it is bytes rather than a message."""

Methods = Callable[[str], Mapping[str, bool]]
"""The methods that a path knows, and whether the body of each is bytes."""


class Gateway:
    """The WSGI application: API Gateway's part, for one user of this machine.

    HEAD is answered as GET without its body, OPTIONS with the methods of the path, both as in MLflow's
    server.
    """

    def __init__(self, handle: Handle, methods: Methods, user: str, clock: Clock) -> None:
        self._handle = handle
        self._methods = methods
        self._user = user
        self._clock = clock
        self._numbers = itertools.count(1)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        asked = environ["REQUEST_METHOD"]
        known = self._methods(request_path(environ))
        if asked == "OPTIONS" and known:
            return respond(200, {"Allow": _allow(known)}, b"", start_response, with_body=True)
        method = "GET" if asked == "HEAD" else asked
        stream: BinaryIO = environ["wsgi.input"]
        as_bytes = known.get(method, False)
        event = event_of(
            environ,
            method,
            self._user,
            f"local-{next(self._numbers)}",
            self._clock(),
            None if as_bytes else stream,
        )
        answer = self._handle(event, stream if as_bytes else None)
        return respond(
            answer.status, answer.headers, answer.body, start_response, with_body=asked != "HEAD"
        )


def bind(host: str, port: int) -> socket.socket:
    """A socket at the first address of ``host`` that can be bound; port 0 takes a free one.

    Raises OSError: unknown host, port in use or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def serve(gateway: Gateway, listener: socket.socket) -> MultiSocketServer | BaseWSGIServer:
    """Listen. The caller runs the server (``run`` returns at KeyboardInterrupt and SystemExit, after the
    requests under way, 5 s at most) and closes it.
    """
    return create_server(
        gateway,
        sockets=[listener],
        threads=THREADS,
        connection_limit=_CONNECTIONS,
        asyncore_use_poll=True,  # select() ends at 1,024 descriptors
        max_request_body_size=_MAX_BODY,
        ident="cairn",
    )


def _allow(known: Mapping[str, bool]) -> str:
    methods = {*known, "OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))
