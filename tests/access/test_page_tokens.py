"""A page token tells nothing of what its bearer does not see: no name, no id and no time. A few things are
seen here among many that are not, and bounds are so small that requests end among those."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.access import Permission
from cairn.search import cursor
from cairn.storage import keys, listing, registry_reader
from cairn.storage.budget import Bounds
from cairn.storage.execute import RunIndex
from cairn.storage.expr import Add
from cairn.storage.granted import MOST
from cairn.storage.places import KEPT_MS, Places
from cairn.storage.registered_models import RegisteredModels
from cairn.storage.registry_index import RegistryIndex
from cairn.storage.runs import Runs
from cairn.storage.table import Query, Update
from tests.access.worlds import GUEST, STRANGER, As, Reply, World, a_world, named, prefixed
from tests.storage.faults import FaultyTable
from tests.storage.stores import NOW

READ = Permission.READ
HIDDEN, SHOWN = 100, 5
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


@dataclass
class Ticking:
    """A clock on which no two readings are the same."""

    now: int = NOW

    def __call__(self) -> int:
        self.now += 1_003
        return self.now


@dataclass
class Crowd:
    """``secrets``: how names, ids and times of what the guest does not see may be written."""

    world: World
    clock: Ticking
    secrets: set[str] = field(default_factory=set)
    experiments: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    """Names and experiment ids."""

    @property
    def guest(self) -> As:
        return self.world.of(GUEST)

    def hide(self, *words: str | int) -> None:
        for word in words:
            self.secrets.add(str(word))
            if isinstance(word, int):
                self.secrets |= {f"{word:016x}", keys.ascending(word), keys.descending(word)}

    def told(self, token: str) -> set[str]:
        """The secrets that a token tells whoever decodes it."""
        text = token
        if not token.startswith("k"):
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            text += raw[13:].decode()  # behind version and checksum
        return {secret for secret in self.secrets if secret in text}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    with a_world(tmp_path_factory.mktemp("crowd")) as world:
        clock = Ticking()
        stores, table = world.app.stores, world.table
        bounds = Bounds(units=50, page=10, probe=4, trial=4, worth=2, reserve=1, carried=8, group=8)
        runs = Runs(table, lambda attempt: None, clock)
        models = RegistryIndex(
            table, RegisteredModels(table, lambda attempt: None), lambda: 0.0, Bounds(units=3)
        )
        stores = replace(
            stores,
            clock=clock,
            registry=replace(stores.registry, index=models),
            index=RunIndex(table, runs, lambda: 0.0, lambda: NOW, bounds),
        )
        world.app = replace(world.app, stores=stores)
        made = Crowd(world, clock)
        fill(made)
        for kind in ("experiments", "models", "prompts"):
            world.grant(GUEST, READ, prefixed(kind, "m-shown"))
            others = [named(kind, f"never-{number}") for number in range(MOST)]
            world.grant(STRANGER, READ, prefixed(kind, "m-shown"), *others)
        yield made


def fill(crowd: Crowd) -> None:
    """Some that are shown between many that are hidden, by name and by time; ids of seven digits."""
    owner = crowd.world.of()
    crowd.world.table.update(Update(keys.COUNTER, (Add("n", 7_654_320),)))
    for number in range(HIDDEN + SHOWN):
        shown = number % 20 == 13
        name = f"m-shown-{number:03d}" if shown else f"{'amz'[number % 3]}-hidden-{number:03d}"
        experiment = owner.experiment(name)
        crowd.experiments.append(experiment)
        run = owner.run(experiment, start_time=crowd.clock())
        owner.made("runs/log-metric", {"run_id": run, "key": "loss", "value": number, "timestamp": 1})
        owner.made("runs/log-metric", {"run_id": run, "key": "loss", "value": number, "timestamp": 2})
        model = owner.made("logged-models", {"experiment_id": experiment})["model"]["info"]
        registered = owner.made("registered-models/create", {"name": name})["registered_model"]
        version = {"name": name, "source": "s3://elsewhere/m", "run_id": run}
        version = owner.made("model-versions/create", version)["model_version"]
        prompt = owner.made("registered-models/create", {"name": f"{name}-p", "tags": [PROMPT]})
        found = owner.get("experiments/get", experiment_id=experiment).json["experiment"]
        if shown:
            crowd.shown |= {name, f"{name}-p", experiment}
        else:
            crowd.hide(name, int(experiment), found["creation_time"], found["last_update_time"], run)
            crowd.hide(model["model_id"], int(model["creation_timestamp_ms"]))
            for one in (registered, prompt["registered_model"]):
                crowd.hide(int(one["creation_timestamp"]), int(one["last_updated_timestamp"]))
            crowd.hide(int(version["creation_timestamp"]), int(version["last_updated_timestamp"]))
        if number % 2:
            crowd.world.app.stores.indexer.sweep(experiment)
    for prompts in (False, True):
        for item in crowd.world.table.query(Query(keys.model_list(prompts=prompts))).items:
            if "hidden" in item["n"]:
                crowd.hide(item["sk"][-16:])
    crowd.hide("hidden")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that end early."""
    monkeypatch.setattr(listing, "READ_UNITS", 4)
    monkeypatch.setattr(registry_reader, "PAGE", 10)


