"""Plan and execution against matching everything: the same runs, in the same order, page by page.

Runs of every state (live, finished, deleted, restored, indexed or dirty) with ties, NaN and missing values,
long and odd strings, in one to five experiments that are deleted and restored themselves.
"""

import math
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.domain import runs as changes
from cairn.domain.entities import DatasetInput, Metric, Run
from cairn.search import cursor, fields
from cairn.search.match import run_filter
from cairn.search.order import run_ordering
from cairn.search.plan import Pause, Search, plan
from cairn.storage.budget import BOUNDS, Bounds
from cairn.storage.engine import EngineTable
from cairn.storage.execute import RunIndex
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.table import Table
from tests.storage.engines import open_table
from tests.storage.stores import NOW, Aggregates, aggregates
from tests.storage.test_search_races import Watched

LONG = "l" * 128
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "b",
    "a%",
    "é",
    "\0",
    "a\0b",
    LONG,
    LONG + "a",
    LONG + "b",
    LONG[:-1] + "é",
    "\U0001f600",
]
NAMES = ["n1", "n2", "n3", "N1", "", LONG + "a", LONG + "b"]
VALUES = [-1.5, -0.0, 0.0, 1.0, 1.0, 1.0, 2.5, math.nan, 1e300, -1e300]
STARTS = [0, 0, 5, 5, 5, -3, 1_700_000_000_000, 2**62]
VIEWS = {"ACTIVE_ONLY": ("active",), "DELETED_ONLY": ("deleted",), "ALL": ("active", "deleted")}

COMPARISONS = [
    *(
        f"metrics.m {op} {value}"
        for op in ("=", "!=", "<", "<=", ">", ">=")
        for value in ("0", "1", "-1.5", "2")
    ),
    *(f"params.p {op} '{text}'" for op in ("=", "!=") for text in ("a", "", LONG, LONG + "a", "é")),
    *(f"tags.t {op} '{text}'" for op in ("LIKE", "ILIKE") for text in ("a%", "%A%", "_", LONG + "%", "%")),
    "params.p IS NULL",
    "params.p IS NOT NULL",
    "tags.t IS NOT NULL",
    "attributes.run_name LIKE 'n%'",
    "attributes.run_name ILIKE '%1%'",
    "attributes.run_name ILIKE 'L%B'",
    "attributes.run_name != 'n2'",
    "tags.`mlflow.runName` IS NULL",
    "tags.`mlflow.runName` IS NOT NULL",
    "attributes.status = 'FINISHED'",
    "attributes.end_time > 3",
    "attributes.start_time >= 5",
    "dataset.name = 'iris'",
    "dataset.digest IN ('d1', 'd2')",
    "attributes.user_id = 'ada'",
    "attributes.status != 'RUNNING'",
    "tags.t = ''",
    "metrics.m = 1",
]
ORDERS = [
    [],
    ["attributes.start_time ASC"],
    ["attributes.start_time DESC"],
    ["metrics.m ASC"],
    ["metrics.m DESC"],
    ["params.p ASC"],
    ["params.p DESC"],
    ["tags.t DESC"],
    ["attributes.run_name ASC"],
    ["attributes.end_time DESC"],
    ["attributes.status ASC", "metrics.m DESC"],
    ["metrics.m DESC", "attributes.start_time DESC"],
    ["metrics.m DESC", "params.p ASC", "tags.t DESC"],
    ["tags.t ASC", "attributes.start_time ASC"],
    ["attributes.start_time ASC", "metrics.m ASC"],
    ["attributes.start_time DESC", "params.p DESC"],
    ["attributes.run_id DESC"],
    ["attributes.artifact_uri ASC", "metrics.m ASC"],
    ["metrics.none DESC"],
]

NUMBERS = count()
EXAMPLES = int(os.environ.get("SEARCH_EXAMPLES", "10"))
"""Of the slowest test; raise it to look longer."""

TINY = Bounds(
    units=12,
    overdraft=2,
    page=3,
    probe=4,
    trial=3,
    worth=8,
    worth_all=8,
    reserve=4,
    sieved=2,
    group=3,
    most=6,
    carried=4,
    experiments=2,
    patience=60_000,
)
"""Every search pauses many times, whatever it does."""

NARROW = replace(TINY, carried=1, experiments=1)
"""And drops what it found: every part of the experiments is gone through again and again."""

LEAST = Bounds(
    units=1,
    overdraft=0,
    page=1,
    probe=1,
    trial=1,
    worth=0,
    worth_all=0,
    reserve=1,
    sieved=1,
    group=1,
    most=1,
    carried=1,
    experiments=1,
)


@dataclass
class SetClock:
    """A clock that stands where it is put, in milliseconds."""

    now: int

    def __call__(self) -> int:
        return self.now


