"""The indexer comes by between any two requests of a searcher: each run that stays as it is, once.

A run is written between two pages in a way that changes neither its match nor its sort key, but its place
in the index: another group, another value of the filter. Long after that the search goes on by its token,
and the indexer moves the run's entries at that very moment: before each request of each page in turn. What
it leaves and where it goes lies anywhere, before and behind the searcher.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest

from cairn.domain import runs as changes
from cairn.domain.entities import Metric
from cairn.search import cursor, fields
from cairn.search.match import run_filter
from cairn.search.order import run_ordering
from cairn.search.plan import Pause, Search, plan
from cairn.search.tree import Filter, Order
from cairn.storage.budget import BOUNDS, Bounds
from cairn.storage.engine import Engine, EngineTable
from cairn.storage.execute import RunIndex
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.table import Item, Key, Page, Query
from tests.storage.engines import AT_ONCE, sqlite_table
from tests.storage.stores import NOW, Aggregates, aggregates

RUNS = 28
LATER = 100_000
"""Milliseconds after which a run is quiet."""


class Watched(EngineTable):
    """A table that calls ``step`` before each reading request of several items."""

    def __init__(self, engine: Engine, step: Callable[[], None]) -> None:
        super().__init__(engine, AT_ONCE)
        self._step = step

    def query(self, query: Query) -> Page:
        self._step()
        return super().query(query)

    def batch_get(self, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Item]:
        self._step()
        return super().batch_get(keys, consistent=consistent)


@dataclass(frozen=True)
class Case:
    """A search, and a write after which ``victim`` is found as before, elsewhere."""

    tree: str
    orders: list[str]
    write: Callable[["Site", str], None]
    bounds: Bounds
    victims: int
    """Every fourth run from this one."""

    @property
    def parsed(self) -> tuple[Filter, list[Order]]:
        orders = list(fields.read_order(fields.RUNS, self.orders))
        return fields.read_filter(fields.RUNS, self.tree), orders


def flip(site: "Site", run_id: str) -> None:
    """Delete the run, or restore it."""
    deleted = site.stores.runs.get(run_id).info.lifecycle_stage == "deleted"
    change = changes.restore() if deleted else changes.delete()
    site.stores.runs.change(run_id, change.touch, change.merge)


def log(site: "Site", run_id: str) -> None:
    """To the other end of the range."""
    value = site.stores.runs.get(run_id).metrics["m"].value
    site.stores.change(run_id, points=[Metric("m", 120 - value, 9, 9)])


DELETED, ACTIVE = 1, 2
WALK = Bounds(units=16, overdraft=2, page=3, probe=0, trial=1_000, group=3, carried=4)
MEMBERS = Bounds(units=40, overdraft=2, page=3, probe=2, trial=2, worth=0, reserve=2, carried=4)
CASES = {
    "deleted and restored": Case("", [], flip, WALK, DELETED),
    "deleted and restored, by a metric": Case(
        "metrics.order >= 0", ["metrics.order DESC"], flip, WALK, DELETED
    ),
    "elsewhere in a range of members": Case(
        "metrics.m > 0 AND tags.kept != 'no'", ["metrics.order ASC"], log, MEMBERS, ACTIVE
    ),
}


@dataclass
class Site:
    """Runs of two experiments, all indexed."""

    table: EngineTable
    now: int = NOW
    experiments: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    asked: int = 0
    """Requests of the searcher in this page."""
    stop: int | None = None
    """The one before which the indexer comes by."""

    def __post_init__(self) -> None:
        self.stores: Aggregates = aggregates(self.table, clock=lambda: self.now)

    def fill(self) -> None:
        self.experiments = [self.stores.experiment(name) for name in ("one", "two")]
        for number in range(RUNS):
            run_id = self.stores.run(self.experiments[number % 2], start_time=number)
            values = {"m": 1 + number * 4 if number % 2 == 0 else -1, "order": number}
            tags = [("kept", "no" if number == 4 else "yes")]
            points = [Metric(key, float(value), 1, 1) for key, value in values.items()]
            self.stores.change(run_id, changes.set_tags(tags), points=points)
            self.runs.append(run_id)
            if number % 4 == DELETED:
                flip(self, run_id)
        self.now += LATER
        self.sweep()

    def sweep(self) -> None:
        for experiment in self.experiments:
            Indexer(self.table, lambda: self.now).sweep(experiment)

    def step(self) -> None:
        self.asked += 1
        if self.asked == self.stop:
            self.sweep()

    def pages(self, case: Case, size: int) -> Iterator[list[str]]:
        tree, orders = case.parsed
        ordering, token = run_ordering(orders), ""
        watched = Watched(self.table.engine, self.step)
        runs = aggregates(watched, clock=lambda: self.now).runs
        index = RunIndex(watched, runs, lambda: 0.0, lambda: self.now, case.bounds)
        while True:
            self.asked = 0
            after, progress = cursor.decode_resumed(b"", token, ordering)
            by = plan(tree, orders)
            search = Search(
                self.experiments,
                ("active", "deleted"),
                by,
                run_filter(tree),
                ordering,
                after,
                size + 1,
                progress,
            )
            page, pause = [], None
            for row in index.search(search):
                if isinstance(row, Pause):
                    pause = row
                    break
                page.append(row)
                if len(page) > size:
                    break
            yield [run.info.run_id for run in page[:size]]
            if len(page) > size:
                token = cursor.encode(b"", ordering.position(page[size - 1]))
            elif pause is not None:
                token = cursor.encode(b"", pause.position)
            else:
                return

    def expected(self, case: Case) -> list[str]:
        tree, orders = case.parsed
        meets, ordering = run_filter(tree), run_ordering(orders)
        runs = [run for run in map(self.stores.runs.get, self.runs) if meets(run)]
        runs.sort(key=lambda run: ordering.key(ordering.position(run)))
        return [run.info.run_id for run in runs]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Site]:
    folder = tmp_path_factory.mktemp("template")
    with sqlite_table(folder, Meter()) as table:
        site = Site(table)
        site.fill()
    return folder / "table.db", site


NUMBERS = count()


def again(template: tuple[Path, Site], folder: Path) -> Iterator[Site]:
    """The same site once more, as often as it is asked for."""
    path, made = template
    while True:
        own = folder / str(next(NUMBERS))
        own.mkdir()
        shutil.copy(path, own / "table.db")
        with sqlite_table(own, Meter()) as table:
            yield Site(table, made.now, made.experiments, made.runs)


@pytest.mark.parametrize("size", [3, 100])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_indexer_moves_runs_while_a_search_goes_on(
    template: tuple[Path, Site], tmp_path: Path, case: Case, size: int
) -> None:
    sites = again(template, tmp_path)
    site = next(sites)
    asked = [site.asked for _ in site.pages(case, size)]
    assert len(asked) > 2, "the search does not pause"
    for number in range(1, len(asked)):
        for stop in range(1, asked[number] + 3):
            site = next(sites)
            expected = site.expected(case)
            answered: list[str] = []
            for done, page in enumerate(site.pages(case, size), start=1):
                answered += page
                site.stop = None
                if done == number:
                    for run_id in site.runs[case.victims :: 4]:
                        case.write(site, run_id)
                    site.now += LATER
                    site.stop = stop
                assert done < 500
            assert site.expected(case) == expected
            assert answered == expected, (number, stop)


@pytest.mark.parametrize("orders", [[], ["metrics.order DESC"]], ids=["default order", "by a metric"])
def test_the_indexer_moves_runs_of_an_experiment_that_was_restored(
    template: tuple[Path, Site], tmp_path: Path, orders: list[str]
) -> None:
    """A run that is written after its experiment was restored goes to the group of the new epoch, though
    nobody deleted or restored it."""
    sites = again(template, tmp_path)
    case = Case("", orders, flip, replace(BOUNDS, page=3), DELETED)
    moved = set()
    for stop in range(1, 100, 3):
        site = next(sites)
        for experiment in site.experiments:
            site.stores.experiments.delete(experiment, NOW)
            site.stores.experiments.restore(experiment, NOW)
        for run_id in site.runs[::3]:
            site.stores.change(run_id, changes.set_tags([("other", "tag")]))
        site.now += LATER
        site.stop = stop
        answered = [run_id for page in site.pages(case, RUNS) for run_id in page]
        moved.add(site.asked >= stop)
        assert answered == site.expected(case), stop
    assert moved == {True, False}
