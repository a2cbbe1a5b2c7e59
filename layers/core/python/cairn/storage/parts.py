"""A search of more experiments than are walked together: it goes through them part by part.

Marks and first entries of an experiment are a request each, so that many experiments are a sweep as the
others are (``storage.sweep``): it holds the first matches of the parts that it has seen, and what it drops
comes behind its ceiling. Nothing is answered before every part was seen up to there. A part is a search of
its own, which ends at the ceiling.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from cairn.domain.entities import Run
from cairn.errors import InvalidParameterValue
from cairn.search import cursor
from cairn.search.order import Ordering, Position
from cairn.search.plan import Pause, Search
from cairn.storage.budget import Budget
from cairn.storage.matches import Matches
from cairn.storage.sweep import Top, held_ids, held_text

PARTS = "parts"

Rows = Callable[[Search, Position | None], Iterator[Run | Pause]]
"""A search of one part of the experiments, up to a ceiling."""


@dataclass(frozen=True, slots=True)
class PartsProgress:
    """Where a search stopped. ``passed``: how many of its experiments were seen; ``within``: what a Pause
    said of the part that follows, where it has begun; ``held`` and ``ceiling`` as in every sweep."""

    passed: int
    within: Position | None
    held: tuple[str, ...]
    ceiling: Position | None

    def text(self) -> str:
        parts = [PARTS, self.passed, self.within, held_text(self.held), self.ceiling]
        return json.dumps(parts, separators=(",", ":"))


def read_parts(text: str, ordering: Ordering[Any]) -> PartsProgress:
    """Raises InvalidParameterValue for what no search of this order and of many experiments wrote."""
    try:
        kind, passed, within, held, ceiling = json.loads(text)
        position = None if within is None else tuple((place, value) for place, value in within)
        highest = None if ceiling is None else tuple((place, value) for place, value in ceiling)
    except (ValueError, TypeError, RecursionError):
        raise _refused() from None
    if kind != PARTS or type(passed) is not int or passed < 0:
        raise _refused()
    if position is not None:
        cursor.resumed(position, ordering)
    if highest is not None:
        cursor.checked(highest, ordering)
    return PartsProgress(passed, position, held_ids(held), highest)


def _refused() -> InvalidParameterValue:
    return InvalidParameterValue("Invalid page token, its progress cannot be read")


class Parts:
    """``search`` part by part; ``rows`` carries out each, within the same budget."""

    def __init__(self, search: Search, matches: Matches, budget: Budget, rows: Rows) -> None:
        before = None if search.progress is None else read_parts(search.progress, search.ordering)
        self._search = search
        self._matches = matches
        self._budget = budget
        self._bounds = budget.bounds
        self._rows = rows
        self._before = before
        self._most = min(search.expected, self._bounds.most)
        ceiling = None if before is None else before.ceiling
        self._top = Top(search.ordering, self._most, search.after, ceiling)

    def rows(self) -> Iterator[Run | Pause]:
        """1 BatchGetItem per 99 runs held, then each part as a search of its own; the first part that a
        request begins is read in any case, the next only where what the dearest took is left."""
        passed, within = 0, None
        if self._before is not None:
            passed, within = self._before.passed, self._before.within
            for run in self._matches.recall(self._before.held):
                self._top.add(run)
        dearest = 0.0
        while passed < len(self._search.experiment_ids):
            if dearest and self._budget.is_spent(dearest + self._bounds.overdraft):
                yield self._pause(passed, within)
                return
            began = self._budget.units
            within = self._see(passed, within)
            dearest = max(dearest, began - self._budget.units)
            if within is None:
                passed += self._bounds.experiments
        yield from self._top.before(None)
        if self._top.ceiling is not None:
            yield Pause(self._top.ceiling)

    def _see(self, passed: int, within: Position | None) -> Position | None:
        """Hold what a part has for the page; where it paused before its end."""
        search, top = self._search, self._top
        after, progress = search.after, None
        if within is not None:
            after, progress = cursor.resumed(within, search.ordering)
        ids = search.experiment_ids[passed : passed + self._bounds.experiments]
        part = replace(search, experiment_ids=ids, after=after, progress=progress)
        for count, row in enumerate(self._rows(part, top.ceiling), 1):
            if isinstance(row, Pause):
                return None if self._is_behind(row.position) else row.position
            top.add(row)
            if count == self._most:
                top.sink(search.ordering.position(row))
                break
        top.trim(self._most)
        return None

    def _is_behind(self, position: Position) -> bool:
        """Whether a part that goes on from there has nothing for the page."""
        after, progress = cursor.resumed(position, self._search.ordering)
        if progress is not None or after is None or self._top.ceiling is None:
            return False
        return self._search.ordering.key(after) >= self._search.ordering.key(self._top.ceiling)

    def _pause(self, passed: int, within: Position | None) -> Pause:
        self._top.trim(self._matches.carried)
        progress = PartsProgress(passed, within, tuple(self._top.held()), self._top.ceiling)
        return Pause(((cursor.RESUMED, progress.text()), *(self._search.after or ())))
