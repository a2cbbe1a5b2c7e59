"""The dirty runs of a search: which of them it has yet to take from memory, over all of its requests.

The indexer moves entries of runs that have been marked for ``quiet`` ms: for as long after a search has
read the marks, no run moves but those that it took. One that goes on later than ``Bounds.patience`` begins
another round: of the marks as they are then, it takes those that are newer than the round before. A run
that was written and indexed between two rounds has moved without a trace. That harms no walk, in which a
run's place follows from its sort key, unless it moves at this very moment; but it does harm a range.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from cairn.storage import keys
from cairn.storage.budget import Bounds
from cairn.storage.sweep import MARKS, RANGE, Progress
from cairn.storage.table import Item, Page, Query
from cairn.storage.together import LANES
from cairn.storage.walk import Walks

_ALL = "g"  # behind every run


class Marks:
    """``before``: what the search knew when it paused. ``time``: now (ms). ``moved``: only those marks
    count whose run has changed its life-cycle group."""

    def __init__(
        self, walks: Walks, before: Progress | None, time: int, bounds: Bounds, *, moved: bool
    ) -> None:
        self._walks = walks
        self._moved = moved
        self._slack = bounds.slack
        self._page = bounds.page
        self.dirty: set[str] = set()
        """Runs that were taken from memory, as far as this request knows: their entries are passed over."""
        self._reached, self._time, self._since = "", 0, 0  # up to here those before then, of the rest since
        if before is not None:
            self._reached = before.reached if before.source == MARKS else _ALL
            self._time, self._since = before.time, before.since
        age = time - self._time
        self.is_lost = not 0 <= age <= bounds.patience
        """Whether runs may have moved without a trace since the search paused."""
        ranged = before is not None and before.source == RANGE
        self._is_new = self.is_lost or (ranged and age > bounds.patience // 2)
        self.round = time if self._is_new else self._time
        """When the marks of this round began to be read: it stands for every mark up to that time."""

    @property
    def since(self) -> int:
        """The time up to which those marks were taken that this round has not come to."""
        return self._time if self._is_new and self._reached == _ALL else self._since

    def unseen(self, experiments: Sequence[str]) -> Iterator[tuple[str, str | None]]:
        """The marks that this round has yet to come to, in their order, and their runs; None for one that
        was taken in the round before, and at the end of an experiment. 1 Query per page of marks (about 100
        bytes each) of an experiment, the first of several experiments side by side; none where the round is
        at its end."""
        begin = "" if self._is_new else self._reached
        left = [experiment for experiment in experiments if experiment + _ALL > begin]
        for start in range(0, len(left), LANES):
            queries = [
                Query(
                    keys.dirty_partition(experiment),
                    limit=None if len(left) == 1 else self._page,
                    after=begin if begin[:16] == experiment else None,
                )
                for experiment in left[start : start + LANES]
            ]
            pages = self._walks.together([partial(self._walks.query, query) for query in queries])
            for experiment, query, page in zip(left[start:], queries, pages, strict=False):
                yield from self._of(page)
                while page.after is not None:
                    page = self._walks.query(replace(query, after=page.after))
                    yield from self._of(page)
                yield experiment + _ALL, None

    def _of(self, page: Page) -> Iterator[tuple[str, str | None]]:
        for mark in page.items:
            if "g" in mark or not self._moved:
                self.dirty.add(mark["sk"])
                yield mark["sk"], None if self._was_taken(mark) else mark["sk"]

    def _was_taken(self, mark: Item) -> bool:
        """A mark may bear a time before that at which it is set: requests take a while, clocks differ."""
        known: int = self._time if mark["sk"] <= self._reached else self._since
        return bool(mark["t"] < known - self._slack)
