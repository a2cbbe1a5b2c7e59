"""The table in one SQLite file: the embedded engine of local mode, with DynamoDB's semantics.

WAL, so that readers and the writer do not wait for each other; every write is one IMMEDIATE transaction,
so that several processes may use the file. With ``synchronous=NORMAL`` a commit survives the end of the
process by any signal; losing power may cost the last commits, never the file's integrity. Connections are
pooled: a call takes one, gives it back, and no thread owns any.

An ordinary rowid table with its key's index beside it: measured against WITHOUT ROWID at four page sizes,
items of 4 KB are written in 38 us instead of 61 and read in 6 instead of 14 (4 KB pages).
"""

import hashlib
import sqlite3
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from cairn.domain.clock import Clock, system_clock
from cairn.errors import CairnError, InternalError, InvalidParameterValue, TemporarilyUnavailable
from cairn.storage import outbox as kept
from cairn.storage.engine import EngineTable
from cairn.storage.evaluate import holds, updated
from cairn.storage.limits import MAX_BATCH_GET_BYTES, MAX_PAGE, check_item
from cairn.storage.meter import Observer, batch_read_cost, read_cost, write_cost
from cairn.storage.retry import Retry
from cairn.storage.rows import pack, unpack
from cairn.storage.stream import Change, is_watched
from cairn.storage.table import (
    Check,
    ConditionFailed,
    Cost,
    Delete,
    Item,
    Key,
    KeyPage,
    Page,
    Put,
    Query,
    Scan,
    TransactWrite,
    Update,
)

TOKEN_LIFE = 10 * 60 * 1000
"""Milliseconds for which a transaction's token is remembered, as DynamoDB does."""

_BARE = len("pk") + len("sk") + len("f") + 2
"""Bytes of an item that is its key and its format, beside the key's own."""

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS items (
    pk BLOB NOT NULL, sk BLOB NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (pk, sk));
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, digest BLOB NOT NULL, expires INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS tokens_expires ON tokens (expires);
{kept.SCHEMA}"""
_VERSION = 1
_GET = "SELECT size, body FROM items WHERE pk = ? AND sk = ?"
_PUT = (
    "INSERT INTO items (pk, sk, size, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (pk, sk) DO UPDATE SET size = excluded.size, body = excluded.body"
)
_DELETE = "DELETE FROM items WHERE pk = ? AND sk = ?"

_SCANNED = 5_000  # keys of one page of a scan

_LOADED_TOGETHER = 200_000  # rows: about 100 MB while they are sorted

Row = tuple[bytes, bytes, int, bytes]
"""Key, size as DynamoDB counts it, and the packed item."""

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteTable(EngineTable):
    """The table port on a file; None as path: on a temporary file that goes with ``close``.

    ``timeout`` is how many seconds a call waits for another process's write before it raises
    TemporarilyUnavailable. With ``outbox`` each write that may be an event is kept for who tells of it
    (``storage.outbox``).
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        observer: Observer | None = None,
        retry: Retry | None = None,
        timeout: float = 10.0,
        clock: Clock = system_clock,
        outbox: bool = False,
    ) -> None:
        engine = SqliteEngine(path, observer=observer, timeout=timeout, clock=clock, outbox=outbox)
        super().__init__(engine, retry)


