"""What histories cost: DynamoDB requests and read units, to the unit; and what folding them costs.

Points have values of full precision and timestamps that jitter: they compress no better than those of a
training loop. The large runs are on the SQLite engine alone; that the meters of both engines agree is shown
by a smaller one. Timings are the benchmark's.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.entities import Metric
from cairn.protocol.messages import metrics as messages
from cairn.services import metrics
from cairn.sharing.caller import Caller
from cairn.storage import keys
from cairn.storage.engine import EngineTable
from cairn.storage.fold import TAIL_BYTES, Fold, worth_a_look
from cairn.storage.folded import listing_of
from cairn.storage.limits import item_size
from cairn.storage.meter import Meter
from cairn.storage.table import Put, Query
from tests.budget.conftest import TIME, Units, units
from tests.storage.engines import NAMES, open_table
from tests.storage.stores import MemoryBlobs, aggregates, use_case_stores

CALLER = Caller("aws", "111122223333", "user", "ada")
FINISHED = (14, 0, 1_500)
LIVE = (10, 0, 300)


def points_of(metrics_: int, first: int, steps: int) -> list[Metric]:
    own = random.Random(first)
    return [
        Metric(f"metric_{key:03d}", own.random(), TIME + 250 * step + own.randrange(40), step)
        for step in range(first, first + steps)
        for key in range(metrics_)
    ]


class FollowedTable(EngineTable):
    """Hands every log item that is written to whoever folds, as the table's stream does."""

    def __init__(self, table: EngineTable) -> None:
        super().__init__(table.engine, table.retry)
        self.plain = table
        self._folder = Fold(table)

    def put(self, put: Put) -> None:
        super().put(put)
        pk, sk = put.key
        if sk.startswith(keys.LOG_PREFIX) and worth_a_look(sk, item_size(put.item)):
            while self._folder.fold(pk.removeprefix("R#")):
                pass


class Site:
    """A metered table whose runs are folded while they log."""

    def __init__(self, table: EngineTable, meter: Meter) -> None:
        self.table = FollowedTable(table)
        self.meter = meter
        self.stores = use_case_stores(table, MemoryBlobs())
        self._found = aggregates(self.table)
        self._experiment = self._found.experiment()

    def run(self, metrics_: int, steps: int, *, quiet: bool) -> str:
        """A run of that many keys and steps, logged in calls of 1,000 points."""
        run_id = self._found.run(self._experiment)
        each = 1_000 // metrics_
        for first in range(0, steps, each):
            self._found.change(run_id, points=points_of(metrics_, first, each))
        while quiet and Fold(self.table).fold(run_id, quiet=True):
            pass
        return run_id

    def tail(self, run_id: str) -> int:
        """Bytes of the log that are not folded (less than a page)."""
        page = self.table.query(Query(keys.run_partition(run_id), prefix=keys.LOG_PREFIX))
        assert page.after is None
        return sum(map(item_size, page.items))

    def cost(self, reading: Callable[[], Any]) -> tuple[Units, Any]:
        with self.meter.measure() as measured:
            answer = reading()
        return units(measured), answer


@contextmanager
def site(engine: str, folder: Path) -> Iterator[Site]:
    meter = Meter()
    with open_table(engine, folder, meter) as table:
        yield Site(table, meter)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site("sqlite", tmp_path_factory.mktemp("large")) as opened:
        yield opened


@pytest.fixture(scope="module")
def million(large: Site) -> str:
    return large.run(1, 1_000_000, quiet=True)


@pytest.fixture(scope="module")
def hundred(large: Site) -> str:
    return large.run(100, 10_000, quiet=False)


def within(cost: Units, budget: Sequence[float]) -> bool:
    return all(spent <= allowed for spent, allowed in zip(cost, budget, strict=True))


def test_history_of_a_key_of_a_million_points(large: Site, million: str) -> None:
    cost, found = large.cost(lambda: large.stores.history.columns(million, "metric_000"))
    assert within(cost, FINISHED)
    assert cost == [3, 0, 968.5]
    assert len(found.values) == 1_000_000
    listing = listing_of(large.table.get(keys.folded(million, "metric_000")))
    assert len(listing.segments) == 34
    assert large.tail(million) == 0


def test_a_page_of_25000_of_a_million_points(large: Site, million: str) -> None:
    token: str | None = None
    costs = []
    for page in range(4):
        request = messages.GetMetricHistory(
            run_id=million, metric_key="metric_000", max_results=25_000, page_token=token or ""
        )
        ask = partial(metrics.get_metric_history, large.stores, CALLER, request)
        cost, answer = large.cost(ask)
        assert [point["step"] for point in answer["metrics"]] == list(
            range(25_000 * page, 25_000 * (page + 1))
        )
        token = answer["next_page_token"]
        costs.append(cost)
    assert costs == [[3, 0, 31], [3, 0, 60], [3, 0, 60], [3, 0, 60]]


def test_bulk_of_a_run_of_a_million_points(large: Site, million: str) -> None:
    request = messages.GetMetricHistoryBulk(run_id=[million], metric_key="metric_000")
    cost, answer = large.cost(lambda: metrics.get_metric_history_bulk(large.stores, CALLER, request))
    assert [point["step"] for point in answer["metrics"]] == list(range(25_000))
    assert cost == [3, 0, 31]


def test_a_sample_of_a_million_points(large: Site, million: str) -> None:
    whole = messages.GetMetricHistoryBulkInterval(run_ids=[million], metric_key="metric_000")
    cost, answer = large.cost(lambda: metrics.get_metric_history_bulk_interval(large.stores, CALLER, whole))
    assert [point["step"] for point in answer["metrics"]] == [*range(0, 999_600, 400), 999_999]
    assert cost == [3, 0, 968.5]
    part = whole.model_copy(update={"start_step": 500_000, "end_step": 509_999, "max_results": 10})
    cost, answer = large.cost(lambda: metrics.get_metric_history_bulk_interval(large.stores, CALLER, part))
    assert [point["step"] for point in answer["metrics"]] == [*range(500_000, 509_000, 1_000), 509_999]
    assert cost == [3, 0, 60]


def test_history_of_a_key_of_a_live_run_of_100_keys(large: Site, hundred: str) -> None:
    cost, found = large.cost(lambda: large.stores.history.points(hundred, "metric_042"))
    assert within(cost, LIVE)
    assert cost == [3, 0, 17]
    assert [point.step for point in found] == list(range(10_000))


def test_history_of_a_live_run_just_before_its_log_is_folded(large: Site, hundred: str) -> None:
    stores, step = aggregates(large.table.plain), 10_000
    while large.tail(hundred) < TAIL_BYTES - 10_000:
        stores.change(hundred, points=points_of(100, step, 10))
        step += 10
    cost, found = large.cost(lambda: large.stores.history.points(hundred, "metric_042"))
    assert within(cost, LIVE)
    assert cost == [3, 0, 76]
    assert [point.step for point in found] == list(range(step))


def test_folding_a_run_of_100_keys(large: Site) -> None:
    run_id = large.run(100, 280, quiet=False)
    cost, left = large.cost(lambda: Fold(large.table).fold(run_id, quiet=True))
    assert left is False
    assert cost == [105, 552, 163]


@pytest.mark.parametrize("engine", NAMES)
def test_both_engines_agree(engine: str, tmp_path: Path) -> None:
    with site(engine, tmp_path) as small:
        run_id = small.run(2, 20_000, quiet=True)
        cost, found = small.cost(lambda: small.stores.history.points(run_id, "metric_001"))
        assert len(found) == 20_000
        assert cost == [3, 0, 21.5]
