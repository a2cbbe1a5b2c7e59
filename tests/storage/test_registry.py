"""The model registry's stores: crashes between any two requests, races, and what a deleted model leaves."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from cairn.domain.access import DEPLOYMENT
from cairn.domain.registry import (
    ARCHIVED,
    PRODUCTION,
    PROMPT_TAG,
    STAGES,
    ModelVersion,
    RegisteredModel,
)
from cairn.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from cairn.search import registry as meaning
from cairn.search.cursor import RESUMED
from cairn.search.plan import Pause
from cairn.services.registry_ports import Registry
from cairn.storage import keys
from cairn.storage.budget import Bounds
from cairn.storage.engine import EngineTable
from cairn.storage.meter import Meter
from cairn.storage.registered_models import RegisteredModels, new_model
from cairn.storage.registry_index import RegistryIndex
from cairn.storage.sqlite import SqliteEngine, row_of
from cairn.storage.table import Item, Key, Put, Query, Scan
from cairn.upkeep.remains import BUDGET_MS, Remains
from tests.storage.engines import open_table
from tests.storage.faults import Crash, FaultyTable
from tests.storage.stores import registry

THREADS = 32


@pytest.fixture
def sqlite(tmp_path: Path, meter: Meter) -> Iterator[EngineTable]:
    with open_table("sqlite", tmp_path, meter) as table:
        yield table


_IDS = (f"{number:016x}" for number in count(1))


def _create(stores: Registry, name: str = "net", model_id: str | None = None) -> None:
    stores.models.create(RegisteredModel(name, 1, 1), model_id or next(_IDS))


def _version(stores: Registry, now: int, name: str = "net") -> int:
    version = ModelVersion(name, 0, now, now, source="s3://b/x", location="s3://b/x", run_id="r")
    return stores.versions.create(version, None).version


def _versions(stores: Registry, source: str, order_by: tuple[str, ...] = ()) -> list[ModelVersion]:
    search = meaning.version_search(
        meaning.read_version_filter(source), meaning.read_version_order(order_by), None, 1_000
    )
    found = list(stores.index.search_versions(search))
    assert not any(isinstance(one, Pause) for one in found)
    return [one for one in found if isinstance(one, ModelVersion)]


def _check(stores: Registry, name: str) -> dict[int, str]:
    """Everything that can be read of a model agrees; its versions' stages."""
    named = _versions(stores, f"name = '{name}'")
    for source, order_by in (
        ("", ()),
        ("", ("name",)),
        ("", ("creation_timestamp",)),
        ("run_id = 'r'", ()),
    ):
        every = [one for one in _versions(stores, source, order_by) if one.name == name]
        assert sorted(every, key=_number) == sorted(named, key=_number)
    for one in named:
        assert replace(stores.versions.get(name, one.version), aliases=()) == one
    stages = {one.version: one.current_stage for one in named}
    model = stores.models.get(name)
    latest = {one.current_stage: one.version for one in model.latest_versions}
    expected = {
        stage: max(number for number in stages if stages[number] == stage)
        for stage in STAGES
        if stage in stages.values()
    }
    assert latest == expected
    assert set(model.aliases.values()) <= set(stages)
    return stages


def _number(version: ModelVersion) -> int:
    return version.version


def _crashing(
    table: EngineTable, prepare: Callable[[Registry], None], act: Callable[[Registry], None]
) -> int:
    """Carry out an act with a crash before, then after, each of its requests, and once more; how many
    requests it takes. What is seen after a crash is all of the act, or nothing."""
    requests = 0
    for after in (False, True):
        for number in range(1, 200):
            faulty = FaultyTable(
                table,
                crash_before=None if after else number,
                crash_after=number if after else None,
            )
            prepare(registry(table))
            try:
                act(registry(faulty))
            except Crash:
                stores = registry(table)
                _reads(stores)
                _retry(act, stores)
                _reads(stores)
                _clear(stores)
                continue
            requests = number - 1
            _clear(registry(table))
            break
    return requests


def _retry(act: Callable[[Registry], None], stores: Registry) -> None:
    with suppress(ResourceDoesNotExist, ResourceAlreadyExists):  # it had happened
        act(stores)


def _reads(stores: Registry) -> None:
    search = meaning.model_search((), (), None, 1_000)
    for model in stores.index.search_models(search):
        assert isinstance(model, RegisteredModel)
        assert stores.models.get(model.name) == model
        _check(stores, model.name)
    known = {
        model.name for model in stores.index.search_models(search) if isinstance(model, RegisteredModel)
    }
    assert {version.name for version in _versions(stores, "")} <= known


