"""The indexer: what it answers about a run's mark, and how long it waits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.domain import runs as changes
from cairn.domain.indexing import Outcome
from cairn.search.index import text
from cairn.storage import dirty, keys
from cairn.storage.engine import EngineTable
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.table import Key
from tests.storage.engines import open_table
from tests.storage.stores import NOW, aggregates


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[EngineTable]:
    with open_table("sqlite", tmp_path, Meter()) as opened:
        yield opened


def test_the_outcome_tells_whether_to_ask_again(sqlite: EngineTable) -> None:
    stores = aggregates(sqlite)
    run_id = stores.run(stores.experiment())
    early = Indexer(sqlite, lambda: NOW + dirty.QUIET - 1)
    late = Indexer(sqlite, lambda: NOW + dirty.QUIET)
    assert early.index(run_id, NOW) is Outcome.EARLY
    assert late.index(run_id, NOW - 1) is Outcome.SUPERSEDED
    assert late.index(run_id, NOW) is Outcome.INDEXED
    assert late.index(run_id, NOW) is Outcome.SUPERSEDED


def test_a_shorter_quiet_time_makes_marks_stale_sooner(sqlite: EngineTable) -> None:
    mark = {"t": NOW}
    for quiet in (3_000, dirty.QUIET):
        assert not dirty.missing(mark, NOW + quiet // 3 - 1, quiet, moved=False)
        assert dirty.missing(mark, NOW + quiet // 3, quiet, moved=False)
    run_id = aggregates(sqlite).run(aggregates(sqlite).experiment())
    assert Indexer(sqlite, lambda: NOW + 2_999, quiet=3_000).index(run_id, NOW) is Outcome.EARLY
    assert Indexer(sqlite, lambda: NOW + 3_000, quiet=3_000).index(run_id, NOW) is Outcome.INDEXED
    assert sqlite.get(keys.dirty_mark(run_id)) is None


def test_the_entry_of_the_default_order_holds_the_run_s_name(sqlite: EngineTable) -> None:
    """As its tag has it, whenever the run has no mark; a creation that is repeated takes it away first."""
    stores = aggregates(sqlite)
    experiment = stores.experiment()
    run_id = stores.run(experiment)
    key = Key(keys.index_partition(run_id[:16], "a0"), keys.run_position(5, run_id))
    indexer = Indexer(sqlite, lambda: NOW + dirty.QUIET)

    def held() -> object:
        item = sqlite.get(key)
        assert item is not None
        return item.get(keys.NAME)

    assert held() is None
    indexer.sweep(experiment)
    assert held() == ""
    for name in ("a", "b" * 200, "c"):
        stores.change(run_id, changes.set_tags([("mlflow.runName", name)]))
        indexer.sweep(experiment)
        assert held() == text(name)
    stores.change(run_id, changes.delete_tag(run_id, "mlflow.runName"))
    assert held() == text("c")
    indexer.sweep(experiment)
    assert held() == ""
    stores.runs.create(stores.runs.get(run_id))
    assert held() is None
    assert sqlite.get(keys.dirty_mark(run_id)) is not None
