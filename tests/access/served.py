"""A principal's way to the world by HTTP: every request counts as signed by it, so that MLflow's own client
can be anybody."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from cairn.http import handle
from tests.access.worlds import As


@contextmanager
def served(asking: As) -> Iterator[str]:
    """The URI, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            event = {
                "resource": "/{proxy+}",
                "httpMethod": self.command,
                "path": path,
                "multiValueHeaders": {name: [value] for name, value in self.headers.items()},
                "multiValueQueryStringParameters": parse_qs(query, keep_blank_values=True) or None,
                "requestContext": {
                    "requestId": "request-1",
                    "resourcePath": "/{proxy+}",
                    "identity": dict(asking.identity),
                },
            }
            answer = handle(asking.world.app, event, io.BytesIO(body))
            content = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 -- http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