def _clear(stores: Registry) -> None:
    for model in list(stores.index.search_models(meaning.model_search((), (), None, 1_000))):
        assert isinstance(model, RegisteredModel)
        stores.models.delete(model.name)


def _net_in_production(stores: Registry) -> None:
    _create(stores)
    for now in (10, 20, 30):
        number = _version(stores, now)
        stores.versions.move("net", number, PRODUCTION, archive=False, now=now + 1)
    stores.models.set_alias("net", "champion", 3)


def _rename(stores: Registry) -> None:
    stores.models.rename("net", "web", 50)


def _archive(stores: Registry) -> None:
    stores.versions.move("net", 1, PRODUCTION, archive=True, now=50)


def _delete_version(stores: Registry) -> None:
    stores.versions.delete("net", 3, 50)


def _delete(stores: Registry) -> None:
    stores.models.delete("net")


def _add(stores: Registry) -> None:
    _version(stores, 50)


@pytest.mark.parametrize("act", [_rename, _archive, _delete_version, _delete, _add])
def test_a_crash_leaves_nothing_that_a_reader_sees_wrong(
    sqlite: EngineTable, act: Callable[[Registry], None]
) -> None:
    assert _crashing(sqlite, _net_in_production, act) >= 3


def test_threads_register_versions_of_one_model(table: EngineTable, engine_name: str) -> None:
    stores = registry(table)
    _create(stores)
    threads = THREADS if engine_name == "sqlite" else 6
    numbers: list[int] = []

    def register(of: int) -> None:
        numbers.append(_version(stores, 100 + of))

    _at_once([partial(register, of) for of in range(threads)])
    assert sorted(numbers) == list(range(1, threads + 1))
    assert len(_check(stores, "net")) == threads


def test_one_of_many_moves_of_an_alias_stands(table: EngineTable, engine_name: str) -> None:
    stores = registry(table)
    _create(stores)
    threads = THREADS if engine_name == "sqlite" else 6
    for now in range(threads):
        _version(stores, now)
    _at_once(
        [partial(stores.models.set_alias, "net", "champion", version) for version in range(1, threads + 1)]
    )
    aliases = stores.models.get("net").aliases
    assert set(aliases) == {"champion"}
    found = stores.versions.by_alias("net", "champion")
    assert found is not None
    assert found.version == aliases["champion"]
    assert found.aliases == ("champion",)


def test_moves_with_archiving_leave_one_version_in_the_stage(table: EngineTable, engine_name: str) -> None:
    stores = registry(table)
    _create(stores)
    threads = 12 if engine_name == "sqlite" else 4
    for now in range(threads):
        _version(stores, now)
    _at_once(
        [
            partial(stores.versions.move, "net", version, PRODUCTION, archive=True, now=100 + version)
            for version in range(1, threads + 1)
        ]
    )
    stages = list(_check(stores, "net").values())
    assert stages.count(PRODUCTION) == 1
    assert stages.count(ARCHIVED) == threads - 1


def test_writes_of_versions_and_a_deletion_of_their_model(sqlite: EngineTable) -> None:
    """Whoever comes second fails, and nothing of a version is left when all is swept."""
    stores = registry(sqlite)
    _create(stores, model_id="f" * 16)
    for now in range(8):
        _version(stores, now)

    def write(version: int) -> None:
        for turn in range(20):
            try:
                stores.versions.update("net", version, "text", 1_000 + turn)
                stores.versions.set_tag("net", version, "key", "x" * 20_000)
            except ResourceDoesNotExist:
                return

    _at_once([*(partial(write, of) for of in range(1, 9)), lambda: stores.models.delete("net")])
    assert _versions(stores, "") == []
    while sqlite.query(Query(keys.DELETED_MODELS)).items:
        registry(sqlite).models.sweep()
    for partition in (keys.VERSIONS_BY_UPDATE, keys.VERSIONS_BY_CREATION, keys.versions_of_run("r")):
        assert list(sqlite.query(Query(partition)).items) == []
    for number in range(1, 9):
        assert list(sqlite.query(Query(keys.version_partition("f" * 16, number))).items) == []


