"""What a reading of histories wants of each run: all its points, those of some steps, the first ones.

A reading says first, by the run's listing, which segments it should take, so that those of several runs are
read together; then it answers, of log, listing and segments, and may take more. How they are read is not
known here (``history``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cairn.domain.columns import Columns, Order, between, unite, within_steps
from cairn.storage.folded import Listing, Segment

Segments = Callable[[Sequence[Segment]], Iterable[Columns]]
"""Reads listed segments, in their order. Raises SegmentReplaced."""


@dataclass(frozen=True, slots=True)
class Known:
    """A run's unfolded points, and the listing that was read after them."""

    run_id: str
    log: Columns
    listing: Listing


class Reading(Protocol):
    def ahead(self, run: Known) -> Sequence[Segment]:
        """The segments that it should take, as far as the listing tells."""

    def answer(self, run: Known, read: Segments) -> Columns:
        """What is wanted, of all that was logged."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Every point, or those of some steps."""

    steps: tuple[int, int] | None

    def ahead(self, run: Known) -> Sequence[Segment]:
        if self.steps is None:
            return run.listing.segments
        low, high = self.steps
        return [segment for segment in run.listing.segments if segment.low <= high and segment.high >= low]

    def answer(self, run: Known, read: Segments) -> Columns:
        found = unite([*read(self.ahead(run)), run.listing.inline, run.log])
        return found if self.steps is None else within_steps(found, *self.steps)


@dataclass(frozen=True, slots=True)
class Part:
    """The first points behind a place."""

    after: Order | None
    limit: int

    def ahead(self, run: Known) -> Sequence[Segment]:
        return _enough(self._waiting(run), self.after, self.limit)

    def answer(self, run: Known, read: Segments) -> Columns:
        waiting = self._waiting(run)
        held: list[Columns] = []
        while True:
            chosen = _enough(waiting, self.after, self.limit)
            waiting = waiting[len(chosen) :]
            held += read(chosen)
            united = unite([*held, run.listing.inline, run.log])
            found = between(united, self.after, waiting[0].first if waiting else None)
            if not waiting or len(found.timestamps) >= self.limit:
                return found.cut(0, self.limit)

    def _waiting(self, run: Known) -> list[Segment]:
        return sorted(
            (s for s in run.listing.segments if self.after is None or s.last >= self.after[:2]),
            key=lambda s: s.first,
        )


class Firsts:
    """The first points of several runs: ``left`` altogether."""

    def __init__(self, left: int) -> None:
        self.left = left
        self._expected = left  # of the runs that nothing was read ahead for

    def ahead(self, run: Known) -> Sequence[Segment]:
        """Points may be in log and listing both: then a run gives less than is expected, and what the runs
        behind it should take more is not read ahead."""
        chosen = Part(None, self._expected).ahead(run)
        folded = sum(segment.points for segment in run.listing.segments)
        unfolded = len(run.listing.inline.timestamps) + len(run.log.timestamps)
        self._expected -= min(self._expected, folded + unfolded)
        return chosen

    def answer(self, run: Known, read: Segments) -> Columns:
        found = Part(None, self.left).answer(run, read)
        self.left -= len(found.timestamps)
        return found


def _enough(waiting: Sequence[Segment], after: Order | None, limit: int) -> list[Segment]:
    """The first segments that should give ``limit`` points behind ``after``, at least one if there is one.
    Of one that begins before, nothing is counted upon."""
    chosen: list[Segment] = []
    expected = 0
    for segment in waiting:
        if expected >= limit:
            break
        chosen.append(segment)
        if after is None or segment.first > after[:2]:
            expected += segment.points
    return chosen
