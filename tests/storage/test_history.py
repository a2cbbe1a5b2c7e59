"""Histories of several runs, side by side: each as by itself, and no more of them held than of a few."""

import random
import tracemalloc
from collections import deque
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest

from cairn.domain.access import DEPLOYMENT
from cairn.domain.entities import Metric
from cairn.domain.metrics import identity
from cairn.storage import folded, history
from cairn.storage.engine import EngineTable
from cairn.storage.fold import Fold
from cairn.storage.history import History
from cairn.storage.meter import Meter
from cairn.storage.together import SideBySide, in_turn
from tests.storage.engines import open_table
from tests.storage.stores import NOW, aggregates


def filled(table: EngineTable, seed: int, runs: int = 40) -> list[str]:
    """Runs with few points or many, folded or not or in part, or without the metric."""
    stores, rng = aggregates(table, seed), random.Random(seed)
    experiments = [stores.experiment(f"experiment-{number}") for number in range(3)]
    made = []
    for _ in range(runs):
        run_id = stores.run(rng.choice(experiments))
        for call in range(rng.randrange(4)):
            points = [
                Metric(rng.choice(["m", "n"]), rng.random(), NOW + rng.randrange(200), call * 50 + step)
                for step in range(rng.choice([1, 5, 80]))
            ]
            stores.change(run_id, points=points)
            if rng.random() < 0.5:
                Fold(table).fold(run_id, quiet=True)
        made.append(run_id)
    return made


@pytest.fixture(params=[SideBySide, lambda: in_turn], ids=["side by side", "in turn"])
def histories(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[EngineTable], History]:
    """Of limits so small that some tens of runs take many loads."""
    for module, name, value in (
        (history, "_LOGGED", 100),
        (history, "_AHEAD", 90),
        (folded, "MAX_POINTS", 40),
        (folded, "_TOGETHER", 3),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("cairn.storage.fold._INLINE_POINTS", 5)
    return lambda table: History(table, DEPLOYMENT, request.param())


@pytest.mark.parametrize("seed", range(3))
def test_each_is_as_by_itself(
    table: EngineTable, histories: Callable[[EngineTable], History], seed: int
) -> None:
    runs = filled(table, seed)
    by_itself = History(table, DEPLOYMENT)
    wanted = [*runs, "none", runs[3], runs[3]]
    for steps in (None, (0, 60), (1_000, 2_000)):
        found = [columns.metrics("m") for columns in histories(table).each(wanted, "m", steps)]
        alone = [by_itself.columns(run_id, "m", steps).metrics("m") for run_id in wanted]
        assert [list(map(identity, one)) for one in found] == [list(map(identity, one)) for one in alone]


@pytest.mark.parametrize("seed", range(3))
def test_the_first_points_are_those_of_the_first_runs(
    table: EngineTable, histories: Callable[[EngineTable], History], seed: int
) -> None:
    runs = filled(table, seed)
    every = [History(table, DEPLOYMENT).points(run_id, "m") for run_id in runs]
    total = sum(map(len, every))
    counts = list(accumulate(map(len, every)))
    for limit in (0, 1, counts[5], counts[7] + 1, total // 2, total - 1, total, total + 1):
        found = [columns.metrics("m") for columns in histories(table).firsts(runs, "m", limit)]
        flat = [point for points in every for point in points][:limit]
        assert [identity(point) for points in found for point in points] == list(map(identity, flat))
        assert list(map(len, found))[:-1] == list(map(len, every))[: max(0, len(found) - 1)]


def test_what_is_held_does_not_grow_with_the_number_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of runs of a million points each, were they large: the limits are a fiftieth."""
    monkeypatch.setattr(history, "_AHEAD", 20_000)
    monkeypatch.setattr(history, "_LOGGED", 10_000)

    with open_table("sqlite", tmp_path, Meter()) as table:
        stores = aggregates(table)
        experiment = stores.experiment()
        runs = []
        for _ in range(24):
            runs.append(stores.run(experiment))
            stores.change(
                runs[-1], points=[Metric("m", step / 7, NOW + step, step) for step in range(20_000)]
            )
            while Fold(table).fold(runs[-1], quiet=True):
                pass
            stores.change(runs[-1], points=[Metric("m", 0.5, NOW + 90_000, 90_000)])

        def peak(count: int) -> int:
            read = History(table, DEPLOYMENT, SideBySide())
            tracemalloc.start()
            deque(read.each(runs[:count], "m"), maxlen=0)
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return most

        peak(2)
        assert peak(24) < 1.3 * peak(4)
