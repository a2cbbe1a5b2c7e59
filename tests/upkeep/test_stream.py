"""What the consumer of the stream is told, and what it makes of it. A changed key fails here."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import ACTIVE, Metric, Run, RunInfo
from cairn.ids import keyed_bits, new_run_id
from cairn.storage import dirty, keys, stream
from cairn.storage.dirty import Mark
from cairn.storage.engine import EngineTable
from cairn.storage.fold import worth_a_look
from cairn.storage.indexer import Indexer
from cairn.storage.limits import item_size
from cairn.storage.meter import Meter
from cairn.storage.runs import log_item
from cairn.storage.stream import FOLLOWED, Logged, changes
from cairn.storage.table import Delete, Item, Put, TransactWrite, Update
from tests.storage.engines import open_table
from tests.storage.stores import aggregates
from tests.upkeep.records import matches, noise, record

RUN_ID = new_run_id("7", keyed_bits("run"))


def followed(new: Item | None, old: Item | None = None) -> bool:
    return any(matches(pattern, record(new, old)) for pattern in FOLLOWED)


def test_a_new_and_a_renewed_mark_are_followed_and_a_deleted_one_is_not() -> None:
    first, second = (dirty.put(RUN_ID, now, moved=False).item for now in (1_000, 31_000))
    assert followed(first)
    assert followed(second, first)
    assert not followed(None, second)
    assert list(changes([record(second, first)])) == [Mark(RUN_ID, 31_000, moved=False)]
    moved = dirty.put(RUN_ID, 5, moved=True).item
    assert list(changes([record(moved)])) == [Mark(RUN_ID, 5, moved=True)]


def test_new_log_items_are_followed_and_folded_ones_are_not() -> None:
    item = log_item(RUN_ID, [Metric("loss", 0.5, 1, 1)])
    assert followed(item)
    assert not followed(None, item)


def test_a_look_is_worth_its_price_by_the_size_of_the_item() -> None:
    items = [log_item(RUN_ID, [Metric("m", n / 7, n, n)]) for n in range(3_000)]
    worth = [
        item
        for item in items
        if worth_a_look(item["sk"], item_size({k: item[k] for k in ("pk", "sk", "b")}))
    ]
    assert 0 < len(worth) < 30, "about one for each 128 KB"
    assert list(changes(record(item) for item in items)) == [Logged(RUN_ID)] * len(worth)
    large = log_item(RUN_ID, noise(20_000))
    assert item_size(large) > 128 * 1024
    assert list(changes([record(large)])) == [Logged(RUN_ID)]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[EngineTable]:
    with open_table("sqlite", tmp_path, Meter()) as opened:
        yield opened


def test_of_all_that_a_run_writes_marks_and_log_items_alone_are_followed(
    table: EngineTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record that passes is an invocation's work: what is written for searches must not come back."""
    written: list[Item] = []

    def note(write: TransactWrite | Update) -> None:
        if isinstance(write, Put):
            written.append(write.item)
        elif not isinstance(write, Delete):
            written.append({"pk": write.key.pk, "sk": write.key.sk})

    put, batch_write, transact = table.put, table.batch_write, table.transact

    def noted_put(write: Put) -> None:
        note(write)
        put(write)

    def noted_batch(writes: Sequence[Put | Delete]) -> None:
        for write in writes:
            note(write)
        batch_write(writes)

    def noted_transaction(writes: Sequence[TransactWrite], *, token: str | None = None) -> None:
        for write in writes:
            note(write)
        transact(writes, token=token)

    monkeypatch.setattr(table, "put", noted_put)
    monkeypatch.setattr(table, "batch_write", noted_batch)
    monkeypatch.setattr(table, "transact", noted_transaction)
    stores = aggregates(table)
    experiment = stores.experiments.create("flights", None, {"team": "ml"}, 1).experiment_id
    info = RunInfo(
        new_run_id(experiment, keyed_bits("x")), experiment, "n", "u", "RUNNING", 1, None, ACTIVE, ""
    )
    stores.runs.create(Run(info))

    def log(draft: Draft) -> None:
        draft.params["p"] = "v"

    stores.runs.change(info.run_id, Touch(params=frozenset({"p"})), log, [Metric("m", 1.0, 1, 1)])
    (mark,) = dirty.marks(table, keys.dirty_mark(info.run_id).pk[2:])
    Indexer(table, lambda: mark.time + dirty.QUIET).index(info.run_id, mark.time)
    kinds = {(item["pk"][:2], item["sk"][:2]) for item in written}
    assert {"E#", "R#", "D#", "X#"} <= {pk for pk, _ in kinds}
    passed = {(item["pk"][:2], item["sk"][:2]) for item in written if followed(item)}
    assert passed == {("D#", info.run_id[:2]), ("R#", "L#")}


def test_a_record_that_no_pattern_lets_pass_is_refused() -> None:
    """Then the patterns and the code differ: the failure destination tells, nothing is lost silently."""
    with pytest.raises(ValueError, match="E#"):
        list(changes([record({"pk": "E#1", "sk": "#"})]))
    with pytest.raises(KeyError):
        list(changes([record(None, dirty.put(RUN_ID, 1, moved=False).item)]))


def test_lambda_takes_the_patterns() -> None:
    """At most five filters of 4,096 characters (CreateEventSourceMapping, and its default quota)."""
    assert len(FOLLOWED) <= 5
    assert all(len(json.dumps(pattern)) <= 4096 for pattern in FOLLOWED)
    assert stream.FOLLOWED[0]["dynamodb"]["Keys"]["pk"]["S"] == [{"prefix": "D#"}]
