"""What histories cost: DynamoDB requests and read units, to the unit; and what folding them costs.

Points have values of full precision and timestamps that jitter: they compress no better than those of a
training loop. The large runs are on the SQLite engine alone; that the meters of both engines agree is shown
by a smaller one. Timings are the benchmark's.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.access import DEPLOYMENT, Access, Pattern, Permission, rules
from cairn.domain.entities import Metric
from cairn.protocol.messages import metrics as messages
from cairn.services import metrics
from cairn.sharing.caller import Caller
from cairn.storage import keys
from cairn.storage.engine import EngineTable
from cairn.storage.fold import TAIL_BYTES, Fold, worth_a_look
from cairn.storage.folded import listing_of
from cairn.storage.history import History
from cairn.storage.limits import item_size
from cairn.storage.meter import Meter
from cairn.storage.table import Put, Query
from tests.budget.conftest import TIME, Units, units
from tests.budget.test_search_many import Lanes
from tests.storage.engines import NAMES, open_table
from tests.storage.stores import MemoryBlobs, aggregates, use_case_stores

CALLER = Caller("aws", "111122223333", "user", "ada")
READER = replace(DEPLOYMENT, rules=rules([(Pattern("experiments", "name", "iris"), Permission.READ)]))
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


@pytest.fixture(scope="module")
def curves(large: Site) -> Sequence[str]:
    """A hundred runs of one metric of 1,000 steps."""
    return [large.run(1, 1_000, quiet=True) for _ in range(100)]


def one_by_one(site: Site, run_ids: Sequence[str]) -> Units:
    """What the runs cost each by itself, added up."""
    history = site.stores.history
    costs = [site.cost(partial(history.columns, run_id, "metric_000"))[0] for run_id in run_ids]
    return [sum(column) for column in zip(*costs, strict=True)]


def side_by_side(
    site: Site, ask: Callable[..., Any], request: Any, access: Access = DEPLOYMENT
) -> tuple[Units, int, Any]:
    """A use-case's cost, the requests of which each waits for the one before, and its answer."""
    lanes = Lanes(site.meter)
    stores = replace(site.stores, history=History(site.table, access, together=lanes))
    cost, answer = site.cost(lambda: ask(stores, CALLER, request))
    return cost, int(cost[0]) - lanes.saved, answer


def test_a_chart_of_a_hundred_runs(large: Site, curves: Sequence[str]) -> None:
    """Logs sixteen at once, seven times; listings in one request; segments in three at once."""
    request = messages.GetMetricHistoryBulkInterval(
        run_ids=list(curves), metric_key="metric_000", max_results=320
    )
    cost, waited, answer = side_by_side(large, metrics.get_metric_history_bulk_interval, request)
    assert (cost, waited) == ([104, 0, 350], 9)
    assert len(answer["metrics"]) == 100 * 320
    assert one_by_one(large, curves) == [300, 0, 350]


def test_a_chart_of_a_hundred_runs_that_one_may_see(large: Site, curves: Sequence[str]) -> None:
    """The experiment's head in one request more."""
    request = messages.GetMetricHistoryBulkInterval(run_ids=list(curves), metric_key="metric_000")
    cost, waited, answer = side_by_side(large, metrics.get_metric_history_bulk_interval, request, READER)
    assert (cost, waited) == ([105, 0, 351], 10)
    assert len(answer["metrics"]) == 100 * 1_000


def test_a_chart_of_a_hundred_live_runs(large: Site) -> None:
    """All that they have is in their logs, 10 KB each."""
    runs = [large.run(1, 1_000, quiet=False) for _ in range(100)]
    request = messages.GetMetricHistoryBulkInterval(run_ids=runs, metric_key="metric_000")
    cost, waited, _ = side_by_side(large, metrics.get_metric_history_bulk_interval, request)
    assert (cost, waited) == ([101, 0, 400], 8)
    assert one_by_one(large, runs) == [200, 0, 400]


def test_a_bulk_of_a_hundred_runs_reads_those_that_fill_it(large: Site, curves: Sequence[str]) -> None:
    """25,000 points are 25 runs: the first, 16 more as it was, then the 8 that these left."""
    request = messages.GetMetricHistoryBulk(run_id=list(curves), metric_key="metric_000")
    cost, waited, answer = side_by_side(large, metrics.get_metric_history_bulk, request)
    assert len({point["run_id"] for point in answer["metrics"]}) == 25
    assert (cost, waited) == ([31, 0, 87.5], 9)
    assert one_by_one(large, sorted(curves)[:25]) == [75, 0, 87.5]


def test_a_bulk_reads_in_vain_logs_and_listings_alone(large: Site, curves: Sequence[str]) -> None:
    """Behind a run of 100 points, which promises little, comes one that fills the answer: of the fifteen
    that were begun with it nothing is used, two units each."""
    runs = [large.run(10, 100, quiet=True), large.run(1, 30_000, quiet=True), *curves]
    lanes = Lanes(large.meter)
    history = History(large.table, DEPLOYMENT, together=lanes)
    cost, found = large.cost(lambda: [len(one.steps) for one in history.firsts(runs, "metric_000", 25_000)])
    assert found == [100, 24_900]
    assert (cost, cost[0] - lanes.saved) == ([20, 0, 63], 5)
    assert one_by_one(large, runs[:2]) == [5, 0, 33]
