"""The load of one busy experiment on each partition key, if DynamoDB never splits a partition.

500 writers log a batch of 20 metrics a second each, 20 runs are created, 20 end and 20 are indexed each
second. The lives of a few runs are recorded as metered requests of the real code, then replayed by the
thousand on a simulated clock. Every key may bear half of what a partition does at most: 1,000 write units
and 3,000 read units a second ("Best practices for designing and using partition keys", DynamoDB Developer
Guide). Prints the busiest keys with ``pytest -s``.
"""

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from cairn.http import App
from cairn.sharing.authorize import everything
from cairn.sharing.fronts import local_front
from cairn.storage import dirty, keys
from cairn.storage.meter import Meter
from cairn.storage.table import Table
from tests.budget.conftest import TIME, Api, SetClock, metrics, pairs
from tests.storage.engines import sqlite_table
from tests.storage.stores import MemoryBlobs, use_case_stores

HALF = {"write": 500.0, "read": 1_500.0}
CREATES_A_SECOND = 20
LIVES_S = (5, 15, 25, 35, 45)
"""How long runs live: 25 s on average, so that 500 are alive. Past 30 s a dirty mark is renewed."""
WINDOW_S = 20
"""How long the load is looked at, once it is steady."""
RUN = "<run>"

Load = tuple[str, str]
"""Kind (``write`` or ``read``) and partition key."""


@dataclass(frozen=True)
class Event:
    """Units on a partition key, some seconds after a run's life began."""

    at: float
    load: Load
    units: float


@dataclass
class Recorder:
    """A table of one experiment, and what its requests cost since a run began."""

    api: Api
    table: Table
    experiment: str

    def life(self, seconds: int) -> list[Event]:
        """Create, log once a second, finish, index once it is quiet."""
        begun = self.api.clock.now
        body = {"experiment_id": self.experiment, "start_time": begun, "tags": pairs("tag", 4, 40)}
        events, answer = self._cost(begun, partial(self.api.post, "runs/create", body))
        run_id = answer["run"]["info"]["run_id"]
        setup = {"run_id": run_id, "params": pairs("param", 30), "tags": pairs("more", 6)}
        events += self._cost(begun, partial(self.api.post, "runs/log-batch", setup))[0]
        for step in range(seconds):
            self.api.clock.now = begun + 1_000 * step + 500
            batch = {"run_id": run_id, "metrics": metrics(20, 1, step)}
            events += self._cost(begun, partial(self.api.post, "runs/log-batch", batch))[0]
        end = {"run_id": run_id, "status": "FINISHED", "end_time": self.api.clock.now}
        events += self._cost(begun, partial(self.api.post, "runs/update", end))[0]
        (mark,) = dirty.marks(self.table, run_id[:16])
        self.api.clock.now += dirty.QUIET
        events += self._cost(begun, partial(self.api.app.stores.indexer.index, run_id, mark.time))[0]
        assert not list(dirty.marks(self.table, run_id[:16]))
        name = keys.run_partition(run_id)
        return [
            Event(e.at, (e.load[0], e.load[1].replace(name, keys.run_partition(RUN))), e.units)
            for e in events
        ]

    def _cost(self, begun: int, call: Callable[[], Any]) -> tuple[list[Event], Any]:
        with self.api.meter.measure() as measured:
            answer = call()
        at = (self.api.clock.now - begun) / 1_000
        return [
            Event(at, ("write" if cost.write_units else "read", pk), units)
            for cost in measured.costs
            for pk, units in cost.partitions.items()
        ], answer


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    meter, clock = Meter(), SetClock(TIME)
    with sqlite_table(tmp_path, meter) as table:
        stores = use_case_stores(table, MemoryBlobs(), clock=clock)
        api = Api(App(stores, local_front, everything, 10_000_000), meter, clock, table)
        yield Recorder(api, table, api.experiment())


def replay(lives: Sequence[Sequence[Event]], seed: int = 1) -> dict[Load, list[tuple[float, float]]]:
    """Times and units of each key within the window. Runs begin all the time, long enough before it;
    every request comes up to a quarter of a second late."""
    bits = random.Random(seed)
    longest = max(event.at for life in lives for event in life) + 1
    loads: dict[Load, list[tuple[float, float]]] = defaultdict(list)
    for number in range(int((longest + WINDOW_S) * CREATES_A_SECOND)):
        begun = number / CREATES_A_SECOND + bits.random() / CREATES_A_SECOND
        for event in lives[number % len(lives)]:
            time = begun + event.at + bits.random() / 4 - longest
            if 0 <= time < WINDOW_S:
                kind, pk = event.load
                loads[kind, pk.replace(RUN, str(number))].append((time, event.units))
    return loads


def busiest_second(load: Sequence[tuple[float, float]]) -> float:
    """The units of the worst window of one second, wherever it begins."""
    ordered = sorted(load)
    worst = units = 0.0
    first = 0
    for time, added in ordered:
        units += added
        while ordered[first][0] <= time - 1:
            units -= ordered[first][1]
            first += 1
        worst = max(worst, units)
    return worst


def test_no_partition_key_bears_more_than_half_of_its_limit(recorder: Recorder) -> None:
    loads = replay([recorder.life(seconds) for seconds in LIVES_S])
    peaks = {load: busiest_second(events) for load, events in loads.items()}
    averages = {load: sum(units for _, units in events) / WINDOW_S for load, events in loads.items()}
    for kind, half in HALF.items():
        top = sorted((item for item in peaks.items() if item[0][0] == kind), key=itemgetter(1))[-5:]
        for load, peak in reversed(top):
            line = f"{kind:5} {load[1][:60]:60} {peak:7.0f} at most, {averages[load]:7.1f} a second"
            sys.stdout.write(f"{line}\n")
        for load, peak in top:
            assert peak <= half, load
    head = ("read", keys.experiment_partition(f"{int(recorder.experiment):016x}"))
    assert 540 <= averages[head] <= 620  # 500 batches, 20 creations, set-ups, ends, indexings: all there
    writes = [load for load in loads if load[0] == "write" and load[1].startswith("R#")]
    assert len(writes) > 500


def test_the_sliding_window_finds_a_burst_across_seconds() -> None:
    assert busiest_second([(0.9, 3.0), (1.1, 4.0), (2.05, 5.0), (3.5, 1.0)]) == 9.0
    assert busiest_second([(0.0, 3.0), (1.0, 4.0)]) == 4.0


def test_a_short_life_writes_small_entries_alone_to_what_its_experiment_shares(recorder: Recorder) -> None:
    """Create, 3 calls, finish, index: one unit to each shared key, an entry; three to the default order."""
    shared: Counter[str] = Counter()
    for event in recorder.life(3):
        kind, pk = event.load
        if kind == "write" and RUN not in pk:
            shared[pk] += int(event.units)
    experiment = f"{int(recorder.experiment):016x}"
    marks = shared.pop(keys.dirty_partition(experiment))
    assert marks == 1 + 2  # put, and deleted in a transaction
    assert shared.pop(keys.index_partition(experiment, "a0")) == 1 + 2  # again in a transaction
    assert all(pk.startswith(keys.index_prefix(experiment)) for pk in shared)
    assert set(shared.values()) == {1}
    assert len(shared) > 60
