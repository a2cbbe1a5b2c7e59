"""The local server's background indexing, on stores made by hand."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from cairn.local.upkeep import sweep, upkeep
from cairn.services.ports import Stores
from cairn.storage import dirty
from cairn.storage.indexer import Indexer
from cairn.storage.sqlite import SqliteTable
from tests.storage.stores import NOW, aggregates

_WAIT_S = 10


@dataclass
class Indexers:
    """Sweeps are noted; the first ``faults`` of them fail. ``swept`` is set by the first that does not."""

    faults: int = 0
    seen: list[str] = field(default_factory=list)
    swept: threading.Event = field(default_factory=threading.Event)

    def sweep(self, experiment_id: str) -> int:
        self.seen.append(experiment_id)
        if len(self.seen) <= self.faults:
            raise OSError("the endpoint is away")
        self.swept.set()
        return 1


class Experiments:
    def scan(self, *, with_tags: bool) -> Iterator[SimpleNamespace]:
        assert not with_tags
        return iter([SimpleNamespace(experiment_id="0"), SimpleNamespace(experiment_id="7")])


class Models:
    """Deleted models; ``swept`` is set by the first round that comes to them."""

    def __init__(self) -> None:
        self.swept = threading.Event()

    def sweep(self) -> int:
        self.swept.set()
        return 0


def _stores(indexer: object, experiments: object = None, models: object = None) -> Stores:
    registry = SimpleNamespace(models=models or Models())
    found = SimpleNamespace(experiments=experiments or Experiments(), indexer=indexer, registry=registry)
    return cast(Stores, found)


@pytest.fixture
def table() -> Iterator[SqliteTable]:
    table = SqliteTable(None)
    yield table
    table.close()


def test_a_run_is_indexed_once_it_has_been_quiet(table: SqliteTable) -> None:
    data = aggregates(table)
    experiment_id = data.experiment()
    run_id = data.run(experiment_id)
    running = threading.Event()
    early = _stores(Indexer(table, lambda: NOW + dirty.QUIET - 1), data.experiments)
    late = _stores(Indexer(table, lambda: NOW + dirty.QUIET), data.experiments)
    assert sweep(early, running) == 0
    assert [mark.run_id for mark in dirty.marks(table, run_id[:16])] == [run_id]
    assert sweep(late, running) == 1
    assert not list(dirty.marks(table, run_id[:16]))
    assert sweep(late, running) == 0


def test_a_fault_ends_a_round_and_not_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    indexer = Indexers(faults=2)
    with caplog.at_level(logging.ERROR), upkeep(_stores(indexer), pause=0.001):
        assert indexer.swept.wait(_WAIT_S)
    assert indexer.seen[:4] == ["0", "0", "0", "7"]
    assert caplog.text.count("OSError: the endpoint is away") == 2


def test_a_round_removes_what_deleted_models_left() -> None:
    models = Models()
    with upkeep(_stores(Indexers(), models=models), pause=0.001):
        assert models.swept.wait(_WAIT_S)


def test_the_end_does_not_wait_for_the_pause() -> None:
    indexer = Indexers()
    before = time.monotonic()
    with upkeep(_stores(indexer), pause=3_600):
        assert [thread.daemon for thread in threading.enumerate() if thread.name == "upkeep"] == [True]
    assert time.monotonic() - before < _WAIT_S
    assert not [thread for thread in threading.enumerate() if thread.name == "upkeep"]
    assert not indexer.seen


def test_a_round_under_way_stops_between_experiments() -> None:
    stopped = threading.Event()
    stopped.set()
    assert sweep(_stores(Indexers()), stopped) == 0
