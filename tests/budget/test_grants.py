"""What listings cost a caller that few grants show few things among 10,000: those, and not the lists."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cairn.domain.access import Access, Action, Pattern, Permission, rules
from cairn.http import App
from cairn.sharing.caller import Caller
from cairn.sharing.fronts import local_front
from cairn.storage import keys
from cairn.storage.engine import EngineTable
from cairn.storage.experiments import Experiments
from cairn.storage.meter import Meter
from cairn.storage.table import Delete
from tests.access.worlds import identified, named, prefixed
from tests.budget.conftest import Api, SetClock, Units
from tests.budget.test_experiments import EXPERIMENTS, experiment, load, page
from tests.budget.test_registry import MODELS, MODELS_SEARCH, _loaded, _name, _pages
from tests.storage.engines import sqlite_table
from tests.storage.stores import MemoryBlobs, use_case_stores

SHARED = (7, 5_000, 9_998)


def seeing(table: EngineTable, meter: Meter, *patterns: Pattern) -> Api:
    """The API as a caller with these grants has it, once they have been read."""

    def authorize(caller: Caller, action: Action) -> Access:
        held = rules((pattern, Permission.READ) for pattern in patterns)
        return Access(caller.principal, action, held)

    stores = use_case_stores(table, MemoryBlobs())
    return Api(App(stores, local_front, authorize, 10_000_000), meter, SetClock(), table)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EngineTable, Meter]]:
    """10,000 experiments, three of which have all of their items, and 10,000 registered models."""
    meter = Meter()
    with sqlite_table(tmp_path_factory.mktemp("many"), meter) as table:
        load(table, EXPERIMENTS)
        store: Any = use_case_stores(table, MemoryBlobs()).experiments
        assert isinstance(store, Experiments)
        for number in SHARED:
            one = experiment(number)
            for kind in (keys.LISTED, keys.DETAILED):
                table.delete(Delete(keys.experiment_list_entry(kind, f"{number:016x}", one.creation_time)))
            store.add(one)
        _loaded(table, MODELS, 0)
        yield table, meter


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ({}, [3, 0, 8]),
        ({"order_by": ["name ASC"]}, [3, 0, 8]),
        ({"order_by": ["last_update_time DESC"], "max_results": 25}, [3, 0, 8]),
        ({"filter": "tags.stage != 'research'"}, [3, 0, 8]),
    ],
    ids=str,
)
def test_experiments_by_id_and_name(
    many: tuple[EngineTable, Meter], query: dict[str, Any], cost: Units
) -> None:
    shared = [
        identified(str(SHARED[0])),
        *(named("experiments", experiment(one).name) for one in SHARED[1:]),
    ]
    spent, shown, token = page(seeing(*many, *shared), **query)
    assert (spent, token) == (cost, "")
    if "filter" not in query:
        assert sorted(shown) == [experiment(one).name for one in SHARED]


def test_experiments_by_how_they_begin_are_looked_for_in_the_list(many: tuple[EngineTable, Meter]) -> None:
    spent, shown, _ = page(seeing(*many, prefixed("experiments", "experiment-0000")), order_by=["name ASC"])
    assert len(shown) == 8
    assert spent[2] > 150


@pytest.mark.parametrize(
    ("query", "cost"),
    [({}, [4, 0, 7]), ({"order_by": "timestamp DESC"}, [4, 0, 7]), ({"order_by": "name DESC"}, [4, 0, 7])],
    ids=str,
)
def test_models_by_name_and_by_how_they_begin(
    many: tuple[EngineTable, Meter], query: Mapping[str, Any], cost: Units
) -> None:
    patterns = [prefixed("models", "team-07.model-000"), *(named("models", _name(one)) for one in (1, 2))]
    api = seeing(*many, *patterns)
    assert _pages(api, MODELS_SEARCH, {"max_results": "100", **query}, 9) == [cost]
