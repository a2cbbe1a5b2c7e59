"""What the model registry costs: requests, write units, read units, to the unit."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.registry import ModelVersion, RegisteredModel
from cairn.storage.engine import EngineTable
from cairn.storage.model_versions import new_version
from cairn.storage.registered_models import new_model
from cairn.storage.registry_items import Entity, ModelInfo
from cairn.storage.sqlite import SqliteEngine, row_of
from cairn.storage.table import Item, Key, Put, Scan, TransactWrite
from tests.budget.conftest import TIME, Api, Units, api_on

MODELS, VERSIONS = 10_000, 10


MODELS_SEARCH, VERSIONS_SEARCH = "registered-models/search", "model-versions/search"
QUERIES: list[tuple[str, dict[str, Any], list[Units]]] = [
    (MODELS_SEARCH, {}, [[5, 0, 205]] * 3),
    (MODELS_SEARCH, {"order_by": "timestamp DESC"}, [[6, 0, 390]] * 3),
    (MODELS_SEARCH, {"filter": "name LIKE 'team-07%'"}, [[5, 0, 205], [3, 0, 202]]),
    (MODELS_SEARCH, {"filter": "name = 'team-07.model-00007'"}, [[3, 0, 3]]),
    (
        MODELS_SEARCH,
        {"filter": "tags.team = 't7'"},
        [[20, 0, 1_839], [36, 0, 3_462], [35, 0, 3_459]],
    ),
    (MODELS_SEARCH, {"filter": "tags.team = 'none'"}, [[35, 0, 3_489], [35, 0, 3_427], [36, 0, 3_465]]),
    (VERSIONS_SEARCH, {}, [[5, 0, 217]] * 3),
    (VERSIONS_SEARCH, {"order_by": "creation_timestamp ASC"}, [[5, 0, 226]] * 3),
    (VERSIONS_SEARCH, {"order_by": "name ASC"}, [[16, 0, 141], [17, 0, 142], [17, 0, 142]]),
    (VERSIONS_SEARCH, {"filter": "name = 'team-07.model-00007'"}, [[4, 0, 13]]),
    (VERSIONS_SEARCH, {"filter": "name LIKE 'team-07%'"}, [[52, 0, 3_510]] * 3),
    (VERSIONS_SEARCH, {"filter": f"run_id = '{7:016x}{3:016x}'"}, [[3, 0, 3]]),
    (VERSIONS_SEARCH, {"filter": "tags.stage = 'old'"}, [[44, 0, 3_480]] * 3),
    (
        VERSIONS_SEARCH,
        {"filter": "tags.stage = 'old'", "order_by": "name ASC"},
        [[311, 0, 3_435], [312, 0, 3_431], [312, 0, 3_426]],
    ),
]
"""Searches of 10,000 models with 10 versions each, and what their first three pages of 100 cost."""


def _loaded(table: EngineTable, models: int, versions: int) -> None:
    """Registered models with versions of them, as training jobs make them: in turns, each a second after
    the other; what the API's requests would leave, put straight into the table."""
    assert isinstance(table.engine, SqliteEngine)
    items: dict[Key, Item] = {}
    made: list[Entity[ModelInfo]] = []

    def write(writes: Iterable[TransactWrite]) -> None:
        for one in writes:
            assert isinstance(one, Put)
            items[one.key] = one.item

    for number in range(models):
        tags = {"team": f"t{number % 50}"}
        model, writes = new_model(RegisteredModel(_name(number), TIME, TIME, tags=tags), f"{number:016x}")
        write(writes)
        made.append(model)
    for turn in range(versions):
        for number, model in enumerate(made):
            model.sequence += 1
            write(new_version(model, _version(number, turn, TIME + turn * models + number))[1])
    table.engine.load(map(row_of, items.values()))


def _name(number: int) -> str:
    return f"team-{number % 50:02d}.model-{number:05d}"


def _version(number: int, turn: int, time: int) -> ModelVersion:
    run = f"{number:016x}{turn:016x}"
    source = f"s3://bucket/1/models/m-{run}/artifacts"
    return ModelVersion(
        _name(number),
        0,
        time,
        time,
        source=source,
        location=source,
        run_id=run,
        description="",
        tags={"stage": "new"},
    )


