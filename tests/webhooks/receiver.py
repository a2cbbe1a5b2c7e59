"""A receiver of webhooks: a real TLS server on this machine, and the way that leads to it.

The way's resolver says that its name stands for a public address, and its connector takes connections to
that address here: all checks are those of production.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cairn.webhooks.post import Connection, Way
from tests.e2e.certificate import make

PUBLIC = "93.184.216.34"
HOST = "localhost"
URL = f"https://{HOST}/hooks?team=ml"


@dataclass(frozen=True, slots=True)
class Received:
    line: str
    headers: Mapping[str, str]
    body: bytes


Respond = Callable[[ssl.SSLSocket], object]


def say(text: str) -> Respond:
    return lambda connection: connection.sendall(text.encode())


def status(code: int, *headers: str) -> Respond:
    lines = [f"HTTP/1.1 {code} Said", *headers, "Content-Length: 4", "", "body"]
    return say("\r\n".join(lines))


@dataclass(slots=True)
class Receiver:
    """``responds`` are used up from the front, the last one stays."""

    port: int
    context: ssl.SSLContext
    responds: list[Respond] = field(default_factory=lambda: [status(200)])
    received: list[Received] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)

    def connect(self, address: str, port: int, seconds: float) -> Connection:
        self.connected.append((address, port))
        return socket.create_connection(("127.0.0.1", self.port), seconds)

    def way(self, addresses: Sequence[str] = (PUBLIC,)) -> Way:
        return Way(self.context, resolve=lambda host: addresses, connect=self.connect)

    def serve(self, connection: ssl.SSLSocket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        headers = dict(each.split(": ", 1) for each in lines)
        while len(body) < int(headers["Content-Length"]):
            body += connection.recv(65_536)
        self.received.append(Received(line, headers, body))
        (self.responds.pop(0) if len(self.responds) > 1 else self.responds[0])(connection)


@contextmanager
def receiver(folder: Path, *addresses: str) -> Iterator[Receiver]:
    """Its certificate, ``server.crt`` in the folder, is good for these addresses as well."""
    certificate = make(folder, *addresses)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate.certificate, certificate.key)
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Receiver(listener.getsockname()[1], trusting)
        serving.sni_callback = lambda _, name, __: found.names.append(name)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                # A client that breaks off is the client's test to look at.
                with (
                    connection,
                    suppress(OSError),
                    serving.wrap_socket(connection, server_side=True) as tls,
                ):
                    found.serve(tls)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