def test_a_key_makes_one_model_until_it_is_deleted(table: EngineTable) -> None:
    """Also while what the deleted one left is not swept: its versions, numbers, keys."""
    stores = registry(table)
    made = ModelVersion("net", 0, 5, 5, source="s3://b/x", location="s3://b/x", run_id="r")
    for turn in range(3):
        ids = [f"{turn:08x}{number:08x}" for number in range(3)]
        first = stores.models.create(RegisteredModel("net", turn, turn), ids[0], "asked")
        assert first == stores.models.get("net")
        assert stores.models.create(RegisteredModel("net", 9, 9), ids[1], "asked") == first
        assert [stores.versions.create(made, key).version for key in ("k", "l", "k")] == [1, 2, 1]
        with pytest.raises(ResourceAlreadyExists):
            stores.models.create(RegisteredModel("net", 9, 9), ids[2], "another")
        stores.models.rename("net", "web", 7)
        assert stores.models.create(RegisteredModel("net", 9, 9), ids[1], "asked").name == "web"
        assert [one.version for one in _versions(stores, "")] == [2, 1]
        _delete_unswept(table, "web")
    swept = 0
    stores.models.create(RegisteredModel("net", 4, 4), "a" * 16, "asked")
    assert stores.versions.create(made, "k").version == 1
    while count := stores.models.sweep(1):
        swept += count
        assert _check(stores, "net") == {1: "None"}
    assert swept == 3 * (2 + 2 + 1)  # versions, their keys, the model
    assert stores.versions.create(made, "k").version == 1


def test_a_key_makes_another_version_after_the_first_is_deleted(table: EngineTable) -> None:
    stores = registry(table)
    _create(stores)
    made = ModelVersion("net", 0, 5, 5, source="s3://b/x", location="s3://b/x", run_id="r")
    assert [stores.versions.create(made, "k").version for _ in range(2)] == [1, 1]
    stores.versions.delete("net", 1, 6)
    assert [stores.versions.create(made, "k").version for _ in range(2)] == [2, 2]


def test_a_sweep_leaves_nothing_however_often_it_is_cut_short(sqlite: EngineTable) -> None:
    def deleted() -> None:
        stores = registry(sqlite)
        _net_in_production(stores)
        stores.versions.set_tag("net", 1, "long", "x" * 20_000)
        stores.models.set_tag("net", "long", "x" * 20_000)
        stores.versions.create(ModelVersion("net", 0, 9, 9), None, {"model.pkl": "v"})
        _archive(stores)
        _rename(stores)
        _delete_unswept(sqlite, "web")

    before = _everything(sqlite)
    for number in range(1, 100):
        deleted()
        with suppress(Crash):
            registry(FaultyTable(sqlite, crash_after=number)).models.sweep()
            break
        registry(sqlite).models.sweep()
        assert _everything(sqlite) == before
    assert number > 8
    assert registry(sqlite).models.sweep() == 0
    assert _everything(sqlite) == before


