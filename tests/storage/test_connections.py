"""Kept connections: answers of every shape, servers that stop, and whom a connection trusts."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from hypothesis import given
from hypothesis import strategies as st

from cairn.storage.connections import Connections
from cairn.storage.wire import connect
from tests.e2e import certificate

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers the requests of each connection with these bytes, then closes it."""

    def __init__(
        self, scripts: Sequence[Sequence[bytes]], trusted: certificate.Certificate | None, host: str
    ) -> None:
        self.asked: list[bytes] = []
        self._scripts = scripts
        self._listener = socket.create_server((host, 0))
        scheme = "http"
        if trusted is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(trusted.certificate, trusted.key)
            self._listener = context.wrap_socket(self._listener, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://{host}:{self._listener.getsockname()[1]}/"

    def run(self) -> None:
        for script in self._scripts:
            try:
                peer, _ = self._listener.accept()
            except OSError:  # the client does not trust us, or the test is over
                continue
            with peer, peer.makefile("rb") as reader:
                for answer in script:
                    head = b"".join(iter(reader.readline, b"\r\n"))
                    length = re.search(rb"Content-Length: (\d+)", head)
                    assert length is not None
                    self.asked.append(head + reader.read(int(length[1])))
                    peer.sendall(answer)

    def stop(self) -> None:
        self._listener.close()


@contextmanager
def serving(
    *scripts: Sequence[bytes], trusted: certificate.Certificate | None = None, host: str = "127.0.0.1"
) -> Iterator[Server]:
    server = Server(scripts, trusted, host)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
        thread.join(10)
    finally:
        server.stop()


@contextmanager
def connected(url: str, ca_bundle: str = "", read_seconds: float = 5) -> Iterator[Connections]:
    connections = Connections(url, ca_bundle, connect_seconds=2, read_seconds=read_seconds)
    try:
        yield connections
    finally:
        connections.close()


def post(connections: Connections, body: bytes = b"{}") -> tuple[int, bytes]:
    reply = connections.post({"Host": "here", "Content-Length": str(len(body))}, body)
    return reply.status_code, reply.content


def test_requests_share_a_connection() -> None:
    with serving([OK, OK]) as server, connected(server.url) as connections:
        assert [post(connections, b"1"), post(connections, b"22")] == [(200, b"{}")] * 2
    assert server.asked == [
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n1",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n22",
    ]


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    with serving([OK], [OK]) as server, connected(server.url) as connections:
        assert post(connections) == (200, b"{}")
        deadline = threading.Event()
        while not connections._waiting[0].is_dropped():
            deadline.wait(0.01)
        assert post(connections) == (200, b"{}")
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
    ],
)
def test_a_connection_that_will_be_closed_is_not_kept(answer: bytes) -> None:
    with serving([answer], [OK]) as server, connected(server.url) as connections:
        assert post(connections) == (200, b"{}")
        assert not connections._waiting
        assert post(connections) == (200, b"{}")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200\nCONTENT-LENGTH:2\n\n{}",
    ],
    ids=["in chunks", "continued", "bare"],
)
def test_answers_of_other_shapes_are_read(answer: bytes) -> None:
    with serving([answer, OK]) as server, connected(server.url) as connections:
        assert post(connections) == (200, b"{}")
        assert post(connections) == (200, b"{}")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 yes OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 " + b"x" * 70_000,
    ],
    ids=lambda answer: answer[:60].decode() or "nothing",
)
def test_what_is_no_whole_answer_is_a_connection_that_closed(answer: bytes) -> None:
    with serving([answer], [OK]) as server, connected(server.url) as connections:
        with pytest.raises(ConnectionClosedError):
            post(connections)
        assert post(connections) == (200, b"{}")


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with connected(url, read_seconds=0.05) as connections, pytest.raises(ReadTimeoutError):
            post(connections)
    with connected(url) as connections, pytest.raises(EndpointConnectionError):
        post(connections)


@given(st.sampled_from(["\n", "\r", "\r\n", "\r\nX-Amz-Target: other"]), st.text("ab", max_size=3))
def test_a_header_has_one_line(end: str, rest: str) -> None:
    with connected("http://127.0.0.1:1") as connections, pytest.raises(HTTPClientError):
        connections.post({"X-Amz-Security-Token": f"token{end}{rest}"}, b"")


def test_who_is_not_trusted_hears_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither with a certificate that nobody signed, nor with that of another host."""
    made = certificate.make(tmp_path)
    with serving([OK], trusted=made) as server, connected(server.url, str(made.certificate)) as connections:
        assert post(connections) == (200, b"{}")
    with serving([OK], trusted=made) as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        wire = connect("eu-central-1", server.url)
        with pytest.raises(SSLError, match="certificate verify failed"):
            wire.call("GetItem", {})
        assert not server.asked
    with serving([OK], trusted=made, host="127.0.0.2") as server:
        with (
            connected(server.url, str(made.certificate)) as connections,
            pytest.raises(SSLError, match="IP address mismatch"),
        ):
            post(connections)
        assert not server.asked
