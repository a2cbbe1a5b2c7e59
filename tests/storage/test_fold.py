"""The folded log reads as the plain one, whatever was folded, repeated or interrupted meanwhile."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.domain.access import DEPLOYMENT
from cairn.domain.columns import Columns
from cairn.domain.entities import Metric
from cairn.domain.metrics import distinct, history_order, identity
from cairn.storage import fold, folded, keys
from cairn.storage.engine import EngineTable
from cairn.storage.fold import Fold, worth_a_look
from cairn.storage.history import History
from cairn.storage.meter import Meter
from cairn.storage.retry import Retry
from cairn.storage.table import Item, Key, Query, Table
from tests.storage.engines import open_table
from tests.storage.faults import Crash, FaultyEngine, FaultyTable
from tests.storage.stores import aggregates


def examples(count: int) -> settings:
    return settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=count
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so small that a few hundred points make many segments."""
    for module, limits in (
        (fold, {"TAIL_BYTES": 600, "SPARSE_BYTES": 900, "_INLINE_POINTS": 5, "_FULL": 40}),
        (folded, {"MAX_POINTS": 60, "_TOGETHER": 3}),
    ):
        for name, value in limits.items():
            monkeypatch.setattr(module, name, value)


def batch(seed: int, count: int, metrics: int = 2) -> list[Metric]:
    """Points in and out of order, some equal."""
    own = random.Random(seed)
    start = own.choice([0, 10 * seed, 1_000 - 10 * seed])
    return [
        Metric(
            f"m{own.randrange(metrics)}",
            own.choice([own.random(), 0.0, -0.0, float("nan")]),
            start + own.randrange(20),
            own.choice([start + number, own.randrange(50)]),
        )
        for number in range(count)
    ]


def seen(points: Sequence[Metric]) -> list[Any]:
    return [identity(point) for point in points]


def expected(points: Sequence[Metric], key: str) -> list[Any]:
    return seen(sorted(distinct(point for point in points if point.key == key), key=history_order))


def items(table: Table, run_id: str, prefix: str) -> list[Item]:
    found: list[Item] = []
    after: str | None = None
    while True:
        page = table.query(Query(keys.run_partition(run_id), prefix=prefix, after=after))
        found += page.items
        after = page.after
        if after is None:
            return found


def walk(history: History, run_id: str, key: str, limit: int) -> list[Metric]:
    """All pages of ``limit``."""
    found: list[Metric] = []
    while True:
        page = history.page(run_id, key, history_order(found[-1]) if found else None, limit)
        found += page
        if len(page) < limit:
            return found


def second(found: Iterable[Columns]) -> list[Metric]:
    """The points of the run that was asked for twice, or more often, among others that have none."""
    first, *others = [columns.metrics("m0") for columns in found if columns.steps]
    assert [seen(other) for other in others] == [seen(first)] * len(others)
    assert others
    return others[0]


def nothing_but_what_is_listed(table: Table, run_id: str) -> None:
    assert orphans(table, run_id) == 0


def orphans(table: Table, run_id: str) -> int:
    """How many segments no listing names; none that is named is missing."""
    held = items(table, run_id, keys.FOLDED_PREFIX)
    segments = {item["sk"] for item in held if item["sk"].count("#") > 1}
    listed = {
        f"{item['sk']}#{segment.name}"
        for item in held
        if item["sk"].count("#") == 1
        for segment in folded.listing_of(item).segments
    }
    assert listed <= segments
    return len(segments - listed)


def test_a_fold_moves_the_log_under_its_metrics(table: EngineTable) -> None:
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    logged = [Metric(f"m{n % 3}", random.Random(n).random(), 5_000 + n, n) for n in range(3_000)]
    for start in range(0, 3_000, 500):
        stores.change(run_id, points=logged[start : start + 500])
    before = {key: stores.history.points(run_id, key) for key in ("m0", "m1", "m2", "none")}
    assert Fold(table).fold(run_id) is False
    assert len(items(table, run_id, keys.LOG_PREFIX)) == 6, "too little for a live run"
    assert Fold(table).fold(run_id, quiet=True) is False
    assert items(table, run_id, keys.LOG_PREFIX) == []
    assert {key: stores.history.points(run_id, key) for key in before} == before
    assert seen(before["m1"]) == expected(logged, "m1")
    nothing_but_what_is_listed(table, run_id)


