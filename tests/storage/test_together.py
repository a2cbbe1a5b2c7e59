"""Tasks side by side: answers in their order, errors raised, searches as right as those in turn."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from cairn.search import fields
from cairn.search.match import run_filter
from cairn.search.order import run_ordering
from cairn.search.plan import Pause, Search, plan
from cairn.storage.engine import EngineTable
from cairn.storage.execute import RunIndex
from cairn.storage.indexer import Indexer
from cairn.storage.together import LANES, SideBySide, in_turn
from tests.storage.stores import NOW, aggregates


def test_answers_come_in_the_order_of_the_tasks() -> None:
    """Though the first ends last."""
    last = threading.Event()

    def first() -> int:
        assert last.wait(10)
        return 1

    def second() -> int:
        last.set()
        return 2

    together = SideBySide()
    assert together([first, second]) == [1, 2]
    assert together([]) == []
    assert together([second]) == [2]
    assert together(range(n).__len__ for n in range(3 * LANES)) == list(range(3 * LANES))


@pytest.mark.parametrize("together", [SideBySide(), in_turn], ids=["side by side", "in turn"])
def test_what_a_task_raises_is_raised(together: Callable[[Any], Any]) -> None:
    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        together([lambda: 1, fail, lambda: 3])


def test_a_search_side_by_side_answers_as_in_turn(table: EngineTable) -> None:
    stores = aggregates(table)
    experiments = [stores.experiment(f"experiment-{number}") for number in range(20)]
    for number in range(40):
        stores.run(experiments[number * 7 % 20], start_time=number // 3)
    for experiment in experiments[::2]:
        Indexer(table, lambda: NOW + 100_000).sweep(experiment)

    def answered(index: RunIndex, orders: list[str]) -> list[str]:
        by = fields.read_order(fields.RUNS, orders)
        tree = fields.read_filter(fields.RUNS, "attributes.start_time > 1")
        search = Search(
            experiments, ("active",), plan(tree, by), run_filter(tree), run_ordering(by), None, 50
        )
        rows = list(index.search(search))
        return [row.info.run_id for row in rows if not isinstance(row, Pause)]

    for orders in ([], ["attributes.status ASC"], ["metrics.none ASC"]):
        side_by_side = RunIndex(table, stores.runs, lambda: 0.0, together=SideBySide())
        found = answered(side_by_side, orders)
        assert found == answered(RunIndex(table, stores.runs, lambda: 0.0), orders)
        assert len(found) == 34
