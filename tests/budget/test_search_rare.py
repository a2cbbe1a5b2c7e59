"""Pages of filters that few runs meet: what is read to find them, to the unit.

Most runs that a walk comes by do not match. Their facts cost a unit each, their entries a thirtieth; so the
first hundred runs are matched, and then entries tell which of the others are worth reading.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench.filled import Filled, filled
from bench.load import RunSpec, load, metric_value, name_of
from cairn.storage.execute import RunIndex
from tests.budget.conftest import Units, units

RUNS = 10_000
SPEC = RunSpec(metrics=2, params=1, tags=0, text_bytes=20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with filled(tmp_path_factory.mktemp("rare") / "table.db") as made:
        load(made.table, made.experiment("rare"), SPEC, range(RUNS))
        yield made


def pages(server: Filled, number: int, **query: Any) -> tuple[list[Units], int]:
    """What so many pages cost, and how many runs they have."""
    costs, found, token = [], 0, ""
    for _ in range(number):
        body = {"experiment_ids": ["1"], "max_results": 100, "page_token": token, **query}
        with server.meter.measure() as measured:
            page = server.post("runs/search", body)
        costs.append(units(measured))
        found += len(page.get("runs", []))
        token = page.get("next_page_token", "")
        if not token:
            break
    return costs, found


BY_ANOTHER = {"order_by": ["metrics.metric_000 ASC"]}


def value(number: int) -> float:
    found = metric_value(SPEC, number, 1)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("bound", "costs"),
    [
        (0.99, [[4, 0, 95]]),
        (0.94, [[10, 0, 295], [10, 0, 295]]),
        (0.8, [[11, 0, 307], [11, 0, 307]]),
        (0.5, [[8, 0, 239], [8, 0, 270]]),
    ],
)
def test_a_metric_s_range_by_another_metric(server: Filled, bound: float, costs: list[Units]) -> None:
    """1%: the range alone, all of its runs. Past 400 runs the walk passes over what is not in the range;
    half of all runs are just read."""
    found, count = pages(server, 2, filter=f"metrics.metric_001 > {bound}", **BY_ANOTHER)
    assert count == min(200, sum(value(number) > bound for number in range(RUNS)))
    assert found == costs


@pytest.mark.parametrize(
    ("tree", "matches", "costs"),
    [
        ("attributes.run_name ILIKE '%LAKE%'", lambda name: "lake" in name, [[7, 0, 151], [7, 0, 151]]),
        ("attributes.run_name ILIKE '%-5000'", lambda name: name.endswith("-5000"), [[15, 0, 245]]),
        ("attributes.run_name != 'none'", lambda name: True, [[5, 0, 116], [5, 0, 116]]),
        ("tags.`mlflow.runName` IS NULL", lambda name: False, [[14, 0, 243]]),
    ],
    ids=["one of seven", "one of all", "all", "none"],
)
def test_names_are_in_the_entries_of_the_default_order(
    server: Filled, tree: str, matches: Callable[[str], bool], costs: list[Units]
) -> None:
    """Only the facts of runs that match are read."""
    found, count = pages(server, 2, filter=tree)
    assert count == min(200, sum(matches(name_of(number)) for number in range(RUNS)))
    assert found == costs


@pytest.mark.parametrize("orders", [[], ["metrics.metric_000 ASC"]], ids=["default", "by metric"])
def test_runs_without_what_nearly_all_have(server: Filled, orders: list[str]) -> None:
    """The runs that have it are read by their entries, and passed over: facts would be 10,000 units."""
    odd = server.experiment("odd" + "".join(orders))
    load(server.table, odd, SPEC, range(RUNS))
    load(server.table, odd, replace(SPEC, params=0), [RUNS])
    tree = "params.param_000 IS NULL"
    found, count = pages(server, 2, experiment_ids=[odd], filter=tree, order_by=orders)
    assert count == 1
    assert found == [[40, 0, 848] if orders else [26, 0, 584]]


def test_no_call_reads_more_than_it_counts(server: Filled) -> None:
    """Entries of the default order are as long as the names in them. A page of them comes on top."""
    index = server.app.stores.index
    assert isinstance(index, RunIndex)
    before = index._bounds
    index._bounds = replace(before, units=120, page=100)
    try:
        found, count = pages(server, 5, filter="attributes.run_name ILIKE '%-5000'")
    finally:
        index._bounds = before
    assert (count, found) == (1, [[42, 0, 122], [42, 0, 123], [24, 0, 68]])


def test_what_a_token_carries_is_read_again_within_the_bounds(server: Filled) -> None:
    """Dirty runs of some 16 KB, all of which are seen before the first is answered."""
    large = RunSpec(metrics=1, params=20, tags=0, text_bytes=20_000, dirty=1.0)
    experiment = server.experiment("large")
    load(server.table, experiment, large, range(90))
    index = server.app.stores.index
    assert isinstance(index, RunIndex)
    before = index._bounds
    index._bounds = replace(before, units=200, overdraft=20)
    try:
        found, count = pages(server, 60, experiment_ids=[experiment], order_by=["metrics.metric_000 DESC"])
    finally:
        index._bounds = before
    assert count == 90
    assert max(cost[2] for cost in found) <= 220