@dataclass
class World:
    """Experiments full of runs, written and partly indexed by a seeded random walk."""

    stores: Aggregates
    indexer: Indexer
    experiments: list[str]
    random: random.Random
    runs: list[str]
    clock: SetClock

    def step(self) -> None:
        chance = self.random.random()
        if chance < 0.35 or not self.runs:
            self.runs.append(
                self.stores.run(self.random.choice(self.experiments), self.random.choice(STARTS))
            )
        elif chance < 0.75:
            self.log(self.random.choice(self.runs))
        elif chance < 0.85:
            change = self.random.choice([changes.delete, changes.restore])()
            self.stores.runs.change(self.random.choice(self.runs), change.touch, change.merge)
        elif chance < 0.88:
            self.flip(self.random.choice(self.experiments))
        else:
            self.indexer.sweep(self.random.choice(self.experiments), limit=self.random.randrange(1, 8))

    def flip(self, experiment: str) -> None:
        if self.stores.experiments.get(experiment).lifecycle_stage == "active":
            self.stores.experiments.delete(experiment, NOW)
        self.stores.experiments.restore(experiment, NOW)

    def touch(self, run_id: str) -> None:
        """Write a run without changing what any search asks for; or delete, restore or finish it."""
        change = self.random.choice(
            [
                changes.set_tags([("other", str(self.clock.now))]),
                changes.set_tags([("other", str(self.clock.now))]),
                changes.delete(),
                changes.restore(),
                changes.update_info("FINISHED", 3, None),
            ]
        )
        if change.touch.tags and self.stores.runs.get(run_id).info.lifecycle_stage != "active":
            return
        self.stores.runs.change(run_id, change.touch, change.merge)

    def log(self, run_id: str) -> None:
        pick = self.random.choice
        steps = [changes.set_tags([("t", pick(TEXTS)), ("mlflow.runName", pick(NAMES))][: pick([0, 1, 2])])]
        if pick([True, False]):
            steps.append(changes.update_info(pick(["FINISHED", "FAILED"]), pick([1, 3, 5]), None))
        if pick([True, False]):
            steps.append(
                changes.log_datasets([DatasetInput(pick(["iris", "wine"]), pick(["d1", "d2", "d3"]))])
            )
        points = (
            [Metric("m", pick(VALUES), 1, self.random.randrange(100))] if pick([True, True, False]) else []
        )
        if self.stores.runs.get(run_id).info.lifecycle_stage == "active":
            self.stores.change(run_id, *steps, points=points)
            if "p" not in self.stores.runs.get(run_id).params and pick([True, False]):
                self.stores.change(run_id, changes.log_param(run_id, "p", pick(TEXTS)))


def world(table: Table, seed: int, steps: int = 60, quiet: int = 0) -> World:
    clock = SetClock(NOW)
    stores = aggregates(table, seed=seed, clock=clock)
    rng = random.Random(seed)
    names = [f"experiment-{next(NUMBERS)}" for _ in range(rng.randrange(1, 6))]
    experiments = [stores.experiment(name) for name in names]
    made = World(stores, Indexer(table, clock, quiet=quiet), experiments, rng, [], clock)
    for _ in range(steps):
        made.step()
    return made


class Pauses:
    """Counts them."""

    count = 0


def pages(
    made: World,
    table: Table,
    tree: str,
    orders: Sequence[str],
    view: str,
    size: int,
    bounds: Bounds = BOUNDS,
) -> Iterator[list[Run]]:
    """Page by page as the use-case does it: a pause ends a page as well, both go on by their token."""
    parsed, by = fields.read_filter(fields.RUNS, tree), fields.read_order(fields.RUNS, orders)
    ordering = run_ordering(by)
    index = RunIndex(table, made.stores.runs, lambda: 0.0, made.clock, bounds)
    query, token = b"query", ""
    while True:
        after, progress = cursor.decode_resumed(query, token, ordering)
        search = Search(
            made.experiments,
            VIEWS[view],
            plan(parsed, by),
            run_filter(parsed),
            ordering,
            after,
            size + 1,
            progress,
        )
        page: list[Run] = []
        pause = None
        for row in index.search(search):
            if isinstance(row, Pause):
                pause = row
                break
            page.append(row)
            if len(page) > size:
                break
        yield page[:size]
        if len(page) > size:
            token = cursor.encode(query, ordering.position(page[size - 1]))
        elif pause is not None:
            Pauses.count += 1
            token = cursor.encode(query, pause.position)
        else:
            return


def expected(made: World, tree: str, orders: Sequence[str], view: str) -> list[str]:
    parsed, by = fields.read_filter(fields.RUNS, tree), fields.read_order(fields.RUNS, orders)
    meets, ordering = run_filter(parsed), run_ordering(by)
    runs = [made.stores.runs.get(run_id) for run_id in made.runs]
    found = [run for run in runs if run.info.lifecycle_stage in VIEWS[view] and meets(run)]
    return [run.info.run_id for run in sorted(found, key=lambda run: ordering.key(ordering.position(run)))]


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[EngineTable]:
    with open_table("sqlite", tmp_path, Meter()) as opened:
        yield opened


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.data())
def test_searches_answer_as_matching_everything_would(sqlite: Table, seed: int, data: Any) -> None:
    made = world(sqlite, seed)
    for _ in range(12):
        tree = " AND ".join(data.draw(st.lists(st.sampled_from(COMPARISONS), max_size=2)))
        orders = data.draw(st.sampled_from(ORDERS))
        view = data.draw(st.sampled_from(sorted(VIEWS)))
        size = data.draw(st.sampled_from([1, 3, 10, 1_000]))
        answered = [
            run.info.run_id for page in pages(made, sqlite, tree, orders, view, size) for run in page
        ]
        assert answered == expected(made, tree, orders, view), (tree, orders, view, size)


