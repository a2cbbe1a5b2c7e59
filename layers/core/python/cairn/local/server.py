"""The local HTTP server: waitress in front of the functions' own request handling.

waitress reads a whole request, whatever its size and framing, into memory or past 512 KB into a temporary
file, then a worker thread answers it: a slow upload holds no thread. Uploads reach the handler as that
file, downloads leave in chunks, so neither is ever in memory as a whole. Which requests those are, what
they mean and how they fail is not decided here.
"""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO, Protocol

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

from cairn.domain.clock import Clock
from cairn.local.events import Environ, StartResponse, Wsgi, event_of, request_path, respond

THREADS = 32
"""A thread is held by a download as long as its client reads, so there are more than a laptop has cores."""

_CONNECTIONS = 1000
_GRACE_SECONDS = 5.0
_AHEAD = 4 * 2**20
"""Bytes that an answer may be ahead of its client."""

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


Handle = Callable[[Mapping[str, Any], BinaryIO], Answer]
"""An event and the request's body."""

Methods = Callable[[str], Iterable[str]]
"""The methods that a percent-encoded path knows."""


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
        if asked == "OPTIONS":
            known = set(self._methods(request_path(environ)))
            if known:
                return respond(200, {"Allow": _allow(known)}, b"", start_response, with_body=True)
        event = event_of(
            environ,
            "GET" if asked == "HEAD" else asked,
            self._user,
            f"local-{next(self._numbers)}",
            self._clock(),
        )
        answer = self._handle(event, environ["wsgi.input"])
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


class Server:
    """waitress on a bound socket: connections queue up from the start, ``run`` answers them."""

    def __init__(self, application: Wsgi, listener: socket.socket) -> None:
        self._channels: dict[int, Any] = {}
        self._stopped = False
        self._ended = False
        self._ending = threading.RLock()  # a signal's handler may come while its own thread holds it
        self._server: Any = create_server(
            application,
            map=self._channels,
            sockets=[listener],
            threads=THREADS,
            connection_limit=_CONNECTIONS,
            max_request_body_size=_MAX_BODY,
            outbuf_high_watermark=_AHEAD,
            outbuf_overflow=16 * _AHEAD,  # so an answer never waits in a file
            ident="cairn",
        )

    def stop(self) -> None:
        """Have ``run`` return; from another thread, or from a signal handler."""
        self._stopped = True
        with self._ending:
            if not self._ended:
                self._server.pull_trigger()

    def run(self) -> None:
        """Answer until ``stop``. Then take no new connection, but finish the requests under way and send
        their answers, for 5 s at most: a client that has its answer does not repeat a write.
        """
        while not self._stopped:
            self._turn()
        self._server.del_channel()
        self._server.socket.close()
        last = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < last and any(map(_is_busy, list(self._channels.values()))):
            self._turn()
        self._server.task_dispatcher.shutdown(timeout=0.5)
        with self._ending:
            self._ended = True
            self._server.trigger.close()
        for channel in list(self._channels.values()):
            if isinstance(channel, HTTPChannel):
                channel.handle_close()  # its buffers as well
        wasyncore.close_all(self._channels)

    def _turn(self) -> None:
        """Once around: what can be read or written. Not select(), which ends at 1,024 descriptors."""
        wasyncore.loop(timeout=0.5, use_poll=True, map=self._channels, count=1)


def _is_busy(channel: object) -> bool:
    return isinstance(channel, HTTPChannel) and (bool(channel.requests) or channel.total_outbufs_len > 0)


def _allow(known: set[str]) -> str:
    implied = {"OPTIONS", "HEAD"} if "GET" in known else {"OPTIONS"}
    return ", ".join(sorted(known | implied))