EXPERIMENTS: list[dict[str, Any]] = [
    {},
    {"order_by": ["name ASC"]},
    {"order_by": ["name DESC"]},
    {"order_by": ["last_update_time ASC"]},
    {"filter": "name LIKE '%3'"},
    {"filter": "tags.none IS NULL", "order_by": ["creation_time ASC"]},
]
MODELS: list[dict[str, Any]] = [
    {},
    {"order_by": "name DESC"},
    {"order_by": "timestamp ASC"},
    {"order_by": "timestamp DESC", "filter": "name LIKE 'm%'"},
    {"filter": "tag.`mlflow.prompt.is_prompt` = 'true'", "order_by": "timestamp DESC"},
    {"filter": "tag.`mlflow.prompt.is_prompt` != 'false'", "order_by": "timestamp DESC"},
]
VERSIONS: list[dict[str, Any]] = [
    {},
    {"order_by": "name ASC"},
    {"order_by": "name DESC"},
    {"order_by": "creation_timestamp ASC"},
    {"order_by": "creation_timestamp DESC", "filter": "name LIKE 'm%'"},
    {"order_by": "last_updated_timestamp ASC"},
    {"filter": "source_path LIKE 's3%'"},
]
RUNS: list[dict[str, Any]] = [
    {},
    {"order_by": ["start_time ASC"]},
    {"order_by": ["metrics.loss DESC"]},
    {"order_by": ["tags.none ASC", "metrics.loss ASC"]},
    {"filter": "metrics.loss > 50", "order_by": ["run_id ASC"]},
]
LISTINGS = [
    *(("POST", "experiments/search", "experiments", query) for query in EXPERIMENTS),
    *(("GET", "registered-models/search", "registered_models", query) for query in MODELS),
    *(("GET", "model-versions/search", "model_versions", query) for query in VERSIONS),
    *(("POST", "runs/search", "runs", query) for query in RUNS),
    ("POST", "logged-models/search", "models", {}),
    ("POST", "logged-models/search", "models", {"order_by": [{"field_name": "creation_timestamp"}]}),
]
LONG = {"experiments", "registered_models", "model_versions"}
"""Listings of more than the experiments that a request names."""


def ask(asking: As, method: str, path: str, query: dict[str, Any], size: int, token: str) -> Reply:
    body = {**query, "max_results": size, "page_token": token}
    if method == "GET":
        return asking.get(path, **{name: str(value) for name, value in body.items()})
    return asking.post(path, body)


CASES = [
    *((GUEST, size, *listed) for listed in LISTINGS for size in (1, 3, 100)),
    *((STRANGER, 3, *listed) for listed in LISTINGS if listed[2] in LONG),
]


@pytest.mark.parametrize(
    ("account", "size", "method", "path", "name", "query"),
    CASES,
    ids=lambda value: str(value).replace("/", " "),
)
def test_no_token_of_a_listing_tells_what_is_not_seen(
    crowd: Crowd, account: str, size: int, method: str, path: str, name: str, query: dict[str, Any]
) -> None:
    """Every token until the last page; and all pages together are what the owner's are, less what is not
    seen. The stranger has so many grants that it goes through the lists, whatever they name."""
    asking = crowd.world.of(account)
    if name not in LONG:
        query = {**query, "experiment_ids": crowd.experiments[1::4]}
    found: list[Any] = []
    token, requests = "", 0
    while requests == 0 or token:
        reply = ask(asking, method, path, query, size, token)
        assert reply.status == 200, reply.content
        found += reply.json.get(name, [])
        token = reply.json.get("next_page_token", "")
        assert crowd.told(token) == set()
        requests += 1
        assert requests < 500
    page = ask(crowd.world.of(), method, path, query, 100, "").json
    everything: list[Any] = page.get(name, [])
    while "next_page_token" in page:
        page = ask(crowd.world.of(), method, path, query, 100, page["next_page_token"]).json
        everything += page.get(name, [])
    assert found
    places = [place(one) for one in everything]
    assert list(map(place, found)) == [one for one in places if one[0] in crowd.shown]


def place(row: dict[str, Any]) -> tuple[str, str]:
    """The experiment's id or the model's name, and what is unique in a row."""
    if "info" not in row:
        return row["name"], str(row.get("version"))
    info = row["info"]
    return info["experiment_id"], info.get("run_id") or info["model_id"]


ENDED_AMONG_HIDDEN = [
    ("POST", "experiments/search", "experiments", {}),
    ("POST", "experiments/search", "experiments", {"order_by": ["name ASC"]}),
    ("GET", "model-versions/search", "model_versions", {}),
    ("GET", "model-versions/search", "model_versions", {"order_by": "creation_timestamp ASC"}),
]


