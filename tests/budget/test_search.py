"""What a page of runs costs: DynamoDB requests and read units, to the unit, and the same at 1,000 and at
20,000 runs, on its first page and on its hundredth.

The many runs are on SQLite alone, loaded beside the API (``bench.load``: byte-equal to its work); that both
engines' meters agree is shown with few.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.filled import Filled, filled
from bench.load import RunSpec, load
from tests.budget.conftest import Api, Units, metrics, pairs, units

SMALL, LARGE = 1_000, 20_000
BY_METRIC: dict[str, Any] = {"order_by": ["metrics.metric_000 DESC"]}
BY_METRIC_UP: dict[str, Any] = {"order_by": ["metrics.metric_000 ASC"]}
BY_PARAM: dict[str, Any] = {"filter": "params.param_000 = 'choice-3'"}


class Site:
    """Experiments of 1,000 and 20,000 runs of one kind."""

    def __init__(self, server: Filled, specs: dict[int, RunSpec]) -> None:
        self._server = server
        self._experiments = {}
        for runs, spec in specs.items():
            self._experiments[runs] = server.experiment(f"{spec}-{runs}")
            load(server.table, self._experiments[runs], spec, range(runs))

    def page(self, runs: int, token: str = "", **query: Any) -> tuple[Units, Any]:
        body = {"experiment_ids": [self._experiments[runs]], "max_results": 100, "page_token": token}
        with self._server.meter.measure() as measured:
            page = self._server.post("runs/search", body | query)
        return units(measured), page

    def costs(self, runs: int, numbers: tuple[int, ...], size: int = 100, **query: Any) -> list[Units]:
        """Of full pages, each reached by tokens from the first; those between are read nine at a time."""
        query["max_results"] = size
        found, token, number = [], "", 1
        for wanted in numbers:
            while number < wanted:
                step = min(9, wanted - number)
                token = self.page(runs, token, **query | {"max_results": size * step})[1]["next_page_token"]
                number += step
            cost, page = self.page(runs, token, **query)
            assert len(page["runs"]) == size
            found.append(cost)
            token, number = page["next_page_token"], number + 1
        return found


Make = Callable[..., Site]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Sites by what their runs are like, each made once."""
    made: dict[str, Site] = {}
    with filled(tmp_path_factory.mktemp("search") / "table.db") as server:

        def one(spec: RunSpec, small: RunSpec | None = None, *, large: int = LARGE) -> Site:
            specs = {SMALL: small or spec, large: spec}
            if str(specs) not in made:
                made[str(specs)] = Site(server, specs)
            return made[str(specs)]

        yield one


PLAIN = RunSpec(metrics=2, params=1, tags=1, text_bytes=40)


@pytest.mark.parametrize(
    ("query", "costs"),
    [
        ({}, [[5, 0, 116], [5, 0, 116], [5, 0, 116]]),
        (BY_METRIC, [[5, 0, 116], [6, 0, 117], [6, 0, 117]]),
        ({"filter": "attributes.status = 'FINISHED'"}, [[5, 0, 116], [5, 0, 116], [5, 0, 116]]),
        (BY_PARAM | {"size": 10}, [[4, 0, 15], [4, 0, 15], [4, 0, 15]]),
    ],
    ids=["default order", "by a metric", "by an attribute", "by a param"],
)
def test_the_hundredth_page_costs_what_the_first_does(
    make: Make, query: dict[str, Any], costs: list[Units]
) -> None:
    """<= 5 requests and 120 units in default order, 7 and 150 by a metric or a param."""
    site = make(PLAIN)
    assert site.costs(LARGE, (1, 2, 100), **query) == costs
    assert site.costs(SMALL, (1, 2, 9), **query) == costs


