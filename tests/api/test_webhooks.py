"""Webhooks through the API: what is kept where, what a test says, what a crash leaves."""

import json
import logging
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cairn.app import build_local
from cairn.http import App, handle
from cairn.protocol.route_table import ROUTES
from cairn.sharing.authorize import everything
from cairn.sharing.fronts import local_front
from cairn.storage.sqlite import SqliteTable
from cairn.webhooks.deliver import SecretMissing
from cairn.webhooks.secrets import FolderSecrets
from tests.api.client import Reply, event
from tests.storage.faults import FaultyTable
from tests.storage.stores import MemoryBlobs, MemorySecrets, use_case_stores, webhooks
from tests.webhooks.receiver import URL, Received, Receiver, receiver, say, status

API = "/api/2.0/mlflow/webhooks"
SECRET = "whsec-do-not-tell"
EVENTS = [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}, {"entity": "PROMPT", "action": "CREATED"}]
HOOK = {"name": "deploy", "url": URL, "events": EVENTS, "secret": SECRET}


class Hooks:
    """The API of an app, by method and path."""

    def __init__(self, app: App) -> None:
        self.app = app

    def send(self, method: str, path: str = "", body: object = None, key: str | None = None) -> Reply:
        content = None if body is None and method == "GET" else json.dumps(body or {})
        headers = {"Content-Type": ["application/json"]} | ({"Idempotency-Key": [key]} if key else {})
        answer = handle(self.app, event(method, API + path, content=content, headers=headers))
        assert isinstance(answer.body, bytes)
        return Reply(answer.status, answer.headers, answer.body)

    def create(self, **fields: object) -> str:
        made: str = self.send("POST", "", {**HOOK, **fields}).json["webhook"]["webhook_id"]
        return made


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Receiver]:
    (tmp_path / "receiver").mkdir()
    with receiver(tmp_path / "receiver") as found:
        yield found


@pytest.fixture
def hooks(tmp_path: Path, there: Receiver) -> Hooks:
    paths = [tmp_path / name for name in ("cairn.db", "artifacts", "blobs", "uploads")]
    return Hooks(build_local(*paths, way=there.way()))


def test_every_route_is_managed_for_the_whole_deployment() -> None:
    actions = {route.action for route in ROUTES if route.path.startswith(API)}
    assert actions == {"deployment:manage"}


def test_a_secret_is_in_its_file_and_nowhere_else(
    hooks: Hooks, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = hooks.create()
    answers = [
        hooks.send("GET", f"/{made}"),
        hooks.send("GET"),
        hooks.send("PATCH", f"/{made}", {"secret": SECRET + "2"}),
        hooks.send("POST", f"/{made}/test"),
        hooks.send("POST", "", {**HOOK, "name": "-", "secret": SECRET}),
    ]
    assert not [one for one in answers if SECRET.encode() in one.content]
    assert SECRET not in "\n".join(str(vars(record)) for record in caplog.records)
    held = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert held == [tmp_path / "secrets" / made]
    assert stat.S_IMODE(held[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(held[0].parent.stat().st_mode) == 0o700
    assert hooks.send("DELETE", f"/{made}").status == 200
    assert list((tmp_path / "secrets").iterdir()) == []


def test_a_test_arrives_and_tells_the_status_alone(hooks: Hooks, there: Receiver) -> None:
    made = hooks.create()
    there.responds = [say("HTTP/1.1 202 Ok\r\nX-Internal: 1\r\nContent-Length: 8\r\n\r\nteapots!")]
    reply = hooks.send("POST", f"/{made}/test", {"event": EVENTS[1]})
    assert reply.json == {"result": {"success": True, "response_status": 202}}
    (request,) = there.received
    assert json.loads(request.body)["entity"] == "prompt"
    assert "X-MLflow-Signature" in request.headers
    there.responds = [status(404)]
    assert hooks.send("POST", f"/{made}/test").json["result"] == {
        "success": False,
        "response_status": 404,
        "error_message": "Failed to test webhook: the receiver answered 404",
    }
    assert json.loads(there.received[1].body)["entity"] == "model_version_alias"
    assert hooks.send("POST", f"/{made}/test", {"event": {"entity": "PROMPT", "action": "SET"}}).error == (
        400,
        "INVALID_PARAMETER_VALUE",
    )


def signed(request: Received) -> bool:
    return "X-MLflow-Signature" in request.headers


def test_an_empty_secret_is_none(hooks: Hooks, there: Receiver) -> None:
    made = hooks.create()
    hooks.send("PATCH", f"/{made}", {"name": "other"})
    hooks.send("POST", f"/{made}/test")
    hooks.send("PATCH", f"/{made}", {"secret": ""})
    hooks.send("POST", f"/{made}/test")
    hooks.send("PATCH", f"/{made}", {"secret": "again"})
    hooks.send("POST", f"/{made}/test")
    assert [signed(request) for request in there.received] == [True, False, True]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "::1"]])