def _filled(api: Api, models: int, versions: int) -> None:
    """The same by the stores."""
    registry = api.app.stores.registry
    for number in range(models):
        tags = {"team": f"t{number % 50}"}
        registry.models.create(RegisteredModel(_name(number), TIME, TIME, tags=tags), f"{number:016x}")
    for turn in range(versions):
        for number in range(models):
            time = TIME + turn * models + number
            registry.versions.create(_version(number, turn, time), None)


def _pages(api: Api, path: str, query: dict[str, Any], most: int) -> list[Units]:
    costs: list[Units] = []
    token = ""
    while len(costs) < most:
        with api.meter.measure() as measured:
            answer = api.get(path, **query, page_token=token)
        costs.append([measured.requests, measured.write_units, measured.read_units])
        token = answer.get("next_page_token", "")
        if not token:
            break
    return costs


def test_writes(api: Api) -> None:
    _filled(api, 1, 1)
    name = "team-00.model-00000"
    version = {"name": name, "source": "s3://bucket/model", "run_id": "r" * 32}
    assert api.cost_of_post("registered-models/create", {"name": "net"}) == [1, 6, 0]
    assert api.cost_of_post("model-versions/create", version) == [3, 14, 2]
    alias = {"name": name, "alias": "champion", "version": "1"}
    assert api.cost_of_post("registered-models/alias", alias) == [3, 1, 3]
    move = {"name": name, "version": "2", "stage": "Production", "archive_existing_versions": True}
    assert api.cost_of_post("model-versions/transition-stage", move) == [4, 12, 4]
    move["version"] = "1"
    assert api.cost_of_post("model-versions/transition-stage", move) == [4, 16, 4]
    tag = {"name": name, "version": "1", "key": "checked", "value": "yes"}
    assert api.cost_of_post("model-versions/set-tag", tag) == [3, 4, 3]
    rename = {"name": name, "new_name": "web"}
    assert api.cost_of_post("registered-models/rename", rename) == [4, 12, 4]


def test_reads(api: Api) -> None:
    _filled(api, 1, 3)
    name = "team-00.model-00000"
    api.post("registered-models/alias", {"name": name, "alias": "champion", "version": "2"})
    assert api.cost_of_get("registered-models/alias", name=name, alias="champion") == [3, 0, 3]
    assert api.cost_of_get("model-versions/get-download-uri", name=name, version="2") == [2, 0, 3]
    assert api.cost_of_get("registered-models/get", name=name) == [3, 0, 3]
    assert api.cost_of_post("registered-models/get-latest-versions", {"name": name}) == [3, 0, 3]


def test_what_is_loaded_is_what_requests_leave(tmp_path: Path) -> None:
    left: list[dict[Key, Item]] = []
    for folder, fill in (("a", _filled), ("b", None)):
        (tmp_path / folder).mkdir()
        for api in api_on("sqlite", tmp_path / folder):
            table = api.table
            if fill is None:
                _loaded(table, 3, 2)
            else:
                fill(api, 3, 2)
            left.append(table.batch_get(list(table.scan(Scan(("",))).keys)))
    assert left[0] == left[1]
    assert len(left[0]) == 3 * 3 + 6 * 5


@pytest.mark.timeout(0)
def test_searches_of_many(sqlite_api: Api) -> None:
    """A page costs itself, of 100,000 versions of 10,000 models as of any number; what has to read
    everything stops before 4,000 units, and goes on by its token."""
    api = sqlite_api
    _loaded(api.table, MODELS, VERSIONS)
    page = {"max_results": "100"}
    costs = [_pages(api, path, page | query, 3) for path, query, _ in QUERIES]
    assert costs == [expected for _, _, expected in QUERIES]
    assert max(units for pages in costs for _, _, units in pages) < 4_000
    latest = {"name": _name(7)}
    assert api.cost_of_post("registered-models/get-latest-versions", latest) == [3, 0, 3]