@pytest.mark.parametrize(("method", "path", "name", "query"), ENDED_AMONG_HIDDEN, ids=str)
def test_a_token_that_goes_on_from_there_is_a_random_name(
    crowd: Crowd, method: str, path: str, name: str, query: dict[str, Any]
) -> None:
    """The same request again is given another one, and both go on alike; whoever sees everything is given
    the place itself, and nothing is written for it."""
    tokens = [ask(crowd.guest, method, path, query, 3, "").json["next_page_token"] for _ in range(2)]
    assert len(set(tokens)) == 2
    assert all(re.fullmatch("k[0-9a-f]{32}", token) for token in tokens)
    answers = [ask(crowd.guest, method, path, query, 3, token).json.get(name) for token in tokens]
    assert answers[0] == answers[1]
    with crowd.world.meter.measure() as measured:
        token = ask(crowd.world.of(), method, path, query, 3, "").json["next_page_token"]
        assert crowd.told(token)
        assert ask(crowd.world.of(), method, path, query, 3, token).status == 200
    assert measured.write_units == 0


def test_what_a_kept_place_costs(crowd: Crowd) -> None:
    asked = ("POST", "experiments/search", {"order_by": ["name ASC"]}, 3)
    crowd.world.pass_time()
    ask(crowd.guest, *asked, "")  # the grants are read
    with crowd.world.meter.measure() as first:
        token = ask(crowd.guest, *asked, "").json["next_page_token"]
    with crowd.world.meter.measure() as by_owner:
        ask(crowd.world.of(), *asked, "")
    assert (first.requests - by_owner.requests, first.write_units) == (1, 1)
    assert first.read_units == by_owner.read_units
    with crowd.world.meter.measure() as went_on:
        plain = cursor.encode(b"", ())
        assert ask(crowd.guest, *asked, plain).code == "INVALID_PARAMETER_VALUE"
        assert went_on.requests == 0
        assert ask(crowd.guest, *asked, token[:-1] + ("0" if token[-1] != "0" else "1")).status == 400
    assert (went_on.requests, went_on.read_units) == (1, 1)


def refused(reply: Reply) -> bool:
    expired = "Page token expired, or it belongs to another query: begin again with the first page"
    return reply.code == "INVALID_PARAMETER_VALUE" and reply.json["message"] == expired


def test_a_kept_place_is_its_callers_its_querys_and_good_for_an_hour(crowd: Crowd) -> None:
    query: dict[str, Any] = {"order_by": ["name ASC"]}
    token = ask(crowd.guest, "POST", "experiments/search", query, 3, "").json["next_page_token"]
    for other in (crowd.world.of(), crowd.world.of(GUEST, name="Other"), crowd.world.of(GUEST, "user")):
        assert refused(ask(other, "POST", "experiments/search", query, 3, token))
    for path, asked in (
        ("experiments/search", {}),
        ("experiments/search", {"order_by": ["name DESC"]}),
        ("experiments/search", {**query, "view_type": "ALL"}),
    ):
        assert refused(ask(crowd.guest, "POST", path, asked, 3, token))
    for path in ("registered-models/search", "model-versions/search"):
        assert refused(ask(crowd.guest, "GET", path, {"order_by": "name ASC"}, 3, token))
    runs = {"experiment_ids": crowd.experiments[:3]}
    assert ask(crowd.guest, "POST", "runs/search", runs, 3, token).code == "INVALID_PARAMETER_VALUE"
    crowd.clock.now += KEPT_MS // 2
    assert ask(crowd.guest, "POST", "experiments/search", query, 3, token).status == 200
    crowd.clock.now += KEPT_MS // 2
    assert refused(ask(crowd.guest, "POST", "experiments/search", query, 3, token))


@pytest.mark.parametrize("forged", ["k", "k" + "0" * 32, "K" + "0" * 32, "k" + "0" * 33, f"k{'0' * 31}\n"])
def test_a_forged_name_is_refused(crowd: Crowd, forged: str) -> None:
    for asking in (crowd.guest, crowd.world.of()):
        reply = ask(asking, "POST", "experiments/search", {}, 3, forged)
        assert reply.code == "INVALID_PARAMETER_VALUE", reply.content


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_the_place_loses_nothing(tmp_path: Path, when: str) -> None:
    """The request is repeated, and goes on; what the first one kept ends by itself."""
    with a_world(tmp_path) as world:
        for number in range(60):
            world.of().experiment(f"m-shown-{number}" if number == 50 else f"hidden-{number}")
        world.grant(GUEST, READ, prefixed("experiments", "m-shown"))
        table = FaultyTable(world.table)
        stores = replace(world.app.stores, places=Places(table))
        world.app = replace(world.app, stores=stores)
        if when == "before":
            table.faulty.crash_before = 1
        else:
            table.faulty.crash_after = 1
        guest = world.of(GUEST)
        assert ask(guest, "POST", "experiments/search", {}, 1, "").status == 500
        table.restart()
        found: list[str] = []
        token = "begin"
        while token:
            page = ask(guest, "POST", "experiments/search", {}, 1, "" if token == "begin" else token).json
            found += [one["name"] for one in page.get("experiments", [])]
            token = page.get("next_page_token", "")
        assert found == ["m-shown-50"]