@pytest.mark.parametrize(
    ("query", "costs"),
    [
        ({"run_view_type": "ALL"}, [[6, 0, 117], [6, 0, 117]]),
        ({"order_by": ["attributes.start_time ASC"]}, [[5, 0, 116], [6, 0, 117]]),
        ({"order_by": ["metrics.metric_000 ASC"]}, [[5, 0, 116], [5, 0, 116]]),
        ({"order_by": ["metrics.metric_000 DESC", "start_time DESC"]}, [[5, 0, 116], [6, 0, 117]]),
        ({"order_by": ["metrics.metric_000 DESC", "params.param_000"]}, [[5, 0, 116], [6, 0, 117]]),
        ({"filter": "params.param_000 != 'none'"}, [[6, 0, 126], [6, 0, 126]]),
        ({"filter": "metrics.metric_001 > 0.001", **BY_METRIC}, [[6, 0, 127], [7, 0, 128]]),
    ],
    ids=str,
)
def test_pages_cost_the_same_in_any_number_of_runs(
    make: Make, query: dict[str, Any], costs: list[Units]
) -> None:
    site = make(PLAIN)
    assert site.costs(LARGE, (1, 2), **query) == costs
    assert site.costs(SMALL, (1, 2), **query) == costs


@pytest.mark.parametrize("tied", [0.5, 0.9])
def test_ties_cost_no_more(make: Make, tied: float) -> None:
    """A page that an edge of the tied runs cuts takes a request or two more."""
    site = make(RunSpec(metrics=1, params=1, tags=0, text_bytes=20, tied=tied), large=5_000)
    for query in (BY_METRIC, BY_METRIC_UP):
        for runs, numbers in ((SMALL, range(1, 10)), (5_000, range(1, 50, 4))):
            costs = site.costs(runs, tuple(numbers), **query)
            assert max(requests for requests, _, _ in costs) <= 7
            assert max(reads for _, _, reads in costs) <= 120
            assert costs[1:-1].count([5, 0, 116]) + costs[1:-1].count([6, 0, 117]) >= len(costs) - 4


@pytest.mark.parametrize(
    ("dirty", "natural", "others"), [(200, [5, 0, 118], [7, 0, 310]), (500, [5, 0, 123], [10, 0, 618])]
)
def test_dirty_runs_are_read_once_each(make: Make, dirty: int, natural: Units, others: Units) -> None:
    """500 of them: <= 25 requests, <= 2,500 units; in the default order they are not read at all."""
    small = RunSpec(metrics=1, params=1, tags=0, text_bytes=20, dirty=dirty / SMALL)
    site = make(replace(small, dirty=dirty / 5_000), small, large=5_000)
    for runs in (SMALL, 5_000):
        assert site.costs(runs, (1, 2)) == [natural, natural]
        first, second = site.costs(runs, (1, 2), **BY_METRIC)
        assert first[0] <= others[0]
        assert second[0] <= others[0] + 1
        assert others[2] <= first[2] <= others[2] + dirty


def test_a_view_costs_what_it_shows(make: Make) -> None:
    """99% of 20,000 runs are deleted, and 80% of 1,000: both have 200 active ones."""
    site = make(
        RunSpec(metrics=1, params=1, tags=0, text_bytes=20, deleted=0.99),
        RunSpec(metrics=1, params=1, tags=0, text_bytes=20, deleted=0.8),
    )
    for runs in (SMALL, LARGE):
        for query in ({}, BY_METRIC):
            assert site.costs(runs, (1,), **query) == [[5, 0, 116]]
            assert site.costs(runs, (1, 2), run_view_type="DELETED_ONLY", **query)[0] == [5, 0, 116]
            [first] = site.costs(runs, (1,), run_view_type="ALL", **query)
            assert first[0] <= 7
            assert first[2] <= 120


def test_facts_of_8_kb_cost_three_units_a_run(tmp_path: Path) -> None:
    """Head and two shards, each rounded up to 4 KB; the shards of all runs are read together."""
    spec = RunSpec(metrics=20, params=30, tags=10, text_bytes=8_000)
    with filled(tmp_path / "table.db") as server:
        site = Site(server, {300: spec, 600: spec})
        for runs in (300, 600):
            assert site.costs(runs, (1, 2)) == [[8, 0, 334], [8, 0, 334]]
            assert site.costs(runs, (1, 2), **BY_METRIC) == [[8, 0, 334], [9, 0, 335]]


