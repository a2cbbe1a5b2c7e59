"""Plan and execution against matching everything: the same runs, in the same order, page by page.

Runs of every state (live, finished, deleted, restored, indexed or dirty) with ties, NaN and missing values,
long and odd strings, in one to three experiments that are deleted and restored themselves.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.domain import runs as changes
from cairn.domain.entities import DatasetInput, Metric, Run
from cairn.search import fields
from cairn.search.match import run_filter
from cairn.search.order import Position, run_ordering
from cairn.search.plan import Pause, Search, plan
from cairn.storage.execute import RunIndex
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.table import Table
from tests.storage.engines import open_table
from tests.storage.stores import NOW, Aggregates, aggregates

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
    "attributes.status = 'FINISHED'",
    "attributes.end_time > 3",
    "attributes.start_time >= 5",
    "dataset.name = 'iris'",
    "dataset.digest IN ('d1', 'd2')",
    "attributes.user_id = 'ada'",
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
    ["metrics.none DESC"],
]

NUMBERS = count()


@dataclass
class World:
    """Experiments full of runs, written and partly indexed by a seeded random walk."""

    stores: Aggregates
    indexer: Indexer
    experiments: list[str]
    random: random.Random
    runs: list[str]

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

    def log(self, run_id: str) -> None:
        pick = self.random.choice
        steps = [
            changes.set_tags([("t", pick(TEXTS)), ("mlflow.runName", f"n{pick('123')}")][: pick([0, 1, 2])])
        ]
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


def world(table: Table, seed: int, steps: int = 60) -> World:
    stores = aggregates(table, seed=seed)
    rng = random.Random(seed)
    names = [f"experiment-{next(NUMBERS)}" for _ in range(rng.randrange(1, 4))]
    experiments = [stores.experiment(name) for name in names]
    made = World(stores, Indexer(table, lambda: NOW, quiet=0), experiments, rng, [])
    for _ in range(steps):
        made.step()
    return made


def pages(
    made: World, table: Table, tree: str, orders: Sequence[str], view: str, size: int
) -> Iterator[list[Run]]:
    parsed, by = fields.read_filter(fields.RUNS, tree), fields.read_order(fields.RUNS, orders)
    ordering = run_ordering(by)
    index = RunIndex(table, made.stores.runs, lambda: 0.0)
    after: Position | None = None
    while True:
        search = Search(
            made.experiments, VIEWS[view], plan(parsed, by), run_filter(parsed), ordering, after, size + 1
        )
        page: list[Run] = []
        for row in index.search(search):
            assert not isinstance(row, Pause)
            page.append(row)
            if len(page) > size:
                break
        yield page[:size]
        if len(page) <= size:
            return
        after = ordering.position(page[size - 1])


def expected(made: World, tree: str, orders: Sequence[str], view: str) -> list[str]:
    parsed, by = fields.read_filter(fields.RUNS, tree), fields.read_order(fields.RUNS, orders)
    meets, ordering = run_filter(parsed), run_ordering(by)
    runs = [made.stores.runs.get(run_id) for run_id in made.runs]
    found = [run for run in runs if run.info.lifecycle_stage in VIEWS[view] and meets(run)]
    return [run.info.run_id for run in sorted(found, key=lambda run: ordering.key(ordering.position(run)))]


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Table]:
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
