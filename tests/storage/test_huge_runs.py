"""Huge runs: 5,000 metrics and 5,000 params, two million points; what they cost, and that they work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.domain import runs as changes
from cairn.domain.entities import Metric
from cairn.domain.metrics import history_order
from cairn.search import fields
from cairn.search.match import run_filter
from cairn.search.order import run_ordering
from cairn.search.plan import Pause, Search, plan
from cairn.storage import dirty, keys
from cairn.storage.codec import FORMAT, Series, encode_series
from cairn.storage.engine import EngineTable
from cairn.storage.execute import RunIndex
from cairn.storage.fold import Fold
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.table import Put
from tests.storage.engines import open_table
from tests.storage.stores import NOW, Aggregates, aggregates

WIDE = 5_000
BATCH = 1_000


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def sqlite(tmp_path: Path, meter: Meter) -> Iterator[EngineTable]:
    with open_table("sqlite", tmp_path, meter) as opened:
        yield opened


def wide_run(stores: Aggregates) -> str:
    run_id = stores.run(stores.experiment())
    for start in range(0, WIDE, BATCH):
        names = range(start, start + BATCH)
        stores.change(
            run_id,
            *(changes.log_param(run_id, f"param_{name:04d}", f"value {name}") for name in names),
            points=[Metric(f"metric_{name:04d}", name / 7, NOW, 0) for name in names],
        )
    return run_id


def test_a_run_of_5000_metrics_and_5000_params(sqlite: EngineTable, meter: Meter) -> None:
    stores = aggregates(sqlite)
    run_id = wide_run(stores)
    experiment = str(int(run_id[:16], 16))
    run = stores.runs.get(run_id)
    assert (len(run.metrics), len(run.params)) == (WIDE, WIDE)
    with meter.measure() as folded:
        assert not Fold(sqlite).fold(run_id), "one point a metric is not worth 5,000 listings"
    assert (folded.requests, folded.write_units) == (1, 0)
    indexer = Indexer(sqlite, lambda: NOW + dirty.QUIET)
    with meter.measure() as indexed:
        assert indexer.sweep(experiment) == 1
    # Each entry is a write unit, whoever has 10,000 of them; the inventory is in chunks.
    assert indexed.write_units == 10_063
    assert indexed.requests == 410
    index = RunIndex(sqlite, stores.runs, lambda: 0.0)
    for tree, order in (
        ("metrics.metric_4999 > 1", []),
        ("params.param_0007 = 'value 7'", ["metrics.metric_0003 DESC"]),
    ):
        parsed, by = fields.read_filter(fields.RUNS, tree), fields.read_order(fields.RUNS, order)
        search = Search(
            [experiment], ("active",), plan(parsed, by), run_filter(parsed), run_ordering(by), None, 10
        )
        with meter.measure() as searched:
            found = [row.info.run_id for row in index.search(search) if not isinstance(row, Pause)]
        assert found == [run_id]
        assert searched.requests <= 8
        assert searched.read_units <= 100
    stores.change(run_id, points=[Metric("metric_0000", 9.0, NOW + 1, 1)])
    later = Indexer(sqlite, lambda: NOW + 3 * dirty.QUIET)
    with meter.measure() as again:
        assert later.sweep(experiment) == 1
    assert again.requests <= 13
    assert again.write_units <= 216
    with meter.measure() as folded:
        Fold(sqlite).fold(run_id, quiet=True)
    assert folded.requests <= WIDE + 60, "a listing for each metric"
    assert folded.write_units <= WIDE + 60
    assert stores.history.points(run_id, "metric_0000")[-1].value == 9.0


def test_two_million_points_of_one_run(sqlite: EngineTable, meter: Meter) -> None:
    stores = aggregates(sqlite)
    run_id = stores.run(stores.experiment())
    each = 10_000
    for start in range(0, 1_000_000, each):
        steps = range(start, start + each)
        times = [NOW + step * 250 for step in steps]
        values = [step * 0.5 for step in steps]
        for key in ("loss", "accuracy"):
            blob = encode_series([Series(key, values, times, steps)])
            log = keys.metric_log(run_id, times[-1], blob)
            sqlite.put(Put({"pk": log.pk, "sk": log.sk, "f": FORMAT, "b": blob}))
    calls = 1
    with meter.measure() as folded:
        while Fold(sqlite).fold(run_id):
            calls += 1
    assert calls == 7, "300,000 points a call"
    assert (folded.requests, folded.write_units) == (55, 372), "regular values compress well"
    for key in ("loss", "accuracy"):
        with meter.measure() as read:
            columns = stores.history.columns(run_id, key)
        assert len(columns.steps) == 1_000_000
        assert list(columns.steps[:3]) == [0, 1, 2]
        assert columns.values[-1] == 499_999.5
        assert (read.requests, read.read_units) == (3, 20)
        with meter.measure() as read:
            page = stores.history.page(
                run_id, key, history_order(Metric(key, 0.0, NOW + 250 * 777_000, 777_000)), 100
            )
        assert [point.step for point in page[:2]] == [777_000, 777_001]
        assert (read.requests, read.read_units) == (3, 6)