def test_a_name_must_stand_for_public_addresses(
    tmp_path: Path, there: Receiver, addresses: list[str]
) -> None:
    paths = [tmp_path / name for name in ("cairn.db", "artifacts", "blobs", "uploads")]
    hooks = Hooks(build_local(*paths, way=there.way(addresses)))
    reply = hooks.send("POST", "", HOOK)
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert "must not resolve to a non-public IP address" in reply.json["message"]


def test_a_replay_by_key_creates_once(hooks: Hooks) -> None:
    first, second = (hooks.send("POST", "", HOOK, key="k1").content for _ in range(2))
    assert first == second
    assert len(hooks.send("GET").json["webhooks"]) == 1


def test_ids_are_no_paths(tmp_path: Path) -> None:
    secrets = FolderSecrets(tmp_path)
    for name in ("../outside", "", "a/b", "x" * 36, "nobody"):
        with pytest.raises(SecretMissing):
            secrets.put(name, "s")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def crashing(table: FaultyTable, secrets: MemorySecrets) -> Iterator[Hooks]:
    stores = use_case_stores(table, MemoryBlobs())
    app = App(replace(stores, webhooks=webhooks(table, secrets)), local_front, everything, max_body=10_000)
    yield Hooks(app)


@pytest.mark.parametrize("place", ["crash_before", "crash_after"])
@pytest.mark.parametrize("number", range(1, 4))
@pytest.mark.parametrize("call", ["create", "secret", "no secret", "delete"])
def test_after_a_crash_nothing_is_sent_unsigned_and_a_repetition_ends_it(
    place: str, number: int, call: str
) -> None:
    table, secrets = SqliteTable(), MemorySecrets()
    hook = {**HOOK, "url": "https://8.8.8.8/"}
    with crashing(FaultyTable(table), secrets) as calm:
        made = None if call == "create" else calm.send("POST", "", hook).json["webhook"]["webhook_id"]
    method, path, body = {
        "create": ("POST", "", hook),
        "secret": ("PATCH", f"/{made}", {"secret": "another"}),
        "no secret": ("PATCH", f"/{made}", {"secret": ""}),
        "delete": ("DELETE", f"/{made}", None),
    }[call]
    before, after = (number, None) if place == "crash_before" else (None, number)
    with crashing(FaultyTable(table, crash_before=before, crash_after=after), secrets) as shaken:
        shaken.send(method, path, body, key="k1")
    with crashing(FaultyTable(table), secrets) as again:
        after_crash = list(again.app.stores.webhooks.store.all())
        assert secrets.held.keys() <= {one.webhook_id for one in after_crash}, "a secret of no webhook"
        for one in after_crash:
            assert one.signed or call == "no secret", "a webhook that lost its signature"
            if call == "create" and one.webhook_id not in secrets.held:
                assert one.status == "DISABLED", "a webhook that listens before it can sign"
        repeated = again.send(method, path, body, key="k1")
        assert repeated.status in ((200, 404) if call == "delete" else (200,))
        left = list(again.app.stores.webhooks.store.all())
        assert len(left) == {"delete": 0}.get(call, len(left))
        for one in left:
            assert one.signed == (one.webhook_id in secrets.held)
            assert one.status == "ACTIVE"
    table.close()


def test_a_late_replay_changes_nothing_that_was_changed_since() -> None:
    table, secrets = SqliteTable(), MemorySecrets()
    hook = {**HOOK, "url": "https://8.8.8.8/"}
    with crashing(FaultyTable(table), secrets) as hooks:
        made = hooks.send("POST", "", hook, key="k1").json["webhook"]["webhook_id"]
        later = replace(hooks.app.stores, clock=lambda: hooks.app.stores.clock() + 1)
        Hooks(replace(hooks.app, stores=later)).send(
            "PATCH", f"/{made}", {"secret": "another", "status": "DISABLED"}
        )
        assert hooks.send("POST", "", hook, key="k1").status == 200
        assert hooks.send("GET", f"/{made}").json["webhook"]["status"] == "DISABLED"
    assert secrets.held == {made: "another"}
    table.close()
