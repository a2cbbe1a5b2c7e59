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
from bench.load import TIED, RunSpec, is_dirty, load, metric_value, run_id_of
from tests.budget.conftest import Api, Units, metrics, pairs, units

SMALL, LARGE = 1_000, 20_000
BY_METRIC: dict[str, Any] = {"order_by": ["metrics.metric_000 DESC"]}
BY_METRIC_UP: dict[str, Any] = {"order_by": ["metrics.metric_000 ASC"]}
BY_PARAM: dict[str, Any] = {"filter": "params.param_000 = 'choice-3'"}


class Site:
    """Experiments of 1,000 and 20,000 runs of one kind."""

    def __init__(self, server: Filled, specs: dict[int, RunSpec]) -> None:
        self._server = server
        self._specs = specs
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

    def start(self, runs: int, count: int) -> None:
        """Start so many more runs, of the kind of the others, which nobody has indexed."""
        spec = replace(self._specs[runs], dirty=1)
        load(self._server.table, self._experiments[runs], spec, range(runs, runs + count))

    def dirty(self, runs: int, started: int) -> set[str]:
        """The ids of those that are dirty, the last so many included."""
        experiment, spec = self._experiments[runs], self._specs[runs]
        numbers = [number for number in range(runs) if is_dirty(spec, number)]
        return {run_id_of(experiment, number) for number in (*numbers, *range(runs, runs + started))}


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


PLAIN = RunSpec(metrics=4, params=1, tags=1, text_bytes=40, ties=(0, 0, 0.5, 0.9))


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


@pytest.mark.parametrize(("metric", "pages"), [(2, 54), (3, 16)], ids=["50% tied", "90% tied"])
def test_ties_cost_no_more(make: Make, metric: int, pages: int) -> None:
    """Going down, what lies among different values begins with a query of the value that the page before
    ended with. Within a tie that is the page itself; a page that an edge of the tie cuts has both."""
    site = make(PLAIN)
    for runs in (SMALL, LARGE):
        values = [metric_value(PLAIN, number, metric) or 0 for number in range(runs)]
        tied, greater = values.count(TIED), sum(value > TIED for value in values)
        numbers = tuple(range(1, min(pages, runs // 100 - 1) + 1))
        assert 100 < greater < 100 * numbers[-2] or runs == SMALL, "pages on both sides of the edge"
        name = f"metrics.metric_{metric:03d}"
        down = site.costs(runs, numbers, order_by=[f"{name} DESC"])
        for number, cost in zip(numbers, down, strict=True):
            first, behind = 100 * (number - 1), 100 * number + 1
            if behind <= greater or first > greater + tied:
                assert cost == ([5, 0, 116] if number == 1 else [6, 0, 117]), number
            elif first > greater and behind <= greater + tied:
                assert cost == [5, 0, 116], number
            else:
                assert cost[0] <= 7, number
                assert cost[2] <= 120, number
        assert site.costs(runs, numbers, order_by=[f"{name} ASC"]) == [[5, 0, 116]] * len(numbers)


def test_dirty_runs_are_read_once_each(make: Make) -> None:
    """500 of them: <= 25 requests, <= 2,500 units; in the default order they are not read at all. 200 lie
    anywhere among the others, 300 more have just been started."""
    spec = RunSpec(metrics=1, params=1, tags=0, text_bytes=20)
    site = make(replace(spec, dirty=200 / LARGE), replace(spec, dirty=200 / SMALL))
    for runs in (SMALL, LARGE):
        assert site.costs(runs, (1, 2, 3)) == [[5, 0, 118]] * 3
        assert site.costs(runs, (1, 2, 3), size=10, **BY_PARAM) == [[7, 0, 220]] * 3
        _check_dirty(site, runs, 0, [7, 0, 310])
        site.start(runs, 300)
        assert site.costs(runs, (1, 2, 3)) == [[5, 0, 123]] * 3
        assert site.costs(runs, (1,), size=10, **BY_PARAM) == [[9, 0, 516]]  # all of the page is dirty
        _check_dirty(site, runs, 300, [10, 0, 618])


def _check_dirty(site: Site, runs: int, started: int, by_metric: Units) -> None:
    """One batch of facts holds 99 runs: with two dirty ones that is the page, and who comes next; else 11
    are read behind them. Going down, a page begins with a query of the value that the last ended with."""
    dirty = site.dirty(runs, started)
    requests, _, reads = by_metric
    for order, down in ((BY_METRIC, True), (BY_METRIC_UP, False)):
        token = ""
        for number in (1, 2, 3):
            cost, page = site.page(runs, token, **order)
            again = down and number > 1
            behind = sum(run["info"]["run_id"] in dirty for run in page["runs"]) < 2
            assert cost == [requests + again + behind, 0, reads + again + 11 * behind]
            token = page["next_page_token"]


def test_what_lies_behind_the_ceiling_of_dirty_runs_is_not_asked(make: Make) -> None:
    """Half of the runs are dirty: the page ends with one of the first of them. Where that ends the walk of
    values, neither runs with NaN nor those without a value are looked for, a query each."""
    site = make(RunSpec(metrics=1, params=1, tags=0, text_bytes=20, dirty=0.5), large=SMALL)
    assert site.costs(SMALL, (1, 2, 3), **BY_METRIC_UP) == [[10, 0, 618], [10, 0, 610], [10, 0, 618]]
    assert site.costs(SMALL, (6, 7), **BY_METRIC) == [[11, 0, 619], [11, 0, 619]]


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


def test_facts_of_8_kb_cost_three_units_a_run(make: Make) -> None:
    """Head and two shards, each rounded up to 4 KB; the shards of all runs are read together."""
    site = make(RunSpec(metrics=1, params=8, tags=0, text_bytes=8_000))
    for runs, last in ((SMALL, 9), (LARGE, 50)):
        assert site.costs(runs, (1, 2, last)) == [[8, 0, 334]] * 3
        by_metric = site.costs(runs, (1, 2, last), **BY_METRIC)
        assert by_metric == [[8, 0, 334], [9, 0, 335], [9, 0, 335]]


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
