"""The one client: JSON over a connection that is kept alive, as light as the standard library allows.

Not MLflow's client, whose own work per call (about a millisecond) would be added to both sides. A
connection belongs to one thread.
"""

import http.client
import json
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

API = "/api/2.0/mlflow/"
IDLE_SECONDS = 2.0
"""After this a connection is made anew: MLflow's server closes one that is idle for 5 s, while another
server takes its time for instance."""

_CRASHES, _PAUSE = 4, 1.0
"""MLflow's server now and then answers the page of a crash (500, HTML); its client asks again, and so does
this one, a second later. An error in JSON, Cairn's among them, is never asked again."""


class Unexpected(AssertionError):
    """A server answered wrongly, or not with 200."""


class Client:
    """One connection to one server.

    It acknowledges packets at once where the system can (TCP_QUICKACK): the workers of MLflow's server wait
    for an acknowledgement between head and body of an answer, which a kernel's defaults delay by 40 ms.
    """

    def __init__(self, host: str, port: int, timeout: float = 300.0) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)
        self._used = time.monotonic()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("POST", API + path, json.dumps(body).encode())

    def get(self, path: str, query: Mapping[str, str] | Sequence[tuple[str, str]]) -> dict[str, Any]:
        return self._call("GET", f"{API}{quote(path)}?{urlencode(query)}", None)

    def send(self, method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        """Whatever it answers: status and bytes."""
        return self._exchange(method, target, body)

    def close(self) -> None:
        self._connection.close()

    def _acknowledge_at_once(self) -> None:
        if self._connection.sock is None:
            self._connection.connect()
        if hasattr(socket, "TCP_QUICKACK"):
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _call(self, method: str, target: str, body: bytes | None) -> dict[str, Any]:
        for _ in range(_CRASHES):
            status, content = self._exchange(method, target, body)
            if not (status == 500 and content[:9].lower() == b"<!doctype"):
                break
            sys.stderr.write(f"{method} {target}: the server crashed over it, and is asked again\n")
            time.sleep(_PAUSE)
        if status != 200:
            raise Unexpected(f"{method} {target}: {status} {content[:500]!r}")
        answer: dict[str, Any] = json.loads(content)
        return answer

    def _exchange(self, method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()
        self._acknowledge_at_once()
        self._connection.request(method, target, body, headers)
        self._acknowledge_at_once()  # the kernel forgets it again
        response = self._connection.getresponse()
        content = response.read()
        self._used = time.monotonic()
        return response.status, content
