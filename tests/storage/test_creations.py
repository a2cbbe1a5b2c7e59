"""Creates by idempotency keys, through the HTTP edge: once, whatever is repeated, crashed or reused."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.creations import KEPT_MS
from cairn.http import App, handle
from cairn.sharing.authorize import everything
from cairn.sharing.fronts import local_front
from cairn.storage import keys
from cairn.storage.engine import EngineTable
from cairn.storage.meter import Measurement, Meter
from cairn.storage.table import Scan, Table
from tests.storage.engines import NAMES, open_table
from tests.storage.faults import Crash, FaultyTable
from tests.storage.stores import NOW, MemoryBlobs, use_case_stores

V2 = "/api/2.0/mlflow"
Fields = Mapping[str, object]


class Server:
    """The API over a table, as one or another of this machine's users."""

    def __init__(self, table: Table, seed: int = 0, now: int = NOW) -> None:
        self.now = now
        stores = use_case_stores(table, MemoryBlobs(), seed, lambda: self.now)
        self.app = App(stores, local_front, everything, max_body=1_000_000)

    def post(
        self, path: str, body: Fields, key: str | None = None, user: str = "ada"
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": ["application/json"]} | ({"Idempotency-Key": [key]} if key else {})
        answer = handle(
            self.app,
            {
                "httpMethod": "POST",
                "path": f"{V2}/{path}",
                "multiValueHeaders": headers,
                "requestContext": {"identity": {"user": f"local:{user}"}},
                "body": json.dumps(body),
            },
        )
        assert isinstance(answer.body, bytes)
        if answer.status == 500:
            raise Crash
        return answer.status, json.loads(answer.body)

    def made(self, path: str, body: Fields, key: str | None = None, user: str = "ada") -> dict[str, Any]:
        status, answer = self.post(path, body, key, user)
        assert status == 200, answer
        return answer

    def prepare(self) -> None:
        """An experiment (1) and a registered model."""
        assert self.made("experiments/create", {"name": "iris"}) == {"experiment_id": "1"}
        self.made("registered-models/create", {"name": "net"})


HOOK: Fields = {
    "name": "hook",
    "url": "https://8.8.8.8/x",
    "events": [{"entity": "PROMPT", "action": "CREATED"}],
    "secret": "whsec",
}


@dataclass(frozen=True)
class Create:
    """A route that creates: a body, another one, and what tells what was made."""

    path: str
    body: Fields
    other: Fields
    identity: Callable[[dict[str, Any]], str]


CREATES = {
    "experiment": Create(
        "experiments/create",
        {"name": "new", "tags": [{"key": "a", "value": "b"}]},
        {"name": "other"},
        lambda answer: str(answer["experiment_id"]),
    ),
    "run": Create(
        "runs/create",
        {"experiment_id": "1", "run_name": "n"},
        {"experiment_id": "1", "run_name": "m"},
        lambda answer: str(answer["run"]["info"]["run_id"]),
    ),
    "logged model": Create(
        "logged-models",
        {"experiment_id": "1", "name": "tree"},
        {"experiment_id": "1", "name": "bush"},
        lambda answer: str(answer["model"]["info"]["model_id"]),
    ),
    "registered model": Create(
        "registered-models/create",
        {"name": "fraud"},
        {"name": "theft"},
        lambda answer: str(answer["registered_model"]["name"]),
    ),
    "prompt": Create(
        "registered-models/create",
        {"name": "greet", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]},
        {"name": "greet"},
        lambda answer: str(answer["registered_model"]["name"]),
    ),
    "model version": Create(
        "model-versions/create",
        {"name": "net", "source": "s3://elsewhere/one"},
        {"name": "net", "source": "s3://elsewhere/two"},
        lambda answer: str(answer["model_version"]["version"]),
    ),
    "webhook": Create(
        "webhooks",
        HOOK,
        {**HOOK, "name": "another"},
        lambda answer: str(answer["webhook"]["webhook_id"]),
    ),
}
NAMED = ("experiment", "registered model", "prompt")
"""Whose name is taken by the first."""


@pytest.fixture
def server(table: EngineTable) -> Server:
    made = Server(table)
    made.prepare()
    return made


