"""Sweeps: searches that must see every run of a set before they can answer the first of them.

A sweep holds the first matches that it has seen. What it drops comes behind its ceiling, so that everything
up to the ceiling is known once the set was seen whole; the next sweep begins there. A sweep that outlasts
a request carries what it holds, and where it stands, in the page token (``Progress``).
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cairn.domain.entities import Run
from cairn.errors import InvalidParameterValue
from cairn.search.cursor import checked
from cairn.search.order import Ordering, Position, SortKey

IDS, MARKS, RANGE, WALK = "ids", "marks", "range", "walk"
"""What is swept: runs named by the filter, dirty runs, a range of the index, entries of one rank in a walk;
or it is the walk itself that stopped."""

_SOURCES = frozenset({IDS, MARKS, RANGE, WALK})
_HELD = re.compile(r"(?:[0-9a-f]{32})*")
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a search stopped. ``reached``: the last of the set that was seen; ``number``: which range;
    ``time``: up to when marks were taken (ms); ``since``: the same of those behind ``reached``, where marks
    are swept; ``walked``: where the walk goes on, if it has begun; ``tried``: whether its ranges proved too
    large to be read."""

    source: str
    reached: str
    held: tuple[str, ...]
    ceiling: Position | None
    number: int
    time: int
    since: int = 0
    walked: str = ""
    tried: bool = False

    def text(self) -> str:
        held, times = held_text(self.held), [self.time, self.since]
        parts = [self.source, self.reached, held, self.ceiling, self.number, times, self.walked, self.tried]
        return json.dumps(parts, separators=(",", ":"))


def read_progress(text: str, ordering: Ordering[Any]) -> Progress:
    """Raises InvalidParameterValue for what no search of this order wrote."""
    try:
        source, reached, held, ceiling, number, (time, since), walked, tried = json.loads(text)
        position = None if ceiling is None else tuple((place, value) for place, value in ceiling)
    except (ValueError, TypeError, RecursionError):
        raise _refused() from None
    if not all(
        isinstance(part, str) and not _SURROGATES.search(part) for part in (source, reached, walked)
    ):
        raise _refused()
    if source not in _SOURCES or type(tried) is not bool:
        raise _refused()
    if any(type(part) is not int for part in (number, time, since)) or number < 0:
        raise _refused()
    if position is not None:
        checked(position, ordering)
    return Progress(source, reached, held_ids(held), position, number, time, since, walked, tried)


def held_text(run_ids: Sequence[str]) -> str:
    """Ids of runs as a progress carries them."""
    return "".join(run_ids)


def held_ids(text: object) -> tuple[str, ...]:
    """Raises InvalidParameterValue for what is no text of ids."""
    if not isinstance(text, str) or not _HELD.fullmatch(text):
        raise _refused()
    return tuple(re.findall(".{32}", text))


def _refused() -> InvalidParameterValue:
    return InvalidParameterValue("Invalid page token, its progress cannot be read")


class Top:
    """The first matches behind a floor, of runs that come in any order; at least ``most`` are held."""

    def __init__(
        self, ordering: Ordering[Run], most: int, floor: Position | None, ceiling: Position | None
    ) -> None:
        self._ordering = ordering
        self._most = most
        self._floor = None if floor is None else ordering.key(floor)
        self._rows: dict[str, tuple[SortKey, Run]] = {}
        self._waiting: list[tuple[SortKey, Run]] | None = None
        self.ceiling = ceiling
        self.taken: set[str] = set()
        """Every run that was ever held: what a walk passes over."""

    def key(self, run: Run) -> SortKey:
        return self._ordering.key(self._ordering.position(run))

    def follows(self, key: SortKey) -> bool:
        """Whether it lies behind the floor."""
        return self._floor is None or key > self._floor

    def exceeds(self, key: SortKey) -> bool:
        """Whether it lies behind the ceiling."""
        return self.ceiling is not None and key > self._ordering.key(self.ceiling)

    def sink(self, ceiling: Position) -> None:
        """What comes behind it is not known, or not asked for."""
        if self.ceiling is None or self._ordering.key(ceiling) < self._ordering.key(self.ceiling):
            self.ceiling = ceiling

    def rise(self, floor: Position | None) -> None:
        """Everything up to here has been answered."""
        self._floor = None if floor is None else self._ordering.key(floor)

    def add(self, run: Run) -> None:
        key = self.key(run)
        if not self.follows(key) or self.exceeds(key):
            return
        self._rows[run.info.run_id] = (key, run)
        self._waiting = None
        self.taken.add(run.info.run_id)
        if len(self._rows) > 2 * self._most:
            self.trim(self._most)

    def trim(self, most: int) -> None:
        """Hold no more than so many; the ceiling sinks to the last of them."""
        if len(self._rows) > most:
            rows = sorted(self._rows.values(), key=_key)[:most]
            self._rows = {run.info.run_id: (key, run) for key, run in rows}
            self._waiting = None
            self.ceiling = self._ordering.position(rows[-1][1])

    def before(self, key: SortKey | None) -> Iterator[Run]:
        """Take out those that come before a sort key (None: all of them), in order."""
        while waiting := self._queue():
            if key is not None and waiting[-1][0] >= key:
                return
            _, run = waiting.pop()
            del self._rows[run.info.run_id]
            yield run

    def held(self) -> Sequence[str]:
        return list(self._rows)

    def _queue(self) -> list[tuple[SortKey, Run]]:
        if self._waiting is None:
            self._waiting = sorted(self._rows.values(), key=_key, reverse=True)
        return self._waiting


def _key(row: tuple[SortKey, Run]) -> SortKey:
    return row[0]
