"""One POST to a real TLS server: what is checked, what is sent, and what may become of it."""

import re
import socket
import ssl
import time
from collections.abc import Sequence

import pytest

from cairn.domain.addresses import is_global
from cairn.domain.webhooks import Target
from cairn.webhooks import post as module
from cairn.webhooks.post import Answer, Connection, Undelivered, Way, post
from tests.webhooks.receiver import HOST, PUBLIC, Receiver, say, status

TARGET = Target(HOST, "/hooks?team=ml")
HEADERS = {"Content-Type": "application/json", "X-Test": "1"}


def fails(way: Way, target: Target = TARGET) -> Undelivered:
    with pytest.raises(Undelivered) as caught:
        post(way, target, HEADERS, b"{}")
    return caught.value


def test_a_request_as_it_arrives(there: Receiver) -> None:
    assert post(there.way(), TARGET, HEADERS, b"x" * 300_000) == Answer(200)
    (request,) = there.received
    assert request.line == "POST /hooks?team=ml HTTP/1.1"
    assert request.headers == {
        "Host": "localhost",
        **HEADERS,
        "Content-Length": "300000",
        "Connection": "close",
    }
    assert request.body == b"x" * 300_000
    assert there.names == [HOST]


def test_the_connection_goes_to_the_address_that_was_checked(there: Receiver) -> None:
    """A name that stands for another address the second time is asked once only."""
    answers = [[PUBLIC], ["127.0.0.1"]]
    asked: list[str] = []

    def rebinding(host: str) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    post(Way(there.context, resolve=rebinding, connect=there.connect), TARGET, HEADERS, b"{}")
    assert there.connected == [(PUBLIC, 443)]
    assert asked == [HOST]


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["2606:4700::1", "::1"], ["::ffff:169.254.169.254"], []],
)
def test_a_name_for_another_place_is_not_connected_to(there: Receiver, addresses: list[str]) -> None:
    fault = fails(there.way(addresses))
    assert not fault.repeat
    assert there.connected == []
    assert not re.search(r"\d", fault.reason), "the message shows no address"


def test_the_next_address_where_one_takes_no_connection(there: Receiver) -> None:
    def connect(address: str, port: int, seconds: float) -> Connection:
        if address == PUBLIC:
            raise ConnectionRefusedError(111, "Connection refused")
        return there.connect(address, port, seconds)

    way = Way(there.context, resolve=lambda host: [PUBLIC, "8.8.8.8"], connect=connect)
    assert post(way, TARGET, HEADERS, b"{}").status == 200
    assert there.connected == [("8.8.8.8", 443)]
    only = Way(there.context, resolve=lambda host: [PUBLIC], connect=connect)
    fault = fails(only)
    assert fault.repeat
    assert fault.reason == "the connection failed: Connection refused"


def test_a_certificate_of_another_name_is_not_taken(there: Receiver) -> None:
    fault = fails(there.way(), Target("hooks.example.org", "/"))
    assert "certificate" in fault.reason
    assert there.received == []


def test_a_certificate_of_an_unknown_authority_is_not_taken(there: Receiver) -> None:
    way = Way(ssl.create_default_context(), resolve=lambda host: [PUBLIC], connect=there.connect)
    assert "certificate" in fails(way).reason
    assert there.received == []


def test_an_address_is_checked_against_the_certificate_as_well(there: Receiver) -> None:
    assert post(there.way(), Target("127.0.0.1", "/"), {}, b"").status == 200
    assert "certificate" in fails(there.way(), Target("8.8.8.8", "/")).reason


def test_a_redirect_is_an_answer(there: Receiver) -> None:
    there.responds = [status(302, "Location: https://localhost/other")]
    assert post(there.way(), TARGET, HEADERS, b"{}") == Answer(302)
    assert len(there.received) == 1


def test_no_proxy_is_asked(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(there.way(), TARGET, HEADERS, b"{}").status == 200


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("HTTP/1.1 200 OK\r\n\r\n", Answer(200)),
        ("HTTP/1.0 204\r\n\r\n", Answer(204)),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", Answer(201)),
        ("HTTP/1.1 429 Slow\r\nretry-after:  17 \r\n\r\n", Answer(429, 17)),
        ("HTTP/1.1 503 Away\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n", Answer(503)),
        ("HTTP/1.1 503 Away\r\nRetry-After: -1\r\n\r\n", Answer(503)),
    ],
)
def test_answers(there: Receiver, text: str, answer: Answer) -> None:
    there.responds = [say(text)]
    assert post(there.way(), TARGET, HEADERS, b"{}") == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nA: " + "a" * 20_000,
    ],
)
def test_what_is_no_http(there: Receiver, text: str) -> None:
    there.responds = [say(text)]
    assert fails(there.way()).reason == "the answer is no HTTP"


def test_the_body_is_not_waited_for(there: Receiver) -> None:
    def endless(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        connection.settimeout(20)
        connection.recv(1)  # until the client is gone

    there.responds = [endless]
    began = time.monotonic()
    assert post(there.way(), TARGET, HEADERS, b"{}").status == 200
    assert time.monotonic() - began < module.SECONDS


def test_a_byte_now_and_then_gains_no_time(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 1.5)

    def drip(connection: ssl.SSLSocket) -> None:
        for _ in range(100):
            connection.sendall(b"H")
            time.sleep(0.1)

    there.responds = [drip]
    began = time.monotonic()
    fault = fails(there.way())
    assert fault.repeat
    assert fault.reason == "no answer within 1.5 seconds"
    assert time.monotonic() - began < 4


def test_time_runs_while_a_name_is_resolved(there: Receiver) -> None:
    now = 0.0

    def resolve(host: str) -> Sequence[str]:
        nonlocal now
        now += 5
        return [PUBLIC]

    way = Way(there.context, resolve=resolve, connect=there.connect, clock=lambda: now)
    assert fails(way).reason == "no answer within 5 seconds"
    assert there.connected == []


def test_a_peer_that_never_greets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        way = Way(
            ssl.create_default_context(),
            resolve=lambda host: [PUBLIC],
            connect=lambda *_: socket.create_connection(silent.getsockname()),
        )
        assert fails(way).reason == "no answer within 0.5 seconds"


def test_the_systems_resolver() -> None:
    assert set(module.resolve("127.0.0.1")) == {"127.0.0.1"}
    assert module.resolve("::1") == ["::1"]
    with pytest.raises(OSError, match=r"."):
        module.resolve("no-such-name.invalid")


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)

    def hang(*_: object, **__: object) -> list[object]:
        time.sleep(1)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(TimeoutError):
        module.resolve("slow.example.org")
    time.sleep(1)


def test_production_connects_to_addresses_alone() -> None:
    with pytest.raises(ValueError, match="localhost"):
        module.connect("localhost", 443, 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        module.connect("127.0.0.1", listener.getsockname()[1], 1).close()


def test_production_uses_the_checks() -> None:
    way = Way(ssl.create_default_context())
    assert (way.resolve, way.connect, way.is_allowed) == (module.resolve, module.connect, is_global)
    assert way.context.check_hostname
    assert way.context.verify_mode is ssl.CERT_REQUIRED
