"""The outbox: what the SQLite engine keeps of writes for events, as DynamoDB keeps a stream.

A row is written in the transaction of the write that it tells of, for entities' heads alone
(``stream.is_watched``): there is none without its write, and none is missing. A reader takes rows in the
order of the writes and forgets them when it has told of them: what a crash interrupts is told again.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from cairn.storage.rows import pack, unpack
from cairn.storage.stream import Change
from cairn.storage.table import Item, Key

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL,
    before BLOB, after BLOB);
"""
_NOTE = "INSERT INTO outbox (time, pk, sk, before, after) VALUES (?, ?, ?, ?, ?)"
_READ = "SELECT id, time, pk, sk, before, after FROM outbox ORDER BY id LIMIT ?"
_FORGET = "DELETE FROM outbox WHERE id <= ?"

AT_ONCE = 500
"""Changes that are read together: a few MB."""


def note(connection: sqlite3.Connection, change: Change) -> None:
    """In the transaction that is open. 20 us with images of a kilobyte."""
    images = [None if image is None else pack(image) for image in (change.before, change.after)]
    connection.execute(_NOTE, (change.time, *change.key, *images))


class Outbox:
    """Reads the outbox of a file that an engine has made, by a connection of its own; for one thread."""

    def __init__(self, path: Path, timeout: float = 10.0) -> None:
        self._connection = sqlite3.connect(
            path, timeout=timeout, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def read(self, limit: int = AT_ONCE) -> tuple[list[Change], int]:
        """The oldest changes, and what to ``forget`` once they are told. Raises sqlite3.Error."""
        with closing(self._connection.execute(_READ, (limit,))) as rows:
            found = rows.fetchall()
        changes = []
        for _, time, pk, sk, before, after in found:
            key = Key(pk, sk)
            changes.append(Change(key, _image(key, before), _image(key, after), time))
        return changes, found[-1][0] if found else 0

    def forget(self, last: int) -> None:
        """Drop the changes up to this one."""
        self._connection.execute(_FORGET, (last,))

    def close(self) -> None:
        self._connection.close()


def _image(key: Key, body: bytes | None) -> Item | None:
    return None if body is None else unpack(key, body)
