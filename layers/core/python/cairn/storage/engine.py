"""From single requests to the table port: limits, chunks, repeats; the same for every engine.

An ``Engine`` carries out one physical request at a time and raises ``retry.PassingFault`` where it may be
repeated. ``EngineTable`` is the port on top of it: it refuses what DynamoDB would refuse, cuts batches into
requests, asks again for what was not processed, and repeats passing faults.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from cairn.storage.evaluate import same
from cairn.storage.limits import (
    MAX_BATCH_GET,
    MAX_BATCH_WRITE,
    check_batch_write,
    check_key,
    check_query,
    check_transaction,
    check_write,
)
from cairn.storage.retry import PassingFault, Retry, Throttled
from cairn.storage.table import (
    ConditionFailed,
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

Answer = TypeVar("Answer")


class Engine(Protocol):
    """One physical request a call. Raises ConditionFailed, a PassingFault, or an error of Cairn's."""

    ambiguous: bool
    """Whether a request that failed may have been carried out: its answer can be lost on the way."""

    def get(self, key: Key, consistent: bool) -> Item | None:
        """GetItem."""

    def batch_get(self, keys: Sequence[Key], consistent: bool) -> tuple[dict[Key, Item], list[Key]]:
        """BatchGetItem of at most 100 keys: what was found, and the keys that were not processed."""

    def query(self, query: Query) -> Page:
        """Query; bounds are not empty and in order, ``after`` lies between them."""

    def scan(self, scan: Scan) -> KeyPage:
        """Scan."""

    def put(self, put: Put) -> None:
        """PutItem."""

    def update(self, update: Update) -> Item:
        """UpdateItem."""

    def delete(self, delete: Delete) -> Item | None:
        """DeleteItem."""

    def transact(self, writes: Sequence[TransactWrite], token: str | None) -> None:
        """TransactWriteItems."""

    def batch_write(self, writes: Sequence[Put | Delete]) -> list[Put | Delete]:
        """BatchWriteItem of at most 25: the writes that were not processed."""

    def close(self) -> None:
        """Give back files and connections."""


class EngineTable:
    """The table port over an engine."""

    def __init__(self, engine: Engine, retry: Retry | None = None) -> None:
        self.engine = engine
        self.retry = retry or Retry()

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        """1 GetItem; 1 read unit per 4 KB (half when eventually consistent), also for what is not there."""
        check_key(key)
        return self.retry.call(lambda: self.engine.get(key, consistent))

    def batch_get(self, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Item]:
        """1 BatchGetItem per 100 keys or 16 MB; each item rounds up to 4 KB, a missing one counts 1 unit.
        No keys, no request."""
        for key in keys:
            check_key(key)
        found: dict[Key, Item] = {}

        def request(chunk: list[Key]) -> list[Key]:
            items, rest = self.engine.batch_get(chunk, consistent)
            found.update(items)
            return rest

        self._in_chunks(list(dict.fromkeys(keys)), MAX_BATCH_GET, request)
        return found

    def query(self, query: Query) -> Page:
        """1 Query; the sum of the item sizes rounds up to 4 KB, at least 1 unit (half when eventually
        consistent). No request where the bounds leave nothing."""
        check_query(query)
        sound = _sound(query)
        return Page(()) if sound is None else self.retry.call(lambda: self.engine.query(sound))

    def scan(self, scan: Scan) -> KeyPage:
        """1 Scan; on DynamoDB half a read unit per 4 KB of all that lies there, up to 1 MB."""
        return self.retry.call(lambda: self.engine.scan(scan))

    def put(self, put: Put) -> None:
        """1 PutItem; 1 write unit per KB of the larger of old and new item; of the old one when the
        condition fails."""
        check_write(put)
        faults: list[PassingFault] = []
        try:
            self.retry.call(lambda: self.engine.put(put), faults.append)
        except ConditionFailed as failed:
            # The answer of an earlier attempt was lost: the item that stands in the way is our own.
            lost = any(fault.ambiguous for fault in faults)
            if not (lost and failed.item is not None and same(dict(failed.item), dict(put.item))):
                raise

    def update(self, update: Update) -> Item:
        """1 UpdateItem; 1 write unit per KB of the larger of the item before and after. A lost answer is
        repeated: an Add may then count twice, where no condition holds it back."""
        check_write(update)
        return self.retry.call(lambda: self.engine.update(update))

    def delete(self, delete: Delete) -> Item | None:
        """1 DeleteItem; 1 write unit per KB of the item."""
        check_write(delete)
        return self.retry.call(lambda: self.engine.delete(delete))

    def transact(self, writes: Sequence[TransactWrite], *, token: str | None = None) -> None:
        """1 TransactWriteItems; 2 write units per KB of each item, checked ones included. A token makes a
        repeat within 10 minutes a success that changes nothing."""
        check_transaction(writes, token)
        if token is None and self.engine.ambiguous:
            token = str(uuid.uuid4())
        self.retry.call(lambda: self.engine.transact(writes, token))

    def batch_write(self, writes: Sequence[Put | Delete]) -> None:
        """1 BatchWriteItem per 25; 1 write unit per KB of the larger of each item before and after. No
        writes, no request."""
        check_batch_write(writes)
        self._in_chunks(list(writes), MAX_BATCH_WRITE, self.engine.batch_write)

    def close(self) -> None:
        """Give back files and connections; calls after it fail."""
        self.engine.close()

    def _in_chunks(
        self, pending: list[Answer], most: int, request: Callable[[list[Answer]], list[Answer]]
    ) -> None:
        """Requests of at most ``most`` until nothing is left, with waits while some was not processed."""
        stalls = 0
        while pending:
            chunk, pending = pending[:most], pending[most:]
            rest = self.retry.call(partial(request, chunk))
            pending += rest
            stalls = stalls + 1 if len(rest) == len(chunk) else 0
            if stalls >= self.retry.attempts:
                raise Throttled("nothing was processed").spent()
            if rest:
                self.retry.wait(stalls or 1)


def _sound(query: Query) -> Query | None:
    """The query without bounds that DynamoDB refuses (empty, or outside each other); None: no answers."""
    low, high, prefix, after = query.low or None, query.high, query.prefix or None, query.after
    if high == "" or (low is not None and high is not None and low > high):
        return None
    if after is not None:
        first, last = low or prefix, high
        beyond_prefix = prefix is not None and not after.startswith(prefix)
        if query.forward:
            if (last is not None and after >= last) or (beyond_prefix and after > (prefix or "")):
                return None
            if first is not None and after < first:
                after = None
        else:
            if first is not None and after <= first:
                return None
            if (last is not None and after > last) or beyond_prefix:
                after = None
    if (low, prefix, after) == (query.low, query.prefix, query.after):
        return query
    return replace(query, low=low, high=high, prefix=prefix, after=after)