def all_items(folder: Path) -> int:
    import sqlite3

    with sqlite3.connect(folder / "table.db") as connection:
        (table,) = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
        (count,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    connection.close()
    return int(count)


@pytest.mark.parametrize("kind", CREATES)
def test_the_same_again_is_the_same_answer(kind: str, server: Server) -> None:
    create = CREATES[kind]
    first = server.made(create.path, create.body, "k")
    server.now += KEPT_MS - 1
    assert server.made(create.path, create.body, "k") == first


@pytest.mark.parametrize("kind", CREATES)
def test_another_body_under_a_key_is_refused_in_words(kind: str, server: Server) -> None:
    create = CREATES[kind]
    first = server.made(create.path, create.body, "k")
    status, answer = server.post(create.path, create.other, "k")
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "Idempotency-Key" in answer["message"]
    assert server.made(create.path, create.body, "k") == first


@pytest.mark.parametrize("kind", CREATES)
def test_a_key_is_its_principals_own(kind: str, server: Server) -> None:
    """The same text of another principal makes another, or meets the name that the first took."""
    create = CREATES[kind]
    first = server.made(create.path, create.body, "k")
    status, answer = server.post(create.path, create.body, "k", user="bob")
    if kind in NAMED:
        assert (status, answer["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
        assert server.made(create.path, {**create.other, "name": "bobs"}, "k2", user="bob")
    else:
        assert create.identity(answer) != create.identity(first)


def test_a_key_is_its_routes_own(server: Server) -> None:
    answers = [
        server.made(create.path, create.body, "k") for kind, create in CREATES.items() if kind != "prompt"
    ]
    assert len(answers) == len(CREATES) - 1


@pytest.mark.parametrize("kind", sorted(set(CREATES) - set(NAMED)))
def test_a_key_is_forgotten_after_a_day(kind: str, server: Server) -> None:
    create = CREATES[kind]
    first = server.made(create.path, create.body, "k")
    server.now += KEPT_MS
    again = server.made(create.path, create.body, "k")
    assert create.identity(again) != create.identity(first)
    assert server.made(create.path, create.body, "k") == again


@pytest.mark.parametrize("kind", NAMED)
def test_after_a_day_a_name_is_taken_again(kind: str, server: Server) -> None:
    create = CREATES[kind]
    server.made(create.path, create.body, "k")
    server.now += KEPT_MS
    status, answer = server.post(create.path, create.body, "k")
    assert (status, answer["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")


@pytest.mark.parametrize("kind", NAMED)
def test_without_a_key_a_name_is_taken_at_once(kind: str, server: Server) -> None:
    create = CREATES[kind]
    server.made(create.path, create.body, "k")
    for key in (None, "another"):
        status, answer = server.post(create.path, create.body, key)
        assert (status, answer["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")


def test_a_repeat_is_answered_whatever_became_of_the_name(server: Server) -> None:
    create = CREATES["experiment"]
    first = server.made(create.path, create.body, "k")
    renamed = {"experiment_id": first["experiment_id"], "new_name": "renamed"}
    server.made("experiments/update", renamed)
    assert server.made(create.path, create.body, "k") == first
    second = server.made(create.path, create.body, "fresh")
    assert second != first


def test_a_claim_tells_nothing_of_what_was_asked_for(server: Server, table: EngineTable) -> None:
    """A webhook's secret may be a word: the claim's hash must not let one try words against it."""
    create = CREATES["webhook"]
    server.made(create.path, create.body, "0b1c2d3e-a key that nobody knows")
    first = _claims(table)
    server.made(create.path, create.body, "another key that nobody knows")
    bodies = [claim["b"] for claim in _claims(table)]
    assert len(first) == 1
    assert len(set(bodies)) == 2, "the same body has another hash under another key"


def _claims(table: EngineTable) -> list[dict[str, Any]]:
    found = table.scan(Scan(["K#"])).keys
    return [dict(item) for item in table.batch_get(found).values()]


def test_a_refused_create_does_not_use_its_key_up(server: Server) -> None:
    body = {"experiment_id": "7"}
    assert server.post("runs/create", body, "k")[0] == 404
    for _ in range(6):
        server.made("experiments/create", {"name": f"filler {_}"})
    assert server.made("runs/create", body, "k")["run"]["info"]["experiment_id"] == "7"


@pytest.mark.parametrize("kind", CREATES)
@pytest.mark.parametrize("side", ["crash_before", "crash_after"])
def test_a_crash_between_any_two_requests_leaves_one(kind: str, side: str, tmp_path: Path) -> None:
    """The repeat, by another process with other randomness, completes what there is."""
    create = CREATES[kind]
    expected, items, number = "", -1, 0
    while True:
        folder = tmp_path / f"{number}"
        folder.mkdir()
        with open_table("sqlite", folder, Meter()) as table:
            Server(table).prepare()
            at = number or None
            faulty = (
                FaultyTable(table, crash_before=at)
                if side == "crash_before"
                else FaultyTable(table, crash_after=at)
            )
            try:
                Server(faulty, seed=1).post(create.path, create.body, "k")
                crashed = False
            except Crash:
                crashed = True
            faulty.restart()
            first = Server(faulty, seed=2).made(create.path, create.body, "k")
            again = Server(faulty, seed=3).made(create.path, create.body, "k")
            assert create.identity(again) == create.identity(first)
            status, answer = Server(faulty, seed=4).post(create.path, create.other, "k")
            assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        if number == 0:
            expected, items = create.identity(first), all_items(folder)
        elif not crashed:
            assert number > 2
            return
        elif kind not in ("run", "logged model", "webhook", "experiment"):
            assert create.identity(first) == expected
        # a number that was given to nobody, and the tags that were to be its experiment's, are not found
        assert all_items(folder) - items in ((0, 1) if kind == "experiment" else (0,)), number
        number += 1


@pytest.mark.parametrize("kind", CREATES)
def test_many_at_once_make_one(kind: str, tmp_path: Path) -> None:
    create = CREATES[kind]
    with open_table("sqlite", tmp_path, Meter()) as table:
        Server(table).prepare()
        found: list[str] = []

        def ask(seed: int) -> None:
            found.append(create.identity(Server(table, seed).made(create.path, create.body, "k")))

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


PRICES = {
    "experiment": (1, 3),
    "run": (1, 1),
    "logged model": (1, 1),
    "registered model": (1, 3),
    "prompt": (1, 3),
    "model version": (1, 3),
    "webhook": (1, 1),
}
"""What a key adds to a create: requests, write units (docs/storage.md)."""


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("kind", CREATES)
def test_what_a_key_costs(kind: str, engine: str, tmp_path: Path) -> None:
    create = CREATES[kind]
    spent: list[Measurement] = []
    for number, key in enumerate((None, "k")):
        folder = tmp_path / str(number)
        folder.mkdir()
        meter = Meter()
        with open_table(engine, folder, meter) as table:
            server = Server(table)
            server.prepare()
            with meter.measure() as measured:
                server.made(create.path, create.body, key)
            spent.append(measured)
            assert (table.get(keys.creation("0" * 64))) is None
    without, with_key = spent
    assert with_key.costs[0].operation == "PutItem"
    added = with_key.requests - without.requests, with_key.write_units - without.write_units
    assert added == PRICES[kind]