def test_a_sweep_takes_no_more_than_it_may(sqlite: EngineTable) -> None:
    """Keys and models without versions count too; the clock ends a round early."""
    stores = registry(sqlite)
    for number in range(6):
        _create(stores, f"net-{number}")
        _delete_unswept(sqlite, f"net-{number}")
    _create(stores)
    for now in range(5):
        _version(stores, now)
    _delete_unswept(sqlite, "net")
    assert Remains(stores.models.sweep, lambda: 0).clear(most=4) == 4
    times = count(step=BUDGET_MS)
    assert Remains(lambda limit: stores.models.sweep(1), lambda: next(times)).clear() == 0
    times = count(step=BUDGET_MS // 2 + 1)
    assert Remains(lambda limit: stores.models.sweep(1), lambda: next(times)).clear() == 1
    assert Remains(stores.models.sweep, lambda: 0).clear() == 7
    assert Remains(stores.models.sweep, lambda: 0).clear() == 0
    assert list(sqlite.query(Query(keys.DELETED_MODELS)).items) == []


def _everything(table: EngineTable) -> list[Key]:
    page = table.scan(Scan(("",)))
    assert page.after is None
    return list(page.keys)


def test_pins_go_with_their_version(table: EngineTable) -> None:
    stores = registry(table)
    _create(stores)
    pins = {f"data/{number}.bin": f"{number * 7919:032x}" for number in range(1_000)}
    made = ModelVersion("net", 0, 9, 9)
    assert stores.versions.create(made, "k", pins).version == 1
    assert stores.versions.create(made, "k", {"other": "v"}).version == 1
    assert stores.versions.pinned("net", 1) == (stores.versions.get("net", 1), pins)
    long = {f"{number}" + random.Random(number).randbytes(450).hex(): "v" for number in range(1_000)}
    assert stores.versions.create(made, None, long).version == 2
    assert stores.versions.pinned("net", 2)[1] == {}  # more than an item has room for
    model = table.get(keys.model_name_guard("net"))
    assert model is not None
    assert table.get(keys.version_pins(model["m"], 1)) is not None
    stores.versions.delete("net", 1, 10)
    assert table.get(keys.version_pins(model["m"], 1)) is None
    with pytest.raises(ResourceDoesNotExist):
        stores.versions.pinned("net", 1)


def _delete_unswept(table: EngineTable, name: str) -> None:
    """Cut short before the sweep: the third request is the transaction."""
    with suppress(Crash):
        registry(FaultyTable(table, crash_after=3)).models.delete(name)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineTable]:
    """2,300 names of models, some of them prompts; 60 have versions, some of them moved and renamed."""
    with open_table("sqlite", tmp_path_factory.mktemp("many"), Meter()) as table:
        assert isinstance(table.engine, SqliteEngine)
        items: list[Item] = []
        for number in range(2_300):
            tags = {"team": f"t{number % 3}"} | ({PROMPT_TAG: "true"} if number % 7 == 0 else {})
            name = f"{number * 7919 % 2_300:04d}"
            made = RegisteredModel(name, 1, number * 104_729 % 2_300, tags=tags)
            _, writes = new_model(made, f"{number:016x}")
            items += [write.item for write in writes if isinstance(write, Put)]
        table.engine.load(map(row_of, items))
        stores = registry(table)
        for number in range(60):
            for now in (5, number, 7):
                stores.versions.create(ModelVersion(f"{number * 37:04d}", 0, now, now, "s", "l"), None)
        for number in range(0, 60, 9):
            stores.models.rename(f"{number * 37:04d}", "new" + number // 9 * "-", 40)  # one begins another
        yield table


@pytest.mark.parametrize(
    "order", [(), ("name DESC",), ("timestamp",), ("timestamp DESC",), ("timestamp DESC", "name DESC")]
)
@pytest.mark.parametrize("source", ["", "tags.team = 't1'", f"tags.`{PROMPT_TAG}` != 'false'"])
def test_models_searched_in_many_requests(many: EngineTable, source: str, order: tuple[str, ...]) -> None:
    tree, orders = meaning.read_model_filter(source), meaning.read_model_order(order)
    seen: list[list[str]] = []
    for units in (3_400, 2_500, 150):
        index = _index(many, units)
        names: list[str] = []
        after, resumed, requests = None, None, 0
        while True:
            found = list(index.search_models(meaning.model_search(tree, orders, after, 400, resumed)))
            names += [one.name for one in found if isinstance(one, RegisteredModel)]
            requests += 1
            if not found or not isinstance(found[-1], Pause):
                break
            position = found[-1].position
            after, resumed = position, None
            if position[0][0] == RESUMED:
                after, resumed = position[1:] or None, str(position[0][1])
        seen.append(names)
        assert requests > 5 or units > 150
    assert len(seen[0]) == len(set(seen[0])) > 300
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]


@pytest.mark.parametrize(
    "order",
    [
        (),
        ("name",),
        ("name DESC", "version_number"),
        ("name", "creation_timestamp DESC"),
        ("creation_timestamp DESC", "version_number"),
        ("last_updated_timestamp", "name DESC"),
    ],
)
def test_versions_searched_in_many_requests(many: EngineTable, order: tuple[str, ...]) -> None:
    orders = meaning.read_version_order(order)
    seen: list[list[tuple[str, int]]] = []
    for units in (3_400, 100, 1):
        index = _index(many, units)
        after, requests = None, 0
        versions: list[tuple[str, int]] = []
        while True:
            found = list(index.search_versions(meaning.version_search((), orders, after, 20)))
            versions += [(one.name, one.version) for one in found if isinstance(one, ModelVersion)]
            requests += 1
            if not found or not isinstance(found[-1], Pause):
                break
            assert found[-1].position != after
            after = found[-1].position
        seen.append(versions)
        assert requests > 2 or units > 1
    assert len(seen[0]) == len(set(seen[0])) == 180
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]


@pytest.mark.parametrize(
    "text", ["", "[]", '[0,"a"]', '[5,"a",[]]', '[0,"a",[[4,"b"]]]', '[0,1,[[0,"b"]]]']
)
def test_a_forged_progress_of_a_search_of_models(many: EngineTable, text: str) -> None:
    search = meaning.model_search((), meaning.read_model_order(("timestamp",)), None, 10, text)
    with pytest.raises(InvalidParameterValue, match="token"):
        list(_index(many, 3_400).search_models(search))


def _index(table: EngineTable, units: float) -> RegistryIndex:
    models = RegisteredModels(table, lambda attempt: None, DEPLOYMENT)
    return RegistryIndex(table, models, lambda: 0.0, Bounds(units=units))


def _at_once(acts: list[Callable[[], object]]) -> None:
    failures: list[BaseException] = []

    def carry_out(act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as failure:  # noqa: BLE001 -- raised again below
            failures.append(failure)

    threads = [threading.Thread(target=carry_out, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
