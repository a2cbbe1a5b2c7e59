"""A front like API Gateway before ``cairn local``: TLS, signatures checked, and accidents on demand."""

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from mlflow_cairn.creation import CREATES
from tests.client.gateway import refusal
from tests.e2e import certificate

REGION = "eu-central-1"
_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True, slots=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Front:
    """``uri`` to call it by. What it was asked is in ``seen``, what it refused in ``refused``.

    ``losses`` is how many answers to creates are lost on their way back, after the server did its work;
    ``redirects`` maps a path to where it is sent, with a status."""

    backend: str | None
    uri: str = ""
    certificate: Path | None = None
    seen: list[Seen] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    losses: int = 0
    redirects: dict[str, tuple[int, str]] = field(default_factory=dict)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        path = handler.path.partition("?")[0]
        self.seen.append(Seen(handler.command, path, headers, body))
        if path in self.redirects:
            status, location = self.redirects[path]
            self._reply(handler, status, {"Location": location}, b"")
            return
        if self.certificate is not None:
            reason = refusal(handler.command, handler.path, headers, body, REGION)
            if reason is not None:
                self.refused.append(f"{handler.command} {handler.path}: {reason}")
                message = json.dumps({"error_code": "UNAUTHENTICATED", "message": reason}).encode()
                self._reply(handler, 401, {"Content-Type": "application/json"}, message)
                return
        if self.backend is None:
            self._reply(handler, 200, {}, b"{}")
            return
        status, answered, content = self._forward(handler.command, handler.path, headers, body)
        if handler.command == "POST" and path.endswith(CREATES) and self.losses > 0:
            self.losses -= 1
            handler.close_connection = True  # without a byte of the answer
            return
        self._reply(handler, status, answered, content)

    def _forward(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        assert self.backend is not None
        parts = urlsplit(self.backend)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            kept = {k: v for k, v in headers.items() if k not in _HOP | {"host", "authorization"}}
            connection.request(method, target, body, kept)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    @staticmethod
    def _reply(
        handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes
    ) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def front(backend: str | None, folder: Path | None = None) -> Iterator[Front]:
    """A front until the end of the block: with TLS and checked signatures if there is a folder for the
    certificate, else plain. Without a backend it answers ``{}`` to everything."""
    with serving(Front(backend), folder) as state:
        yield state


@contextmanager
def serving(state: Front, folder: Path | None) -> Iterator[Front]:
    """Have a front answer, with TLS if there is a folder for the certificate."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            state.answer(self)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 -- http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if folder is not None:
        made = certificate.make(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.certificate, made.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        state.certificate, scheme = made.certificate, "https"
    state.uri = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