def test_a_fold_of_nothing_is_one_request(table: EngineTable, meter: Meter) -> None:
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    for one in (run_id, "0" * 32):
        with meter.measure() as measured:
            assert Fold(table).fold(one, quiet=True) is False
        assert (measured.requests, measured.read_units, measured.write_units) == (1, 1, 0)


def test_a_long_log_is_folded_in_several_calls(table: EngineTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "_MOST_POINTS", 100)
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    logged = [point for seed in range(10) for point in batch(seed, 40)]
    for start in range(0, 400, 40):
        stores.change(run_id, points=logged[start : start + 40])
    left = [Fold(table).fold(run_id, quiet=True)]
    while left[-1]:
        assert seen(stores.history.points(run_id, "m0")) == expected(logged, "m0")
        left.append(Fold(table).fold(run_id, quiet=True))
    assert left == [True] * 4 + [False]
    assert seen(stores.history.points(run_id, "m1")) == expected(logged, "m1")


def test_a_sparse_log_waits_until_it_is_larger(table: EngineTable, small: None) -> None:
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    stores.change(run_id, points=[Metric(f"m{n}", n / 7, n, n) for n in range(40)])
    Fold(table).fold(run_id)
    assert len(items(table, run_id, keys.LOG_PREFIX)) == 1
    for step in range(5):
        stores.change(run_id, points=[Metric(f"m{n}", n / 7, n, step) for n in range(40)])
    Fold(table).fold(run_id)
    assert items(table, run_id, keys.LOG_PREFIX) == []


def test_values_and_numbers_of_any_kind_fit_segments(
    table: EngineTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folded, "MAX_BYTES", 20_000)
    own = random.Random(3)
    logged = [
        Metric("m", own.random(), own.randrange(-(2**63), 2**63), own.randrange(-(2**63), 2**63))
        for _ in range(4_000)
    ]
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    for start in range(0, 4_000, 1_000):
        stores.change(run_id, points=logged[start : start + 1_000])
    Fold(table).fold(run_id, quiet=True)
    assert seen(stores.history.points(run_id, "m")) == expected(logged, "m")
    assert max(len(item.get("b", b"")) for item in items(table, run_id, keys.FOLDED_PREFIX)) <= 20_000
    assert seen(walk(stores.history, run_id, "m", 999)) == expected(logged, "m")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(0, 30), st.integers(1, 90)),
        st.tuples(st.just("again"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("fold"), st.just(0), st.just(0)),
        st.tuples(st.just("quiet"), st.just(0), st.just(0)),
        st.tuples(st.just("crash before"), st.integers(1, 12), st.just(0)),
        st.tuples(st.just("crash after"), st.integers(1, 12), st.just(0)),
    ),
    max_size=14,
)


Steps = list[tuple[str, int, int]]


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
@examples(150)
@given(STEPS, st.integers(1, 70))
def test_any_batches_folds_crashes_and_retries_read_as_the_plain_list(
    table: EngineTable, small: None, steps: Steps, limit: int
) -> None:
    carry_out(table, steps, limit)


@pytest.mark.parametrize("engine_name", ["dynamodb"], indirect=True)
@examples(6)
@given(STEPS, st.integers(20, 70))
def test_any_batches_read_as_the_plain_list_from_dynamodb(
    table: EngineTable, small: None, steps: Steps, limit: int
) -> None:
    carry_out(table, steps, limit)


