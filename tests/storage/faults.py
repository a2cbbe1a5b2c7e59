"""A table that fails on purpose: a crash around the n-th request, passing faults into every k-th one.

The faults lie below the retries, between ``EngineTable`` and its engine, so that a crash falls between any
two physical requests, and a throttle is met by the same code that meets a real one.
"""

import threading
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

from cairn.storage.engine import Engine, EngineTable
from cairn.storage.retry import Conflicted, PassingFault, Retry, Throttled
from cairn.storage.table import (
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


class Crash(Exception):
    """The process died here."""


class FaultyTable(EngineTable):
    """A table over the engine of another one.

    ``crash_before`` / ``crash_after``: the number (from 1) of the request around which Crash is raised;
    after it, the request has been carried out. Once crashed, every further request crashes, until
    ``restart``. ``every``: each such request (10: every tenth) meets one of ``faults`` in turn instead of
    the engine. ``lose_every``: each such request is carried out and its answer lost (``lost``).
    """

    def __init__(
        self,
        table: EngineTable,
        *,
        crash_before: int | None = None,
        crash_after: int | None = None,
        every: int | None = None,
        faults: Sequence[type[PassingFault]] = (Throttled, Conflicted),
        lose_every: int | None = None,
        lost: type[PassingFault] | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.faulty = FaultyEngine(table.engine, crash_before, crash_after, every, faults, lose_every, lost)
        super().__init__(self.faulty, retry or Retry(sleep=lambda seconds: None))

    @property
    def requests(self) -> int:
        """Requests so far, failed ones included."""
        return self.faulty.requests

    @property
    def injected(self) -> int:
        """Passing faults so far."""
        return self.faulty.injected

    def restart(self) -> None:
        """No more crashes."""
        self.faulty.crash_before = self.faulty.crash_after = None
        self.faulty.crashed = False


class FaultyEngine:
    ambiguous = True

    def __init__(
        self,
        engine: Engine,
        crash_before: int | None,
        crash_after: int | None,
        every: int | None,
        faults: Sequence[type[PassingFault]],
        lose_every: int | None,
        lost: type[PassingFault] | None,
    ) -> None:
        self.requests = 0
        self.injected = 0
        self.crashed = False
        self.crash_before = crash_before
        self.crash_after = crash_after
        self._engine = engine
        self._every = every
        self._faults = cycle(faults)
        self._lose_every = lose_every
        self._lost = lost
        self._lock = threading.Lock()

    def _carry_out(self, request: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            self.requests += 1
            number = self.requests
            fault = next(self._faults)() if self._every and number % self._every == 0 else None
            loses = self._lost is not None and self._lose_every and number % self._lose_every == 0
            self.injected += fault is not None or bool(loses)
            if self.crashed or number == self.crash_before:
                self.crashed = True
                raise Crash(f"before request {number}")
        if fault is not None:
            raise fault
        answer = request(*arguments)
        if number == self.crash_after:
            with self._lock:
                self.crashed = True
            raise Crash(f"after request {number}")
        if loses and self._lost is not None:
            raise self._lost
        return answer

    def get(self, key: Key, consistent: bool) -> Item | None:
        found: Item | None = self._carry_out(self._engine.get, key, consistent)
        return found

    def batch_get(self, keys: Sequence[Key], consistent: bool) -> tuple[dict[Key, Item], list[Key]]:
        found: tuple[dict[Key, Item], list[Key]] = self._carry_out(self._engine.batch_get, keys, consistent)
        return found

    def query(self, query: Query) -> Page:
        page: Page = self._carry_out(self._engine.query, query)
        return page

    def scan(self, scan: Scan) -> KeyPage:
        page: KeyPage = self._carry_out(self._engine.scan, scan)
        return page

    def put(self, put: Put) -> None:
        self._carry_out(self._engine.put, put)

    def update(self, update: Update) -> Item:
        after: Item = self._carry_out(self._engine.update, update)
        return after

    def delete(self, delete: Delete) -> Item | None:
        before: Item | None = self._carry_out(self._engine.delete, delete)
        return before

    def transact(self, writes: Sequence[TransactWrite], token: str | None) -> None:
        self._carry_out(self._engine.transact, writes, token)

    def batch_write(self, writes: Sequence[Put | Delete]) -> list[Put | Delete]:
        left: list[Put | Delete] = self._carry_out(self._engine.batch_write, writes)
        return left

    def close(self) -> None:
        self._engine.close()
