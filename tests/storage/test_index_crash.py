"""The indexer, writers and a searcher stop anywhere: no entry of the index is lost, none is forgotten.

A pass or a write is stopped between any two of its requests, for good (a crash) or for so long that others
have come and gone meanwhile (a stall). Then everything goes on, and in the end the index holds exactly what
the facts say; on the way every search agrees with them.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cairn.domain import runs as changes
from cairn.domain.entities import Metric
from cairn.errors import ResourceDoesNotExist
from cairn.search import fields
from cairn.search.match import run_filter
from cairn.search.order import run_ordering
from cairn.search.plan import Pause, Search, plan
from cairn.storage import dirty, inventory, keys
from cairn.storage.engine import EngineTable
from cairn.storage.execute import RunIndex
from cairn.storage.indexer import Indexer, wanted_entries
from cairn.storage.meter import Meter
from cairn.storage.retry import Retry, Throttled
from cairn.storage.table import Key, Query
from infra.constructs.upkeep import INDEXER_TIMEOUT_S
from tests.storage.engines import sqlite_table
from tests.storage.faults import Crash, FaultyEngine, FaultyTable
from tests.storage.stores import NOW, Aggregates, aggregates

LATER = dirty.QUIET + 1_000
SPREAD = [(f"tag{number}", hashlib.sha512(bytes((number,))).hexdigest() * 3) for number in range(8)] + [
    (f"long{number}", "".join(hashlib.sha512(bytes((number, part))).hexdigest() for part in range(8)))
    for number in range(12)
]
"""Tags that fill shards: a change of one of them does not touch the head."""


@dataclass
class Clock:
    now: int = NOW

    def __call__(self) -> int:
        self.now += 1
        return self.now


@dataclass
class World:
    """One run of one experiment, and the steps that others may take."""

    table: EngineTable
    path: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.stores: Aggregates = aggregates(self.table, clock=self.clock)
        self.experiment = self.stores.experiment()
        self.run = self.stores.run(self.experiment)
        self.stores.change(self.run, changes.set_tags([*SPREAD, ("t", "old")]))
        self.log(1.0)
        self.settle()
        self.log(2.0)
        self.tag("new")

    def over(self, table: EngineTable) -> Aggregates:
        return aggregates(table, clock=self.clock)

    def log(self, value: float, table: EngineTable | None = None) -> None:
        points = [Metric("m", value, 1, int(value))]
        self.over(table or self.table).change(self.run, changes.set_tags([]), points=points)

    def tag(self, value: str, table: EngineTable | None = None) -> None:
        tags = [("t", value), ("mlflow.runName", value)]
        self.over(table or self.table).change(self.run, changes.set_tags(tags))

    def another_write(self) -> None:
        """By a second writer, whatever the first one did."""
        active = self.stores.runs.get(self.run).info.lifecycle_stage == "active"
        self.log(2.5) if active else self.flip()

    def flip(self, table: EngineTable | None = None) -> None:
        """Delete the run, or restore it."""
        deleted = self.stores.runs.get(self.run).info.lifecycle_stage == "deleted"
        change = changes.restore() if deleted else changes.delete()
        self.over(table or self.table).runs.change(self.run, change.touch, change.merge)

    def wait(self) -> None:
        self.clock.now += LATER

    def index(self, table: EngineTable | None = None) -> None:
        Indexer(table or self.table, self.clock).sweep(self.experiment)

    def settle(self) -> None:
        """Time passes, and the indexer comes by."""
        for _ in range(4):
            self.wait()
            self.index()

    def entries(self) -> set[Key]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT pk, sk FROM items").fetchall()
        return {Key(pk.decode(), sk.decode()) for pk, sk in rows if pk.startswith(b"X#")}

    def wanted(self) -> set[Key]:
        document, experiment = self._read()
        return set(wanted_entries(self.run, document, experiment))

    def listed(self) -> frozenset[Key]:
        document, _ = self._read()
        item = self.table.get(keys.inventory(self.run))
        return inventory.read(self.table, self.run, item, document).entries

    def _read(self) -> tuple[Any, Any]:
        document, experiment, _, _ = Indexer(self.table, self.clock)._read(self.run)
        assert document is not None
        assert experiment is not None
        return document, experiment

    def search(self) -> None:
        """What a searcher sees now is what matching all runs would give."""
        run = self.stores.runs.get(self.run)
        index = RunIndex(self.table, self.stores.runs, lambda: 0.0)
        for tree in ("", "tags.t = 'new'", "metrics.m > 1.5", "attributes.run_name ILIKE 'NEW'"):
            for order in ([], ["metrics.m DESC"]):
                for stages in (("active",), ("deleted",), ("active", "deleted")):
                    parsed, by = (
                        fields.read_filter(fields.RUNS, tree),
                        fields.read_order(fields.RUNS, order),
                    )
                    meets = run_filter(parsed)
                    search = Search(
                        [self.experiment], stages, plan(parsed, by), meets, run_ordering(by), None, 10
                    )
                    found = [row for row in index.search(search) if not isinstance(row, Pause)]
                    expected = [run] if run.info.lifecycle_stage in stages and meets(run) else []
                    assert found == expected, (tree, order, stages)

    def runs_are_small(self) -> bool:
        """Whether facts and all fit the head."""
        return not self.table.query(Query(keys.run_partition(self.run), prefix=keys.FACTS_PREFIX)).items

    def holds(self) -> None:
        """The index is exact, and known."""
        assert self.entries() == self.wanted() == self.listed()
        assert not list(dirty.marks(self.table, self.run[:16]))
        self.search()


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[[], World]]:
    opened: list[Any] = []

    def make() -> World:
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        context = sqlite_table(folder, Meter())
        opened.append(context)
        return World(context.__enter__(), folder / "table.db")

    yield make
    for context in opened:
        context.__exit__(None, None, None)


class StallingEngine(FaultyEngine):
    """Others act before its n-th request."""

    def __init__(self, table: EngineTable, number: int, others: Callable[[], None]) -> None:
        super().__init__(table.engine, None, None, None, (Throttled,), None, None)
        self._at = number
        self._others = others
        self.stalled = False

    def _carry_out(self, request: Callable[..., Any], *arguments: Any) -> Any:
        if self.requests + 1 == self._at and not self.stalled:
            self.stalled = True
            self._others()
        return super()._carry_out(request, *arguments)


def stalling(world: World, number: int, others: Callable[[], None]) -> tuple[EngineTable, StallingEngine]:
    engine = StallingEngine(world.table, number, others)
    return EngineTable(engine, Retry(sleep=lambda seconds: None)), engine


Step = Callable[[World, EngineTable], None]

WRITES: dict[str, Step] = {
    "log": lambda world, table: world.log(3.0, table),
    "tag in a shard": lambda world, table: world.tag("newer", table),
    "delete": lambda world, table: world.flip(table),
}


def a_second_indexer(world: World) -> None:
    world.index()


def a_second_indexer_later(world: World) -> None:
    world.wait()
    world.index()


def a_writer(world: World) -> None:
    world.tag("newer")


def a_writer_and_an_indexer(world: World) -> None:
    world.tag("newer")
    a_second_indexer_later(world)


def a_writer_back_to_the_old_value_and_an_indexer(world: World) -> None:
    world.tag("old")
    world.log(9.0)
    a_second_indexer_later(world)


def a_deletion_and_an_indexer(world: World) -> None:
    world.flip()
    a_second_indexer_later(world)


def an_experiment_s_restoration_and_an_indexer(world: World) -> None:
    world.stores.experiments.delete(world.experiment, NOW)
    world.stores.experiments.restore(world.experiment, NOW)
    a_second_indexer_later(world)


OTHERS = (
    a_second_indexer,
    a_second_indexer_later,
    a_writer,
    a_writer_and_an_indexer,
    a_writer_back_to_the_old_value_and_an_indexer,
    a_deletion_and_an_indexer,
    an_experiment_s_restoration_and_an_indexer,
)


@pytest.mark.parametrize("then", ["nothing", "a deletion"])
@pytest.mark.parametrize("moment", ["crash_before", "crash_after"])
def test_a_pass_that_crashes_anywhere_loses_and_forgets_nothing(
    worlds: Callable[[], World], moment: str, then: str
) -> None:
    number, crashed = 0, True
    while crashed:
        number += 1
        world = worlds()
        world.wait()
        try:
            world.index(FaultyTable(world.table, **{moment: number}))  # type: ignore[arg-type]
            crashed = False
        except Crash:
            world.search()
            assert world.entries() <= world.listed()
            if then == "a deletion":
                world.flip()
                world.search()
        world.settle()
        world.holds()
    assert number > 6


@pytest.mark.parametrize("others", OTHERS, ids=lambda others: others.__name__)
def test_a_pass_that_stalls_anywhere_loses_and_forgets_nothing(
    worlds: Callable[[], World], others: Callable[[World], None]
) -> None:
    number, stalled = 0, True
    while stalled:
        number += 1
        world = worlds()
        world.wait()
        table, engine = stalling(world, number, partial(others, world))
        world.index(table)
        stalled = engine.stalled
        world.search()
        world.settle()
        world.holds()
    assert number > 6


class DyingEngine(StallingEngine):
    """Others act before its n-th request, which is its last."""

    def _carry_out(self, request: Callable[..., Any], *arguments: Any) -> Any:
        if self.stalled:
            raise Crash
        return super()._carry_out(request, *arguments)


def a_reindexer(world: World) -> None:
    seen = {key for key in world.entries() if key.sk.endswith(world.run)}
    Indexer(world.table, world.clock).repair(world.run, seen)


@pytest.mark.parametrize("meanwhile", [None, "a writer", "a restoration"])
@pytest.mark.parametrize("then", [a_second_indexer, a_reindexer], ids=lambda then: then.__name__)
def test_a_pass_that_stalls_for_as_long_as_it_may_live_and_dies_forgets_nothing(
    worlds: Callable[[], World], then: Callable[[World], None], meanwhile: str | None
) -> None:
    """What it puts when its time is over would be in no list, had another one, which reads other facts,
    taken over before."""
    number, stalled = 0, True
    while stalled:
        number += 1
        world = worlds()
        world.wait()

        def others(world: World = world) -> None:
            if meanwhile == "a writer":
                world.tag("newer")
            if meanwhile == "a restoration":
                world.stores.experiments.delete(world.experiment, NOW)
                world.stores.experiments.restore(world.experiment, NOW)
            world.clock.now += INDEXER_TIMEOUT_S * 1_000
            then(world)

        engine = DyingEngine(world.table, number, others)
        try:
            world.index(EngineTable(engine, Retry(sleep=lambda seconds: None)))
        except Crash:
            world.search()
            assert world.entries() <= world.listed()
        stalled = engine.stalled
        world.settle()
        world.holds()
    assert number > 6


@pytest.mark.parametrize("write", WRITES)
def test_two_writers_and_an_indexer_on_one_run_lose_no_entry(
    worlds: Callable[[], World], write: str
) -> None:
    """ABA: a writer found the run marked, and writes when the indexer has cleared that mark."""
    assert not worlds().runs_are_small()
    number, stalled = 0, True
    while stalled:
        number += 1
        world = worlds()

        def others(world: World = world) -> None:
            world.log(2.5)
            world.settle()
            world.search()

        table, engine = stalling(world, number, others)
        WRITES[write](world, table)
        stalled = engine.stalled
        world.search()
        world.settle()
        world.holds()
    assert number > 2


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("moment", ["crash_before", "crash_after"])
def test_a_writer_that_crashes_beside_a_second_one_and_an_indexer(
    worlds: Callable[[], World], write: str, moment: str
) -> None:
    number, crashed = 0, True
    while crashed:
        number += 1
        world = worlds()
        world.wait()
        try:
            WRITES[write](world, FaultyTable(world.table, **{moment: number}))  # type: ignore[arg-type]
            crashed = False
        except Crash:
            world.search()
            world.another_write()
            world.search()
        world.settle()
        world.holds()
    assert number > 2


def test_a_creation_that_stalls_is_indexed_all_the_same(worlds: Callable[[], World]) -> None:
    number, stalled = 0, True
    while stalled:
        number += 1
        world = worlds()
        table, engine = stalling(world, number, world.settle)
        stores = world.over(table)
        stores.bits.seed(7)
        world.run = stores.run(world.experiment, tags={"t": "new"})
        stalled = engine.stalled
        world.settle()
        assert world.entries() >= world.wanted() == world.listed()
    assert number > 3


def test_a_creation_that_is_repeated_leaves_no_entry_behind(worlds: Callable[[], World]) -> None:
    """At another start time, and of a run that was deleted since."""
    world = worlds()
    run = world.stores.runs.get(world.run)
    world.flip()
    world.settle()
    for start in (run.info.start_time + 1, run.info.start_time):
        world.stores.bits.seed(0)
        assert world.stores.run(world.experiment, start_time=start) == world.run
        world.search()
    world.settle()
    world.holds()


def test_a_write_to_a_run_that_does_not_exist_creates_nothing(worlds: Callable[[], World]) -> None:
    world = worlds()
    world.settle()
    before = world.entries()
    missing = world.run[:16] + "0" * 16
    points = [Metric("m", 1.0, 1, 1)]
    with pytest.raises(ResourceDoesNotExist):
        world.stores.change(missing, changes.set_tags([("t", "new")]), points=points)
    assert world.table.get(keys.dirty_mark(missing)) is None
    assert not world.table.query(Query(keys.run_partition(missing))).items
    world.settle()
    assert world.entries() == before
    world.search()
