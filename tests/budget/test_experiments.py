"""What experiments cost: requests, write units and read units of each write, and of searches of 10,000.

A page is promised for at most 500 read units, strongly consistent, whatever it filters and sorts by; in the
default order it costs what the page holds. The workspace: names of 16 letters, locations of 48, three tags.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cairn.domain.entities import ACTIVE, DELETED, Experiment
from cairn.http import App
from cairn.sharing.authorize import everything
from cairn.sharing.fronts import local_front
from cairn.storage import keys
from cairn.storage.limits import item_size
from cairn.storage.listing import entry_puts
from cairn.storage.meter import Meter
from cairn.storage.table import Put, Table
from tests.budget.conftest import TIME, Api, SetClock, Units, pairs, units
from tests.storage.engines import sqlite_table
from tests.storage.stores import MemoryBlobs, use_case_stores

EXPERIMENTS = 10_000
PAGE = 500
"""Read units of a page."""

WRITES = {
    "create": (4, 16, 2),
    "rename": (3, 12, 4),
    "stage": (4, 8, 4),
    "tag": (4, 8, 4),
}


def experiment(number: int) -> Experiment:
    return Experiment(
        str(number),
        f"experiment-{number:05d}",
        f"s3://cairn-artifacts-123456789012/artifacts/{number:05d}",
        DELETED if number % 10 == 9 else ACTIVE,
        TIME + 1_000 * number,
        TIME + 1_000 * (number * 7919 % EXPERIMENTS),
        {"project": f"p{number % 50:03d}", "team": f"team-{number % 7}", "stage": "research"},
    )


def load(table: Table, count: int) -> None:
    puts = [
        put for number in range(1, count + 1) for put in entry_puts(f"{number:016x}", experiment(number))
    ]
    counter = Put({"pk": keys.COUNTER.pk, "sk": keys.COUNTER.sk, "n": count})
    table.batch_write([replace(put, condition=None) for put in (counter, *puts)])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    meter = Meter()
    with sqlite_table(tmp_path_factory.mktemp("workspace"), meter) as table:
        load(table, EXPERIMENTS)
        yield Api(
            App(use_case_stores(table, MemoryBlobs()), local_front, everything, 10_000_000),
            meter,
            SetClock(),
            table,
        )


def page(api: Api, **query: Any) -> tuple[Units, list[str], str]:
    """What a page costs, the experiments on it, and the token that goes on."""
    with api.meter.measure() as measured:
        found = api.post("experiments/search", {"max_results": 100, **query})
    rows = [one["name"] for one in found.get("experiments", [])]
    return units(measured), rows, found.get("next_page_token", "")


def test_the_list_entries_are_as_large_as_promised() -> None:
    short, detailed = (item_size(put.item) for put in entry_puts(f"{1:016x}", experiment(1)))
    assert (short, detailed) == (75, 162)
    assert short <= 150


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ({}, [4, 0, 8]),
        ({"max_results": 1_000}, [8, 0, 124]),
        ({"order_by": ["last_update_time DESC"], "max_results": 25}, [6, 0, 210.5]),  # the UI's
        ({"order_by": ["name ASC"]}, [7, 0, 285.5]),
        ({"order_by": ["name ASC"], "max_results": 1_000}, [5, 0, 396.5]),
        ({"filter": "name ILIKE '%EXPERIMENT-0123%'"}, [36, 0, 412]),
        ({"filter": "name LIKE '%1%'", "order_by": ["name DESC"]}, [7, 0, 285.5]),
        ({"filter": "tags.project = 'p007'"}, [24, 0, 248]),
        ({"filter": "tags.project != 'p007'", "order_by": ["name ASC"]}, [4, 0, 396]),
        ({"filter": "tags.owner IS NULL AND tags.team LIKE '%3'", "view_type": "ALL"}, [12, 0, 44]),
        ({"filter": "tags.stage = 'production'"}, [36, 0, 412]),
        ({"view_type": "DELETED_ONLY"}, [16, 0, 88]),
    ],
    ids=str,
)
def test_a_page_of_10000_experiments(workspace: Api, query: dict[str, Any], cost: Units) -> None:
    spent, _, _ = page(workspace, **query)
    assert spent == cost
    assert spent[2] <= PAGE


@pytest.mark.parametrize(
    ("query", "first", "later"),
    [({}, [4, 0, 8], [4, 0, 8]), ({"order_by": ["name ASC"]}, [7, 0, 285.5], [7, 0, 285.5])],
    ids=str,
)
def test_pages_1_2_and_20_cost_the_same(
    workspace: Api, query: dict[str, Any], first: Units, later: Units
) -> None:
    costs, token = [], ""
    seen: list[str] = []
    for _ in range(20):
        spent, rows, token = page(workspace, page_token=token, **query)
        costs.append(spent)
        seen += rows
    assert costs[0] == first
    assert costs[1] == costs[19] == later
    assert len(set(seen)) == len(seen) == 2_000


def test_a_default_page_costs_the_same_at_any_size(sqlite_api: Api) -> None:
    table = sqlite_api.app.stores.experiments._table  # type: ignore[attr-defined]
    load(table, 500)
    assert page(sqlite_api)[0] == [4, 0, 8]


@pytest.mark.parametrize("long", [0, 40])
def test_long_tags_are_read_for_the_page_alone(sqlite_api: Api, long: int) -> None:
    """A note of 2 KB on each of 40 experiments costs a unit each, in one request."""
    for number in range(80):
        tags = [{"key": "mlflow.note.content", "value": "x" * 2_000}] if number < long else []
        sqlite_api.post("experiments/create", {"name": f"e{number}", "tags": tags})
    assert page(sqlite_api)[0] == ([5, 0, 44] if long else [4, 0, 4])
    unnamed = page(sqlite_api, filter="tags.other IS NULL AND name = 'e70'")[0]
    assert unnamed == [4, 0, 4]
    assert page(sqlite_api, filter="tags.`mlflow.note.content` LIKE 'x%'")[0] == (
        [6, 0, 84] if long else [4, 0, 4]
    )


def within(cost: Units, budget: str) -> bool:
    return all(spent <= allowed for spent, allowed in zip(cost, WRITES[budget], strict=True))


def test_writes(api: Api) -> None:
    created = api.cost_of_post("experiments/create", {"name": "iris", "tags": pairs("tag", 4, 40)})
    assert created == [4, 13, 1]
    assert within(created, "create")
    found = api.get("experiments/get-by-name", experiment_name="iris")["experiment"]["experiment_id"]
    tagged = api.cost_of_post(
        "experiments/set-experiment-tag", {"experiment_id": found, "key": "a", "value": "b"}
    )
    assert tagged == [3, 4, 2]
    assert within(tagged, "tag")
    untagged = api.cost_of_post("experiments/delete-experiment-tag", {"experiment_id": found, "key": "a"})
    assert untagged == [2, 4, 1]
    assert within(untagged, "tag")
    renamed = api.cost_of_post("experiments/update", {"experiment_id": found, "new_name": "wine"})
    assert renamed == [2, 10, 1]
    assert within(renamed, "rename")
    deleted = api.cost_of_post("experiments/delete", {"experiment_id": found})
    assert deleted == [2, 6, 1]
    assert within(deleted, "stage")
    assert api.cost_of_get("experiments/get", experiment_id=found) == [1, 0, 1]
    assert api.cost_of_get("experiments/get-by-name", experiment_name="wine") == [2, 0, 2]
