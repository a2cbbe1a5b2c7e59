"""What is the SQLite engine's own: its file, its waiting, its tokens, its bytes."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cairn.errors import InternalError, InvalidParameterValue, TemporarilyUnavailable
from cairn.storage.expr import Absent, Add, Remove
from cairn.storage.meter import Meter
from cairn.storage.rows import pack, unpack
from cairn.storage.sqlite import TOKEN_LIFE, SqliteTable
from cairn.storage.table import Cost, Key, Put, TransactWrite, Update

ITEM = {"pk": "p", "sk": "s", "n": 1}
KEY = Key("p", "s")


def test_it_survives_a_restart(tmp_path: Path) -> None:
    first = SqliteTable(tmp_path / "table.db")
    first.put(Put(ITEM))
    first.close()
    second = SqliteTable(tmp_path / "table.db")
    assert second.get(KEY) == ITEM
    second.close()


def test_without_a_path_it_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    table = SqliteTable()
    table.put(Put(ITEM))
    assert table.get(KEY) == ITEM
    assert list(tmp_path.iterdir())
    table.close()
    assert not list(tmp_path.iterdir())


def test_two_ephemeral_tables_are_two() -> None:
    one, other = SqliteTable(), SqliteTable()
    one.put(Put(ITEM))
    assert other.get(KEY) is None
    one.close()
    other.close()


def test_a_writer_that_waits_too_long_is_told_to_come_back(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.db", timeout=0.05)
    table.put(Put(ITEM))
    other = sqlite3.connect(tmp_path / "table.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TemporarilyUnavailable):
        table.put(Put({**ITEM, "n": 2}))
    assert table.get(KEY) == ITEM
    other.execute("ROLLBACK")
    other.close()
    table.put(Put({**ITEM, "n": 2}))
    assert table.get(KEY) == {**ITEM, "n": 2}
    table.close()


def test_writers_behind_one_that_waits_are_told_too(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.db", timeout=0.2)
    other = sqlite3.connect(tmp_path / "table.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(8) as pool:
        told = [pool.submit(table.put, Put({**ITEM, "sk": f"{number}"})) for number in range(8)]
    assert {type(write.exception()) for write in told} == {TemporarilyUnavailable}
    other.execute("ROLLBACK")
    other.close()
    table.put(Put(ITEM))
    table.close()


def test_removals_make_no_item(tmp_path: Path) -> None:
    """As in DynamoDB, where only an update that sets something makes one; moto makes one."""
    table = SqliteTable(tmp_path / "table.db")
    assert table.update(Update(KEY, [Remove("a"), Remove("b")])) == {}
    table.transact([Update(KEY, [Remove("a")])])
    assert table.get(KEY) is None
    table.close()


def test_closed_is_closed(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.db")
    table.close()
    table.close()
    with pytest.raises(InternalError, match="closed"):
        table.get(KEY)


def test_a_thread_that_ends_leaves_its_connection_to_the_next(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.db")
    for number in range(20):
        thread = threading.Thread(target=table.put, args=(Put({**ITEM, "sk": f"{number}"}),))
        thread.start()
        thread.join()
    assert len(table.engine._idle) == 1  # type: ignore[attr-defined]
    table.close()


@pytest.mark.parametrize("content", [b"no database" * 1000, b""])
def test_a_file_that_is_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.db"
    path.write_bytes(content)
    if content:
        with pytest.raises(InternalError, match="not a database"):
            SqliteTable(path)
    else:
        SqliteTable(path).close()


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.db"
    SqliteTable(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InternalError, match="newer"):
        SqliteTable(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="unable to open"):
        SqliteTable(tmp_path / "none" / "table.db")


def test_a_token_does_its_transaction_once_in_ten_minutes(tmp_path: Path) -> None:
    now = 0
    meter = Meter()
    table = SqliteTable(tmp_path / "table.db", clock=lambda: now, observer=meter)
    writes: list[TransactWrite] = [Update(KEY, [Add("n", 1)]), Put({"pk": "q", "sk": "s"})]
    table.transact(writes, token="t")
    now = TOKEN_LIFE - 1
    with meter.measure() as measured:
        table.transact(writes, token="t")
    assert table.get(KEY) == ITEM
    assert measured.costs == [Cost("TransactWriteItems", read_units=4, partitions={"p": 2, "q": 2})]
    with pytest.raises(InvalidParameterValue, match="other parameters"):
        table.transact(writes[:1], token="t")
    now = TOKEN_LIFE
    table.transact(writes, token="t")
    assert table.get(KEY) == {**ITEM, "n": 2}
    table.close()


def test_a_transaction_that_failed_leaves_its_token_unused(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.db")
    table.put(Put(ITEM))
    with pytest.raises(Exception, match="condition"):
        table.transact([Put(ITEM, Absent())], token="t")
    table.transact([Update(KEY, [Add("n", 1)])], token="t")
    assert table.get(KEY) == {**ITEM, "n": 2}
    table.close()


@pytest.mark.parametrize(
    "attributes",
    [{}, {"n": 1}, {"a": b"1", "n": 1, "z": b""}, {"l": [b"1", {"b": [b"", {"m": b"2"}]}], "t": "\0é"}],
)
def test_items_are_packed_by_a_format(attributes: dict[str, object]) -> None:
    item = {"pk": "p", "sk": "s", **attributes}
    packed = pack(item)
    assert unpack(KEY, packed) == item
    with pytest.raises(InternalError, match="newer"):
        unpack(KEY, b"\x09" + packed[1:])
