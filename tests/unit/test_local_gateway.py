"""The local server's HTTP with no application behind it: requests over a socket, events at a handler."""

import hashlib
import http.client
import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pytest

from cairn.local.events import event_of, request_path
from cairn.local.server import Gateway, Server, bind

MEGABYTE = 2**20


@dataclass
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b"{}"


class Stream:
    """Chunks of an answer; notes whether the server closed it."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        while self.left:
            self.left -= 1
            yield b"x" * MEGABYTE

    def close(self) -> None:
        self.closed = True


def environ(**changes: Any) -> dict[str, Any]:
    base = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/a",
        "PATH_INFO": "/a",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    return base | changes


@contextmanager
def serving(
    handle: Callable[[Mapping[str, Any], BinaryIO], Answer],
) -> Iterator[tuple[http.client.HTTPConnection, Server]]:
    """A server with this handler, and a connection to it."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = Server(Gateway(handle, lambda _: ["GET", "PUT"], "ada", lambda: 1_700_000_000_000), listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            yield connection, server
    finally:
        server.stop()
        thread.join(timeout=30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/a/b?x=%2F", "/a/b"),
        ("/a%2Fb/%2e%2e/c", "/a%2Fb/%2e%2e/c"),
        ("http://localhost:5000/a%20b", "/a%20b"),
        ("//a", "/a"),
        ("/", "/"),
    ],
)
def test_the_path_stays_as_it_was_sent(uri: str, path: str) -> None:
    assert request_path(environ(REQUEST_URI=uri)) == path


def test_a_server_without_the_request_line_gives_an_encoded_path() -> None:
    without = environ(PATH_INFO="/a b/\u00c3\u00a9")  # WSGI's latin-1 view of UTF-8
    del without["REQUEST_URI"]
    assert request_path(without) == "/a%20b/%C3%A9"


def test_repeated_query_names_stay_apart_and_blank_values_stay() -> None:
    event = event_of(environ(QUERY_STRING="order_by=a+b&order_by=c%2Cd&token="), "GET", "ada", "1", 0)
    assert event["multiValueQueryStringParameters"] == {"order_by": ["a b", "c,d"], "token": [""]}
    assert event["queryStringParameters"] == {"order_by": "c,d", "token": ""}


def test_an_event_without_query_has_none() -> None:
    event = event_of(environ(), "GET", "ada", "1", 0)
    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None


def test_the_caller_is_the_operating_systems_user_whatever_is_sent() -> None:
    forged = environ(
        REMOTE_USER="eve", HTTP_X_AMZN_IDENTITY="eve", HTTP_USER="local:eve", HTTP_AUTHORIZATION="eve"
    )
    identity = event_of(forged, "GET", "ada", "1", 0)["requestContext"]["identity"]
    assert identity["user"] == "local:ada"
    assert identity["userArn"] is None


def test_a_request_becomes_an_event_and_an_answer_a_response() -> None:
    events: list[Mapping[str, Any]] = []

    def handle(event: Mapping[str, Any], body: BinaryIO) -> Answer:
        events.append(event)
        return Answer(418, {"Content-Type": "application/json", "X-One": "1"}, body.read())

    with serving(handle) as (connection, _):
        connection.request(
            "POST", "/api/x%20y?k=v", b'{"a": 1}', {"Content-Type": "application/json", "Host": "here"}
        )
        response = connection.getresponse()
        assert (response.status, response.read()) == (418, b'{"a": 1}')
        assert response.headers["X-One"] == "1"
        assert response.headers["Content-Length"] == "8"
    (event,) = events
    assert (event["httpMethod"], event["path"]) == ("POST", "/api/x%20y")
    assert event["headers"]["Content-Type"] == "application/json"
    assert event["multiValueHeaders"]["Host"] == ["here"]
    assert event["requestContext"]["requestTimeEpoch"] == 1_700_000_000_000


@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "chunked"])
@pytest.mark.parametrize("megabytes", [0, 1, 24])
def test_an_upload_reaches_the_handler_whole(megabytes: int, chunked: bool) -> None:
    seen: list[tuple[str | None, str]] = []

    def handle(event: Mapping[str, Any], body: BinaryIO) -> Answer:
        digest = hashlib.sha256()
        for chunk in iter(lambda: body.read(65_536), b""):
            digest.update(chunk)
        seen.append((event["headers"].get("Content-Length"), digest.hexdigest()))
        return Answer()

    content = bytes(range(256)) * (megabytes * 4096)
    with serving(handle) as (connection, _):
        body: Any = io.BytesIO(content) if chunked else content
        connection.request("PUT", "/file", body, {}, encode_chunked=chunked)
        response = connection.getresponse()
        response.read()
        assert response.status == 200
    assert seen == [(str(len(content)), hashlib.sha256(content).hexdigest())]


def test_a_download_is_streamed_and_closed() -> None:
    stream = Stream(24)
    headers = {"Content-Length": str(24 * MEGABYTE)}
    with serving(lambda *_: Answer(200, headers, stream)) as (connection, _):
        connection.request("GET", "/file")
        assert len(connection.getresponse().read()) == 24 * MEGABYTE
    assert stream.closed


def test_head_has_the_headers_of_get_and_reads_nothing() -> None:
    stream = Stream(3)
    methods: list[str] = []

    def handle(event: Mapping[str, Any], _: BinaryIO) -> Answer:
        methods.append(event["httpMethod"])
        return Answer(200, {"Content-Length": str(3 * MEGABYTE)}, stream)

    with serving(handle) as (connection, _):
        connection.request("HEAD", "/file")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")
        assert response.headers["Content-Length"] == str(3 * MEGABYTE)
    assert methods == ["GET"]
    assert (stream.left, stream.closed) == (3, True)


def test_options_names_the_methods_without_asking_the_handler() -> None:
    def handle(*_: object) -> Answer:
        raise AssertionError("not for the handler")

    with serving(handle) as (connection, _):
        connection.request("OPTIONS", "/file")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS, PUT"


def test_one_connection_serves_many_requests() -> None:
    with serving(lambda event, _: Answer(body=event["path"].encode())) as (connection, _):
        for number in range(20):
            connection.request("GET", f"/{number}")
            assert connection.getresponse().read() == f"/{number}".encode()


def test_a_request_under_way_is_answered_when_the_server_stops() -> None:
    began, go_on = threading.Event(), threading.Event()

    def handle(*_: object) -> Answer:
        began.set()
        go_on.wait(10)
        return Answer(body=b"done")

    with serving(handle) as (connection, server):
        connection.request("GET", "/slow")
        assert began.wait(10)
        server.stop()
        threading.Timer(0.2, go_on.set).start()
        assert connection.getresponse().read() == b"done"
