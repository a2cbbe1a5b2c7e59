"""What a page of several experiments costs, and how much of it is waited for one after the other.

Requests and units follow from the number of experiments: marks and entries of each lie in partitions of
their own, a query each, and no query reads less than a unit. What does not follow from it is the time:
queries of several experiments are under way at once, sixteen of them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pytest

from bench.filled import Filled, filled
from bench.load import RunSpec, load
from cairn.storage.execute import RunIndex
from cairn.storage.meter import Meter
from cairn.storage.together import LANES
from tests.budget.conftest import Units, units

EXPERIMENTS = 50
RUNS = 40
SPEC = RunSpec(metrics=2, params=1, tags=1, text_bytes=20, dirty=0.025)
"""One dirty run in each experiment."""

Answer = TypeVar("Answer")


class Lanes:
    """Carries out tasks in turn, and counts what would have been waited for with sixteen at once."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.saved = 0

    def __call__(self, tasks: Iterable[Callable[[], Answer]]) -> list[Answer]:
        answers: list[Answer] = []
        lanes = [0] * LANES
        for task in tasks:
            with self._meter.measure() as measured:
                answers.append(task())
            lanes[lanes.index(min(lanes))] += measured.requests
        self.saved += sum(lanes) - max(lanes)
        return answers


class Site:
    def __init__(self, server: Filled, experiments: int, runs: int) -> None:
        self._server = server
        self._lanes = Lanes(server.meter)
        self.experiments = [server.experiment(f"experiment-{number}") for number in range(experiments)]
        for number, experiment in enumerate(self.experiments):
            load(server.table, experiment, SPEC, range(number * runs, number * runs + runs))

    def page(self, token: str = "", **query: Any) -> tuple[Units, int, Any]:
        """Its cost, the requests of which each waits for the one before, and the page."""
        stores = self._server.app.stores
        assert isinstance(stores.index, RunIndex)
        stores.index._together = self._lanes
        stores.index._now = lambda: 0.0  # only units end a search here
        self._lanes.saved = 0
        body = {"experiment_ids": self.experiments, "page_token": token, "max_results": 100} | query
        with self._server.meter.measure() as measured:
            page = self._server.post("runs/search", body)
        return units(measured), measured.requests - self._lanes.saved, page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with filled(tmp_path_factory.mktemp("many") / "table.db") as server:
        yield Site(server, EXPERIMENTS, RUNS)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with filled(tmp_path_factory.mktemp("large") / "table.db") as server:
        yield Site(server, 1_200, 1)


BY_METRIC = {"order_by": ["metrics.metric_000 DESC"]}
FILTERED = {"filter": "metrics.metric_001 > 0.5"}


@pytest.mark.parametrize(
    ("query", "costs"),
    [
        ({}, [([107, 0, 266], 15), ([107, 0, 267], 15)]),
        ({"run_view_type": "ALL"}, [([157, 0, 316], 18), ([157, 0, 317], 18)]),
        (BY_METRIC, [([104, 0, 394], 12), ([155, 0, 463], 17)]),
        (FILTERED | BY_METRIC, [([109, 0, 535], 17), ([158, 0, 606], 20)]),
        (
            {"filter": "params.param_000 = 'choice-3'", "max_results": 50},
            [([103, 0, 314], 11), ([103, 0, 317], 11)],
        ),
    ],
    ids=str,
)
def test_pages_of_fifty_experiments(site: Site, query: dict[str, Any], costs: list[Any]) -> None:
    """Pages 1 and 2: heads, marks (4 times 16), dirty runs unless in default order, entries (as often, for
    each group; down from within a value twice), one more for each of the experiments that fill the page,
    then facts."""
    found = []
    token = ""
    for _ in range(2):
        cost, waited, page = site.page(token, **query)
        assert len(page["runs"]) == query.get("max_results", 100)
        token = page["next_page_token"]
        found.append((cost, waited))
    assert found == costs


@pytest.mark.parametrize(
    ("query", "costs"),
    [
        ({}, [([1020, 0, 2500], 90), ([1024, 0, 2894], 94), ([412, 0, 1374], 40)]),
        (
            {"max_results": 1_000},
            [
                ([1020, 0, 2500], 90),
                ([623, 0, 2500], 65),
                ([425, 0, 2600], 53),
                ([225, 0, 2500], 39),
                ([225, 0, 2500], 39),
            ],
        ),
        (BY_METRIC, [([1031, 0, 2186], 101), ([1426, 0, 2812], 124), ([409, 0, 894], 37)]),
        (FILTERED | BY_METRIC, [([1018, 0, 2240], 88), ([1223, 0, 2696], 107), ([613, 0, 1426], 55)]),
        (
            {"filter": "params.param_000 = 'choice-3'", "max_results": 50},
            [([1827, 0, 2918], 153), ([611, 0, 1130], 53)],
        ),
    ],
    ids=str,
)
def test_a_page_of_twelve_hundred_experiments_takes_as_many_requests_as_it_must(
    large: Site, query: dict[str, Any], costs: list[Any]
) -> None:
    """A hundred experiments are a part: their heads, marks and entries, and facts up to the ceiling. A call
    that has not what the dearest part took left answers nothing, its token goes on."""
    found = []
    token, runs = "", list[Any]()
    while not runs:
        cost, waited, page = large.page(token, **query)
        found.append((cost, waited))
        token, runs = page["next_page_token"], page.get("runs", [])
    assert len(runs) == query.get("max_results", 100)
    assert max(cost[2] for cost, _ in found) < 4_000
    assert found == costs