def carry_out(table: EngineTable, steps: Steps, limit: int) -> None:
    stores = aggregates(table)
    stores.experiments.ensure_default(1)
    stores.bits.seed()
    run_id = stores.run("0")
    batches: list[list[Metric]] = []
    for kind, number, count in steps:
        if kind == "log":
            batches.append(batch(number, count))
            stores.change(run_id, points=batches[-1])
        elif kind == "again" and batches:
            stores.change(run_id, points=batches[number % len(batches)])
        elif kind in ("fold", "quiet"):
            Fold(table).fold(run_id, quiet=kind == "quiet")
        elif kind.startswith("crash"):
            faulty = FaultyTable(table, **{kind.replace(" ", "_"): number})  # type: ignore[arg-type]
            with suppress(Crash):
                Fold(faulty).fold(run_id, quiet=True)
        logged = [point for one in batches for point in one]
        for key in ("m0", "m1"):
            assert seen(stores.history.points(run_id, key)) == expected(logged, key)
            assert seen(walk(stores.history, run_id, key, limit)) == expected(logged, key)
            within = [point for point in logged if 5 <= point.step <= 200]
            found = stores.history.columns(run_id, key, (5, 200)).metrics(key)
            assert seen(found) == expected(within, key)


class InterruptedEngine(FaultyEngine):
    """Does something else before its n-th request."""

    def __init__(self, table: EngineTable, number: int, interrupt: Callable[[], Any]) -> None:
        super().__init__(table.engine, None, None, None, (Crash,), None, None)  # type: ignore[arg-type]
        self._at = number
        self._interrupt = interrupt
        self.interrupted = False

    def _carry_out(self, request: Callable[..., Any], *arguments: Any) -> Any:
        if self.requests + 1 == self._at and not self.interrupted:
            self.interrupted = True
            self._interrupt()
        return super()._carry_out(request, *arguments)


def at_once(engine: InterruptedEngine) -> EngineTable:
    return EngineTable(engine, Retry(sleep=lambda seconds: None))


@contextmanager
def folded_run(name: str, folder: Path) -> Iterator[tuple[EngineTable, str, list[Metric]]]:
    """A run with segments that the next fold absorbs, and a log."""
    folder.mkdir()
    with open_table(name, folder, Meter()) as table:
        stores = aggregates(table)
        run_id = stores.run(stores.experiment())
        logged: list[Metric] = []
        for seed, count in enumerate((90, 30, 25)):
            logged += (points := batch(seed, count))
            stores.change(run_id, points=points)
            Fold(table).fold(run_id, quiet=True)
        for seed in (5, 6):
            logged += (points := batch(seed, 60))
            stores.change(run_id, points=points)
        yield table, run_id, logged


@pytest.mark.parametrize("moment", ["crash_before", "crash_after"])
def test_a_crash_around_any_request_of_a_fold_loses_nothing(
    engine_name: str, tmp_path: Path, small: None, moment: str
) -> None:
    number, crashed = 0, True
    while crashed:
        number += 1
        with folded_run(engine_name, tmp_path / str(number)) as (table, run_id, logged):
            try:
                Fold(FaultyTable(table, **{moment: number})).fold(run_id, quiet=True)  # type: ignore[arg-type]
                crashed = False
            except Crash:
                pass
            for _ in range(2):
                for key in ("m0", "m1"):
                    assert seen(History(table, DEPLOYMENT).points(run_id, key)) == expected(logged, key)
                    assert seen(walk(History(table, DEPLOYMENT), run_id, key, 37)) == expected(logged, key)
                Fold(table).fold(run_id, quiet=True)
            assert items(table, run_id, keys.LOG_PREFIX) == []
    assert number > 7


@pytest.mark.parametrize("moment", ["crash_before", "crash_after"])
def test_what_a_crashed_fold_leaves_behind_goes_with_the_next(
    engine_name: str, tmp_path: Path, small: None, moment: str
) -> None:
    """Segments that were written and not listed, or replaced and not deleted; more was logged since."""
    number, crashed, left = 0, True, 0
    while crashed:
        number += 1
        with folded_run(engine_name, tmp_path / str(number)) as (table, run_id, _):
            try:
                Fold(FaultyTable(table, **{moment: number})).fold(run_id, quiet=True)  # type: ignore[arg-type]
                crashed = False
            except Crash:
                left += orphans(table, run_id) > 0
            aggregates(table).change(run_id, points=batch(9, 80))
            Fold(table).fold(run_id, quiet=True)
            nothing_but_what_is_listed(table, run_id)
            assert items(table, run_id, keys.JOURNAL_PREFIX) == []
    assert left >= 3, "crashes that leave something behind are among them"


