"""Traps of searches that take several requests, each by its name; the general case is test_execute's."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

import pytest

from cairn.domain import runs as changes
from cairn.domain.entities import Metric, Run
from cairn.search import cursor, fields
from cairn.search.match import run_filter
from cairn.search.order import run_ordering
from cairn.search.plan import Pause, Search, plan
from cairn.storage.budget import Bounds
from cairn.storage.execute import RunIndex
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.sweep import RANGE, Progress, read_progress
from tests.storage.engines import open_table
from tests.storage.stores import NOW, Aggregates, aggregates

TREE = fields.read_filter(fields.RUNS, "tags.t LIKE '%x'")
ORDERING = run_ordering(())
SMALL = Bounds(seconds=0.4, probe=3, trial=5, worth=20, worth_all=20, sieved=5, reserve=3_060)
"""With a clock that goes on by 10 ms whenever it is asked: some 35 entries of a sweep take a request."""


@dataclass
class Site:
    """150 runs, every fifteenth of them tagged with an x at the end, and a search for those."""

    stores: Aggregates
    index: RunIndex = field(init=False)
    indexer: Indexer = field(init=False)
    experiment: str = ""
    runs: list[str] = field(default_factory=list)
    now: int = NOW
    token: str = ""

    def tag(self, run_id: str, value: str) -> None:
        self.stores.change(run_id, changes.set_tags([("t", value)]))

    def quiet(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.indexer.sweep(self.experiment)

    def page(self) -> tuple[list[Run], Progress | None]:
        """The next page, and where the search stands."""
        after, text = cursor.decode_resumed(b"", self.token, ORDERING)
        view, meets = ("active", "deleted"), run_filter(TREE)
        search = Search([self.experiment], view, plan(TREE, ()), meets, ORDERING, after, 10, text)
        runs: list[Run] = []
        for row in self.index.search(search):
            if isinstance(row, Pause):
                self.token = cursor.encode(b"", row.position)
                text = cursor.decode_resumed(b"", self.token, ORDERING)[1]
                return runs, None if text is None else read_progress(text, ORDERING)
            runs.append(row)
        self.token = ""
        return runs, None

    def to_the_middle(self) -> list[Run]:
        """Pages up to the one that leaves the search in the middle of a range."""
        found: list[Run] = []
        while True:
            runs, progress = self.page()
            found += runs
            assert progress is not None, "the search ended before it swept a range"
            if progress.source == RANGE and progress.reached > "v030":
                return found

    def rest(self) -> list[Run]:
        found: list[Run] = []
        while self.token:
            found += self.page()[0]
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_table("sqlite", tmp_path, Meter()) as table:
        site = Site(aggregates(table))
        site.stores = aggregates(table, clock=lambda: site.now)
        site.indexer = Indexer(table, lambda: site.now)
        ticks = count()
        site.index = RunIndex(table, site.stores.runs, lambda: next(ticks) / 100, lambda: site.now, SMALL)
        site.experiment = site.stores.experiment()
        for number in range(150):
            run_id = site.stores.run(site.experiment, start_time=number)
            site.tag(run_id, f"{number:03d}{'x' if number % 15 == 14 else '-'}")
            site.runs.append(run_id)
        site.quiet(100_000)
        yield site


TAGGED = [f"{number:03d}x" for number in range(149, 0, -15)]


def names(runs: list[Run]) -> list[str]:
    return [run.tags["t"] for run in runs]


def test_a_range_is_swept_over_several_requests(site: Site) -> None:
    assert names(site.to_the_middle() + site.rest()) == TAGGED


def test_a_run_that_moves_behind_a_sweep_is_seen_by_its_mark(site: Site) -> None:
    """It was written between two requests that follow each other soon, and indexed later."""
    found = site.to_the_middle()
    site.tag(site.runs[104], "000x")
    site.now += 50_000
    found += site.page()[0]
    site.quiet(45_000)
    assert names(found + site.rest()) == [tag.replace("104", "000") for tag in TAGGED]


def test_a_sweep_that_was_left_alone_starts_over(site: Site) -> None:
    """The run was written and indexed, and lies behind the sweep without a mark."""
    found = site.to_the_middle()
    site.tag(site.runs[104], "000x")
    site.quiet(100_000)
    assert names(found + site.rest()) == [tag.replace("104", "000") for tag in TAGGED]


MANY = 360
LACKING = 10


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Aggregates, Meter, str]]:
    """More runs than are sorted at once, with a metric each but for ten of them, and a tag."""
    meter = Meter()
    with open_table("sqlite", tmp_path_factory.mktemp("measured"), meter) as table:
        stores = aggregates(table)
        experiment = stores.experiment()
        for number in range(MANY):
            run_id = stores.run(experiment, start_time=number)
            if number >= LACKING:
                stores.change(run_id, points=[Metric("m", number % 50, 0, 0)])
            if number % 60 == 3:
                stores.change(run_id, changes.set_tags([("t", "rare")]))
        Indexer(table, lambda: NOW + 100_000).sweep(experiment)
        yield stores, meter, experiment


def answered(
    site: tuple[Aggregates, Meter, str], tree: str, orders: list[str], size: int, bounds: Bounds
) -> list[str]:
    stores, _, experiment = site
    parsed, by = fields.read_filter(fields.RUNS, tree), fields.read_order(fields.RUNS, orders)
    ordering, meets = run_ordering(by), run_filter(parsed)
    index = RunIndex(stores.table, stores.runs, lambda: 0.0, lambda: NOW, bounds)
    found: list[str] = []
    token = ""
    while True:
        after, text = cursor.decode_resumed(b"", token, ordering)
        search = Search([experiment], ("active",), plan(parsed, by), meets, ordering, after, size, text)
        rows = list(islice(index.search(search), size))
        found += [row.info.run_id for row in rows if not isinstance(row, Pause)]
        if not rows or (len(rows) < size and not isinstance(rows[-1], Pause)):
            return found
        last = rows[-1]
        token = cursor.encode(b"", last.position if isinstance(last, Pause) else ordering.position(last))


@pytest.mark.parametrize("size", [100, 1_000])
@pytest.mark.parametrize("group", [5, 300])
def test_a_large_group_without_a_value_holds_no_run_that_has_one(
    measured: tuple[Aggregates, Meter, str], size: int, group: int
) -> None:
    """The entries of the default order, all of one rank, serve for the runs that lack the metric."""
    orders = ["metrics.m DESC", "attributes.run_id ASC"]
    found = answered(measured, "", orders, size, Bounds(group=group))
    runs = [measured[0].runs.get(run_id) for run_id in found]
    valued = [run for run in runs if run.metrics]
    assert len(set(found)) == len(found) == MANY
    assert runs[: MANY - LACKING] == valued
    assert valued == sorted(valued, key=lambda run: (-run.metrics["m"].value, run.info.run_id))


def test_runs_that_were_read_in_vain_count_before_a_range_is_read(
    measured: tuple[Aggregates, Meter, str],
) -> None:
    """Behind the last value nearly every entry is of a run that has one: the range ends the search."""
    orders, tree = ["metrics.m ASC"], "tags.t = 'rare'"
    _, meter, _ = measured
    with meter.measure() as measurement:
        found = answered(measured, tree, orders, 5, Bounds(probe=0, trial=20, worth=20))
    assert len(found) == 6
    assert measurement.read_units < 300