class SqliteEngine:
    """Single requests on a file: ``engine.Engine`` says what each does, ``EngineTable`` its price."""

    ambiguous = False

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        observer: Observer | None = None,
        timeout: float = 10.0,
        clock: Clock = system_clock,
        outbox: bool = False,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cairn-") if path is None else None
        self._path = str(path) if self._folder is None else f"{self._folder.name}/table.db"
        self._observer = observer
        self._timeout = timeout
        self._clock = clock
        self._outbox = outbox
        self._idle: deque[sqlite3.Connection] = deque()
        # Writers of this process queue here, fairly; SQLite's own waiting sleeps in growing steps.
        self._writing = threading.Lock()
        self._closed = False
        try:
            with self._connection() as connection:
                self._prepare(connection)
        except CairnError:
            self.close()
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            connection.execute("ROLLBACK")
            raise InternalError(f"The local table has format {version}: a newer Cairn wrote it.")
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")

    def close(self) -> None:
        """Close every connection; those that calls are using, when these end."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        if self._folder is not None:
            self._folder.cleanup()

    # -- requests ------------------------------------------------------------------------------------

    def get(self, key: Key, consistent: bool) -> Item | None:
        with self._connection() as connection:
            size, item = _read(connection, key)
        self._observe(read_cost("GetItem", key.pk, size, consistent))
        return item

    def batch_get(self, keys: Sequence[Key], consistent: bool) -> tuple[dict[Key, Item], list[Key]]:
        found: dict[Key, Item] = {}
        sizes: dict[Key, int] = {}
        total = 0
        with self._connection() as connection:
            # One snapshot for all costs less than one for each.
            connection.execute("BEGIN")
            for key in keys:
                size, item = _read(connection, key)
                if total + size > MAX_BATCH_GET_BYTES:
                    break
                total += size
                sizes[key] = size
                if item is not None:
                    found[key] = item
            connection.execute("COMMIT")
        self._observe(batch_read_cost(sizes, consistent))
        return found, list(keys[len(sizes) :])

    def query(self, query: Query) -> Page:
        statement, arguments = _select(query)
        if query.bare:
            return self._bare(query, statement, arguments)
        items: list[Item] = []
        total = 0
        full = False
        with self._connection() as connection, closing(connection.execute(statement, arguments)) as rows:
            before, same = b"", dict[str, Any]()
            for sk, size, body in rows:
                if items and total + size > MAX_PAGE:
                    full = True
                    break
                total += size
                if body != before:  # index entries differ in nothing but their keys
                    before, same = body, unpack(Key(query.pk, ""), body)
                items.append({**same, "sk": sk.decode()})
        # DynamoDB names a last key whenever it stopped at the limit, also where nothing follows.
        full = full or (query.limit is not None and len(items) == query.limit)
        self._observe(read_cost("Query", query.pk, total, query.consistent))
        return Page(items, items[-1]["sk"] if full else None)

    def _bare(self, query: Query, statement: str, arguments: Sequence[Any]) -> Page:
        """From the key's index alone: half the time."""
        pk, each = query.pk, len(query.pk.encode()) + _BARE
        items: list[Item] = []
        total = 0
        full = False
        with self._connection() as connection, closing(connection.execute(statement, arguments)) as rows:
            for (sk,) in rows:
                if items and total + each + len(sk) > MAX_PAGE:
                    full = True
                    break
                total += each + len(sk)
                items.append({"pk": pk, "sk": sk.decode()})
        full = full or len(items) == query.limit
        self._observe(read_cost("Query", pk, total, query.consistent))
        return Page(items, items[-1]["sk"] if full else None)

    def scan(self, scan: Scan) -> KeyPage:
        """By the key's index: what has another prefix costs nothing."""
        found: list[Key] = []
        total = 0
        with self._connection() as connection:
            for prefix in sorted(scan.prefixes):
                statement, arguments = _scan(prefix, scan.heads.get(prefix), scan.after)
                for pk, sk, size in connection.execute(statement, [*arguments, _SCANNED - len(found)]):
                    found.append(Key(pk.decode(), sk.decode()))
                    total += size
                if len(found) == _SCANNED:
                    break
        self._observe(read_cost("Scan", "", total, consistent=False))
        return KeyPage(found, found[-1] if len(found) == _SCANNED else None)

    def put(self, put: Put) -> None:
        self._write_one("PutItem", put)

    def update(self, update: Update) -> Item:
        _, after = self._write_one("UpdateItem", update)
        return {} if after is None else after

    def delete(self, delete: Delete) -> Item | None:
        before, _ = self._write_one("DeleteItem", delete)
        return before

    def transact(self, writes: Sequence[TransactWrite], token: str | None) -> None:
        sizes: list[tuple[Key, int, int]] = []
        failed: ConditionFailed | None = None
        with self._connection() as connection, self._transaction(connection):
            if token is not None and self._replayed(connection, writes, token):
                sizes = [(write.key, _read(connection, write.key)[0], 0) for write in writes]
                self._observe(_replay_cost(sizes))
                return
            for write in writes:
                size, before = _read(connection, write.key)
                if not holds(write.condition, before):
                    failed = failed or ConditionFailed(write.key, before)
                    sizes.append((write.key, size, 0))
                    continue
                after = _after(write, before)
                sizes.append((write.key, size, self._store(connection, write.key, before, after)))
            if failed is not None:
                connection.execute("ROLLBACK")
        self._observe(write_cost("TransactWriteItems", sizes, factor=2))
        if failed is not None:
            raise failed

    def batch_write(self, writes: Sequence[Put | Delete]) -> list[Put | Delete]:
        sizes: list[tuple[Key, int, int]] = []
        with self._connection() as connection, self._transaction(connection):
            for write in writes:
                size, before = _read(connection, write.key)
                after = _after(write, before)
                sizes.append((write.key, size, self._store(connection, write.key, before, after)))
        self._observe(write_cost("BatchWriteItem", sizes))
        return []

    def load(self, rows: Iterable[Row]) -> int:
        """Put items by the hundred thousand, sorted, each chunk in one transaction; how many they were.

        For filling a table that nobody serves yet: it is no request, is not metered, and what was loaded
        when it fails stays. 400,000 index entries take 3 s; in BatchWriteItem's 25, each read before it is
        written and each request a transaction, 37.
        """
        loaded = 0
        pending = iter(rows)
        while chunk := sorted(islice(pending, _LOADED_TOGETHER)):
            with self._connection() as connection, self._transaction(connection):
                connection.executemany(_PUT, chunk)
            loaded += len(chunk)
        return loaded

    # -- one write -----------------------------------------------------------------------------------

    def _write_one(self, operation: str, write: Put | Update | Delete) -> tuple[Item | None, Item | None]:
        """The item before and after; ConditionFailed leaves the table as it was."""
        with self._connection() as connection, self._transaction(connection):
            size, before = _read(connection, write.key)
            held = holds(write.condition, before)
            after = _after(write, before) if held else None
            stored = self._store(connection, write.key, before, after) if held else 0
        self._observe(write_cost(operation, [(write.key, size, stored)]))
        if not held:
            raise ConditionFailed(write.key, before)
        return before, after

    def _store(
        self, connection: sqlite3.Connection, key: Key, before: Item | None, after: Item | None
    ) -> int:
        """Make ``after`` the item of the key, and keep what may be an event; its bytes."""
        if self._outbox and after is not before and is_watched(key, before, after):
            kept.note(connection, Change(key, before, after, self._clock()))
        return _store(connection, key, before, after)

    def _replayed(
        self, connection: sqlite3.Connection, writes: Sequence[TransactWrite], token: str
    ) -> bool:
        """Whether the token has done its transaction; else it is remembered, in the same transaction."""
        now = self._clock()
        connection.execute("DELETE FROM tokens WHERE expires <= ?", (now,))
        digest = hashlib.sha256(repr(writes).encode()).digest()
        row = connection.execute("SELECT digest FROM tokens WHERE token = ?", (token,)).fetchone()
        if row is None:
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?)", (token, digest, now + TOKEN_LIFE))
            return False
        if row[0] != digest:
            raise InvalidParameterValue("The request repeats an idempotency key with other parameters.")
        return True

    # -- connections ---------------------------------------------------------------------------------

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of the pool, with SQLite's errors turned into Cairn's."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        except sqlite3.Error as error:
            raise _translated(error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise InternalError("The table is closed.")
        try:
            connection = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise _translated(error) from error
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # Move the log into the file every 16 MB instead of 4: the writer that has to do it is waiting.
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
            connection.execute(f"PRAGMA synchronous = {'OFF' if self._folder else 'NORMAL'}")
        except sqlite3.Error as error:
            connection.close()
            raise _translated(error) from error
        return connection

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        """One write transaction, committed unless the block raises or has rolled it back."""
        if not self._writing.acquire(timeout=self._timeout):
            raise _busy()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            if connection.in_transaction:
                connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._writing.release()

    def _observe(self, cost: Cost) -> None:
        if self._observer is not None:
            self._observer(cost)


def _read(connection: sqlite3.Connection, key: Key) -> tuple[int, dict[str, Any] | None]:
    """Bytes of the item as DynamoDB counts them (0: none), and the item."""
    row = connection.execute(_GET, (key.pk.encode(), key.sk.encode())).fetchone()
    return (0, None) if row is None else (row[0], unpack(key, row[1]))


def _after(write: TransactWrite, before: Item | None) -> Item | None:
    """The item that the write leaves, None for none."""
    match write:
        case Put(item):
            return item
        case Update(key, actions):
            return updated(key, before, actions)
        case Delete():
            return None
        case Check():
            return before


def _store(connection: sqlite3.Connection, key: Key, before: Item | None, after: Item | None) -> int:
    """Make ``after`` the item of the key; its bytes."""
    if after is None:
        if before is not None:
            connection.execute(_DELETE, (key.pk.encode(), key.sk.encode()))
        return 0
    if after is before:
        return check_item(after)
    row = row_of(after)
    connection.execute(_PUT, row)
    return row[2]


def row_of(item: Item) -> Row:
    """The item as its row. Raises ItemRefused for what DynamoDB would not hold."""
    return item["pk"].encode(), item["sk"].encode(), check_item(item), pack(item)


def _select(query: Query) -> tuple[str, list[Any]]:
    """The statement of a query. A prefix ends before itself with its last byte raised by one, which UTF-8
    always allows (it has no 0xFF)."""
    clauses, arguments = ["pk = ?"], [query.pk.encode()]

    def demand(clause: str, value: bytes) -> None:
        clauses.append(clause)
        arguments.append(value)

    if query.low is not None:
        demand("sk >= ?", query.low.encode())
    if query.high is not None:
        demand("sk <= ?", query.high.encode())
    if query.prefix is not None:
        prefix = query.prefix.encode()
        demand("sk >= ?", prefix)
        demand("sk < ?", prefix[:-1] + bytes((prefix[-1] + 1,)))
    if query.after is not None:
        demand("sk > ?" if query.forward else "sk < ?", query.after.encode())
    order = "ASC" if query.forward else "DESC"
    limit = -1 if query.limit is None else query.limit
    where = " AND ".join(clauses)
    # The clauses are the literals above; every value is an argument.
    columns = "sk" if query.bare else "sk, size, body"
    statement = f"SELECT {columns} FROM items WHERE {where} ORDER BY sk {order} LIMIT ?"  # noqa: S608
    return statement, [*arguments, limit]


def _scan(prefix: str, head: str | None, after: Key | None) -> tuple[str, list[Any]]:
    low = prefix.encode()
    where, arguments = "pk >= ? AND pk < ?", [low, low + b"\xff"]  # which no UTF-8 holds
    if after is not None:
        where += " AND (pk, sk) > (?, ?)"
        arguments += [after.pk.encode(), after.sk.encode()]
    if head is not None:
        where += " AND sk = ?"
        arguments.append(head.encode())
    return f"SELECT pk, sk, size FROM items WHERE {where} ORDER BY pk, sk LIMIT ?", arguments  # noqa: S608


def _replay_cost(sizes: Sequence[tuple[Key, int, int]]) -> Cost:
    """A transaction that was done before is billed as a transactional read of its items."""
    units = batch_read_cost({key: size for key, size, _ in sizes}, consistent=True)
    partitions = {pk: 2 * unit for pk, unit in units.partitions.items()}
    return Cost("TransactWriteItems", read_units=2 * units.read_units, partitions=partitions)


def _translated(error: sqlite3.Error) -> CairnError:
    """Cairn's error for SQLite's: waiting helps when another process writes, nothing helps otherwise."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
        return _busy()
    return InternalError(f"The local table failed: {error}")


def _busy() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Another process has been writing to the local table for too long.")
