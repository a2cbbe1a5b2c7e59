"""DynamoDB's protocol: signatures as botocore makes them, answers of DynamoDB and of broken networks."""

import json
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from cairn.storage import wire
from cairn.storage.wire import CONTENT_TYPE, Garbled, Refused, Signer, Wire, aws_endpoint, read

REGION = "eu-central-1"
NOW = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)


class Answering:
    """A wire to a server in this process that answers as told, and what that was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.reply: Callable[[BaseHTTPRequestHandler], None] = replying(200, b"{}")
        self.connections = 0
        answering = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                answering.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answering.asked.append((dict(self.headers), body))
                answering.reply(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.session = botocore.session.Session()
        self.session.set_credentials("key", "secret")
        self.wire = Wire(self.session, REGION, f"http://127.0.0.1:{self.server.server_address[1]}")


def replying(
    status: int, content: bytes, headers: dict[str, str] | None = None
) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return reply


@contextmanager
def answering() -> Iterator[Answering]:
    here = Answering()
    thread = threading.Thread(target=here.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield here
    finally:
        here.wire.close()
        here.server.shutdown()
        here.server.server_close()
        thread.join()


# -- signatures ----------------------------------------------------------------------------------------


@given(
    secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1),
    token=st.none() | st.just("FwoGZXIvYXdzEA=="),
    body=st.binary(),
    path=st.sampled_from(["/", "/proxy/"]),
)
def test_signatures_are_those_of_botocore(secret: str, token: str | None, body: bytes, path: str) -> None:
    host, target = "localhost:4570", "DynamoDB_20120810.PutItem"
    signer = Signer(host, path, REGION)
    for now in (NOW, NOW.replace(hour=1), NOW.replace(day=22)):
        ours = signer.headers(ReadOnlyCredentials("key", secret, token), target, body, now)
        theirs = AWSRequest(
            "POST",
            f"http://{host}{path}",
            headers={"Content-Type": CONTENT_TYPE, "X-Amz-Target": target},
            data=body,
        )
        with patch("botocore.auth.get_current_datetime", lambda now=now: now.replace(tzinfo=None)):
            SigV4Auth(Credentials("key", secret, token), "dynamodb", REGION).add_auth(theirs)
        expected = dict(theirs.headers.items())
        assert {name: ours[name] for name in expected} == expected


def test_credentials_are_asked_for_at_each_request() -> None:
    """Those of a role end, and botocore refreshes them; a day's key is not kept beyond its secret."""
    with answering() as here:
        here.wire.call("GetItem", {})
        soon = datetime.now(UTC).isoformat()
        ending = {"access_key": "old", "secret_key": "o", "token": "t", "expiry_time": soon}
        fresh = {**ending, "access_key": "next", "expiry_time": "2999-01-01T00:00:00Z"}
        here.wire._credentials = RefreshableCredentials.create_from_metadata(ending, lambda: fresh, "test")
        here.wire.call("GetItem", {})
    first, second = (headers["Authorization"] for headers, _ in here.asked)
    assert "Credential=key/" in first
    assert "Credential=next/" in second
    assert here.asked[1][0]["X-Amz-Security-Token"] == "t"


def test_without_credentials_nothing_is_sent() -> None:
    session = botocore.session.Session()
    with patch.object(session, "get_credentials", return_value=None):
        nobody = Wire(session, REGION, "http://127.0.0.1:1")
    with pytest.raises(NoCredentialsError):
        nobody.call("GetItem", {})


@pytest.mark.parametrize(
    "region", ["eu-central-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1", "us-iso-east-1", "mars-1"]
)
def test_endpoints_are_those_of_botocore(region: str) -> None:
    session = botocore.session.Session()
    client = session.create_client(
        "dynamodb", region_name=region, aws_access_key_id="key", aws_secret_access_key="secret"
    )
    assert aws_endpoint(session, region) == client.meta.endpoint_url


# -- requests and answers ------------------------------------------------------------------------------


def test_a_request_is_one_post_on_a_kept_connection() -> None:
    with answering() as here:
        here.reply = replying(200, '{"Item": {"pk": {"S": "ü"}}}'.encode())
        assert here.wire.call("GetItem", {"TableName": "ü"}) == {"Item": {"pk": {"S": "ü"}}}
        here.wire.call("Query", {})
    ((headers, body), (second, _)) = here.asked
    assert json.loads(body) == {"TableName": "ü"}
    assert (headers["X-Amz-Target"], second["X-Amz-Target"]) == (
        "DynamoDB_20120810.GetItem",
        "DynamoDB_20120810.Query",
    )
    assert headers["Content-Type"] == "application/x-amz-json-1.0"
    assert here.connections == 1


def test_who_listens_may_answer() -> None:
    """Moto does so by this event of botocore's."""
    with answering() as here:
        seen: list[Any] = []

        def listen(**heard: Any) -> None:
            seen.append(heard["request"].url)

        here.session.register("before-send.dynamodb.GetItem", listen)
        here.wire.call("GetItem", {})
        here.wire.call("Query", {})
    assert (len(seen), len(here.asked)) == (1, 2)


def test_refusals_are_told_apart() -> None:
    content = {
        "__type": "com.amazonaws.dynamodb.v20120810#ValidationException",
        "message": "why",
        "Item": {},
    }
    with pytest.raises(Refused) as told:
        read(400, {}, json.dumps(content).encode())
    found = told.value
    assert (found.code, found.message, found.status) == ("ValidationException", "why", 400)
    assert found.content == content
    with pytest.raises(Refused) as told:
        read(400, {}, b'{"__type": "AccessDeniedException", "Message": "no"}')
    assert (told.value.code, told.value.message) == ("AccessDeniedException", "no")


@pytest.mark.parametrize("content", [b"<html>Bad gateway</html>", b"", b"[]", b'"x"', b'{"__type": null}'])
def test_what_a_proxy_says_is_known_by_its_status(content: bytes) -> None:
    with pytest.raises(Refused) as told:
        read(502, {}, content)
    assert told.value.status == 502
    assert told.value.message == ""


@pytest.mark.parametrize("content", [b'{"Item": {', b"", b"\xff\xfe", b"[]"])
def test_answers_that_are_cut_short_are_garbled(content: bytes) -> None:
    with pytest.raises(Garbled):
        read(200, {}, content)


def test_checksums_are_checked() -> None:
    content = b'{"Count": 1}'
    assert read(200, {"x-amz-crc32": str(zlib.crc32(content))}, content) == {"Count": 1}
    with pytest.raises(Garbled):
        read(200, {"x-amz-crc32": "1"}, content)


def test_broken_connections_are_botocores_exceptions() -> None:
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    with answering() as here:
        here.reply = hang_up
        with pytest.raises(ConnectionClosedError):
            here.wire.call("GetItem", {})
        port = here.server.server_address[1]
    with pytest.raises(EndpointConnectionError):
        Wire(here.session, REGION, f"http://127.0.0.1:{port}").call("GetItem", {})


def test_an_answer_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "READ_SECONDS", 0.05)
    asked = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        asked.wait(5)
        handler.close_connection = True

    with answering() as here:
        here.reply = hang
        with pytest.raises(ReadTimeoutError):
            here.wire.call("GetItem", {})
        asked.set()