@pytest.mark.parametrize("seed", [1, 2])
def test_both_engines_answer_alike(table: Table, seed: int) -> None:
    made = world(table, seed, steps=40)
    for number in range(8):
        tree = " AND ".join(made.random.sample(COMPARISONS, number % 3))
        orders = made.random.choice(ORDERS)
        answered = [run.info.run_id for page in pages(made, table, tree, orders, "ALL", 10) for run in page]
        assert answered == expected(made, tree, orders, "ALL"), (tree, orders)


@pytest.mark.parametrize("orders", ORDERS, ids=" ".join)
def test_every_comparison_in_every_order(sqlite: Table, orders: list[str]) -> None:
    made = world(sqlite, seed=7, steps=90)
    for tree in COMPARISONS:
        answered = [run.info.run_id for page in pages(made, sqlite, tree, orders, "ALL", 3) for run in page]
        assert answered == expected(made, tree, orders, "ALL"), (tree, orders)


@pytest.mark.parametrize("bounds", [NARROW, LEAST], ids=["narrow", "least"])
@pytest.mark.parametrize("orders", ORDERS, ids=" ".join)
def test_pauses_lose_nothing(sqlite: Table, orders: list[str], bounds: Bounds) -> None:
    made = world(sqlite, seed=8, steps=50)
    before = Pauses.count
    trees = ["", *COMPARISONS]
    made.random.shuffle(trees)
    for number, tree in enumerate(trees[:16] if bounds is NARROW else trees[:4]):
        for size in [(3, 1_000)[number % 2]]:
            found = pages(made, sqlite, tree, orders, "ALL", size, bounds)
            answered = [run.info.run_id for page in found for run in page]
            assert answered == expected(made, tree, orders, "ALL"), (tree, orders, size)
    assert Pauses.count > before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=EXAMPLES)
@given(
    st.integers(0, 10_000),
    st.sampled_from([BOUNDS, replace(BOUNDS, page=2), TINY, NARROW, LEAST]),
    st.data(),
)
def test_every_run_that_stays_as_it_is_comes_once(
    sqlite: EngineTable, seed: int, bounds: Bounds, data: Any
) -> None:
    """While others, among them the run at the cursor, are created, finished, changed, deleted and restored
    between pages, and all of them indexed in between, and between the requests of a page."""
    made = world(sqlite, seed, steps=30, quiet=90_000)
    rng = made.random

    def now_and_then() -> None:
        if rng.random() < 0.2:
            made.indexer.sweep(rng.choice(made.experiments), limit=rng.randrange(1, 8))

    watched = Watched(sqlite.engine, now_and_then)
    for _ in range(3):
        tree = " AND ".join(data.draw(st.lists(st.sampled_from(COMPARISONS), max_size=2)))
        orders = data.draw(st.sampled_from(ORDERS))
        view = data.draw(st.sampled_from(sorted(VIEWS)))
        size = data.draw(st.sampled_from([1, 3, 10]))
        began, changed = places(made, tree, orders, view), set[str]()
        answered: list[Run] = []
        for number, page in enumerate(pages(made, watched, tree, orders, view, size, bounds)):
            assert number < 3_000, "the search does not end"
            answered += page
            if number > 20:
                made.clock.now += 1
                continue
            made.clock.now += rng.choice([1, 1_000, 20_000, 50_000, 100_000])
            for _ in range(rng.randrange(3)):
                made.step()
            if answered and rng.random() < 0.3:
                made.touch(answered[-1].info.run_id)
            now = places(made, tree, orders, view)
            changed |= {run_id for run_id in now if began.get(run_id, 0) != now[run_id]}
        ids = [run.info.run_id for run in answered if run.info.run_id not in changed]
        stable = {run_id: key for run_id, key in began.items() if run_id not in changed and key is not None}
        assert ids == sorted(stable, key=stable.__getitem__), (tree, orders, view, size)


def places(made: World, tree: str, orders: Sequence[str], view: str) -> dict[str, Any]:
    """The sort key of every run that matches, None for the others."""
    parsed, by = fields.read_filter(fields.RUNS, tree), fields.read_order(fields.RUNS, orders)
    meets, ordering = run_filter(parsed), run_ordering(by)
    return {
        run_id: ordering.key(ordering.position(run))
        if run.info.lifecycle_stage in VIEWS[view] and meets(run)
        else None
        for run_id, run in made.stores.runs.get_many(made.runs).items()
    }