DEAREST: list[dict[str, Any]] = [
    {"filter": "params.param_000 IS NULL"},
    {"filter": "attributes.run_name ILIKE '%-19999'"},
    {"filter": "metrics.metric_000 > 0.9 AND metrics.metric_001 < 0.05", "order_by": ["run_name"]},
    {"order_by": ["status", "metrics.metric_000 DESC"]},
    {"order_by": ["run_id"]},
    {"order_by": ["metrics.none"]},
    {
        "filter": "run_name != 'none'",
        "order_by": ["start_time", "metrics.metric_000"],
        "max_results": 50_000,
    },
]


@pytest.mark.parametrize("query", DEAREST, ids=str)
def test_no_request_reads_more_than_4000_units(make: Make, query: dict[str, Any]) -> None:
    site, token = make(PLAIN), ""
    for _ in range(4):
        cost, page = site.page(LARGE, token, **query)
        assert cost[2] <= 4_000
        token = page.get("next_page_token", "")
        if not token:
            break


def test_nor_does_one_of_very_many_dirty_runs_or_of_huge_ones(tmp_path: Path) -> None:
    """5,000 dirty runs take two requests; of 80 runs of 100 shards each only some are read."""
    dirty = RunSpec(metrics=1, params=1, tags=0, text_bytes=20, dirty=1)
    huge = RunSpec(metrics=1, params=600, tags=1, text_bytes=180_000)
    with filled(tmp_path / "table.db") as server:
        site = Site(server, {5_000: dirty, 80: huge})
        first, page = site.page(5_000, **BY_METRIC)
        assert 3_300 <= first[2] <= 4_000
        assert "runs" not in page
        second, page = site.page(5_000, page["next_page_token"], **BY_METRIC)
        assert second[2] <= 4_000
        assert len(page["runs"]) == 100
        cost, page = site.page(80)
        assert 1_000 <= cost[2] <= 4_000
        assert page["runs"]


def test_fifty_experiments_are_merged_without_reading_ahead_in_each(tmp_path: Path) -> None:
    """Heads in one request, then a query of marks and one of the index for each experiment (two where runs
    of both states are seen), each for a unit."""
    spec = RunSpec(metrics=1, params=1, tags=0, text_bytes=20)
    with filled(tmp_path / "table.db") as server:
        experiments = [server.experiment(f"experiment-{number}") for number in range(50)]
        for number, experiment in enumerate(experiments):
            load(server.table, experiment, spec, range(number * 40, number * 40 + 40))
        found = []
        for query in ({}, {"run_view_type": "ALL"}, BY_METRIC):
            body = {"experiment_ids": experiments, "max_results": 100, **query}
            with server.meter.measure() as measured:
                assert len(server.post("runs/search", body)["runs"]) == 100
            found.append(units(measured))
    assert found == [[107, 0, 266], [157, 0, 316], [104, 0, 314]]


def test_both_engines_count_alike(api: Api) -> None:
    experiment = api.experiment()
    for number in range(6):
        run_id = api.run(experiment)
        batch = {"run_id": run_id, "metrics": metrics(2, 1, number), "params": pairs("param", 1)}
        api.post("runs/log-batch", batch)
        if number < 4:
            api.clock.now += 3_600_000
            api.app.stores.indexer.sweep(experiment)

    def cost(**query: Any) -> list[float]:
        body = {"experiment_ids": [experiment], "max_results": 3, **query}
        return api.cost_of_post("runs/search", body)

    assert [
        cost(),
        cost(run_view_type="ALL"),
        cost(order_by=["metrics.metric_000 DESC"]),
        cost(filter="params.param_0000 = 'x'"),
        cost(filter="metrics.metric_001 > 0", order_by=["metrics.metric_000 ASC"]),
    ] == [[4, 0, 8], [5, 0, 9], [7, 0, 13], [4, 0, 6], [5, 0, 11]]