def test_a_second_folder_between_any_two_requests_changes_nothing(
    engine_name: str, tmp_path: Path, small: None
) -> None:
    number, met = 0, True
    while met:
        number += 1
        with folded_run(engine_name, tmp_path / str(number)) as (table, run_id, logged):

            def other(table: EngineTable = table, run_id: str = run_id) -> None:
                late = [*batch(8, 50), *batch(9, 9)]
                aggregates(table).change(run_id, points=late)
                Fold(table).fold(run_id, quiet=True)

            logged = [*logged, *batch(8, 50), *batch(9, 9)]
            engine = InterruptedEngine(table, number, other)
            Fold(at_once(engine)).fold(run_id, quiet=True)
            met = engine.interrupted
            if met:
                for key in ("m0", "m1"):
                    assert seen(History(table, DEPLOYMENT).points(run_id, key)) == expected(logged, key)
                nothing_but_what_is_listed(table, run_id)
    assert number > 7


def test_a_fold_between_any_two_requests_of_a_reader_hides_nothing(
    engine_name: str, tmp_path: Path, small: None
) -> None:
    readings: tuple[Callable[[History, str], list[Metric]], ...] = (
        lambda history, run_id: history.points(run_id, "m0"),
        lambda history, run_id: walk(history, run_id, "m0", 25),
        lambda history, run_id: second(history.each([run_id, run_id[:16] + "0" * 16, run_id], "m0")),
        lambda history, run_id: second(history.each([run_id, run_id, run_id], "m0")),
        lambda history, run_id: second(history.firsts([run_id, run_id, run_id], "m0", 10_000)),
    )
    for reading in readings:
        number, met = 0, True
        while met:
            number += 1
            folder = tmp_path / f"{readings.index(reading)}-{number}"
            with folded_run(engine_name, folder) as (table, run_id, logged):
                fold_now = partial(Fold(table).fold, run_id, quiet=True)
                engine = InterruptedEngine(table, number, fold_now)
                assert seen(reading(History(at_once(engine), DEPLOYMENT), run_id)) == expected(logged, "m0")
                met = engine.interrupted
        assert number > 3


class LaggingTable(EngineTable):
    """Eventually consistent reads know nothing yet."""

    def batch_get(self, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Item]:
        return super().batch_get(keys) if consistent else {}


def test_a_replica_that_lags_hides_nothing(engine_name: str, tmp_path: Path, small: None) -> None:
    with folded_run(engine_name, tmp_path / "run") as (table, run_id, logged):
        Fold(table).fold(run_id, quiet=True)
        history = History(LaggingTable(table.engine), DEPLOYMENT)
        assert seen(history.points(run_id, "m0")) == expected(logged, "m0")
        assert seen(walk(history, run_id, "m1", 20)) == expected(logged, "m1")


def test_readers_beside_writers_and_folders_miss_nothing_acknowledged(
    table: EngineTable, small: None
) -> None:
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    written: list[list[Metric]] = [[] for _ in range(4)]
    done = threading.Event()

    def write(writer: int) -> None:
        for call in range(25):
            points = [
                Metric("m0", writer + number / 8, call * 10 + number % 3, call * 10 + number)
                for number in range(6)
            ]
            stores.change(run_id, points=points)
            written[writer].extend(points)

    def fold_on() -> None:
        while not done.is_set():
            Fold(table).fold(run_id, quiet=True)

    def read() -> None:
        while not done.is_set():
            before = {identity(point) for points in written for point in list(points)}
            assert before <= set(seen(stores.history.points(run_id, "m0")))

    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(work) for work in (fold_on, fold_on, read, read)]
        writers = [pool.submit(write, writer) for writer in range(4)]
        try:
            for writer in writers:
                writer.result()
        finally:
            done.set()
        for other in others:
            other.result()
    logged = [point for points in written for point in points]
    assert seen(stores.history.points(run_id, "m0")) == expected(logged, "m0")


def test_about_one_log_item_for_128_kb_asks_for_a_fold() -> None:
    own = random.Random(1)
    asked = [worth_a_look(f"L#{0:016x}#{own.getrandbits(64):016x}", 4_096) for _ in range(32_000)]
    assert 900 < sum(asked) < 1_100
    assert worth_a_look(f"L#{0:016x}#{'f' * 16}", 200_000)
