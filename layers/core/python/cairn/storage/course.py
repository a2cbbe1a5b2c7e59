"""The course of a search's walk: its entries in order, and where a run or a position lies in it.

Values come first, then NaN, then, by the default order, what has no value. Entries of one rank are those
whose order among each other the facts decide. Which of the entries' runs match is not known here.
"""

from collections.abc import Callable, Iterator, Sequence

from cairn.domain.entities import Run
from cairn.search import index
from cairn.search.order import MISSING, NAN, Ordering, Position
from cairn.search.plan import DEFAULT_ORDER, LAST, Span, Walk
from cairn.storage import keys
from cairn.storage.ranges import encoded
from cairn.storage.visible import Group
from cairn.storage.walk import Found, Skips, Walks, found_of, walk_key

_MORE = 10  # entries that are read beyond those expected
_FIRST, _FINAL = "0" * 48, "g" * 48  # before and after every position


class Course:
    """A walk over ``groups``, which may be filled in later, up to a ceiling that may sink meanwhile."""

    def __init__(
        self,
        walks: Walks,
        groups: Sequence[Group],
        walk: Walk,
        ordering: Ordering[Run],
        expected: int,
        ceiling: Callable[[], Position | None],
        skips: Skips,
    ) -> None:
        self._walks = walks
        self._groups = groups
        self._walk = walk
        self._ordering = ordering
        self._expected = expected
        self._ceiling = ceiling
        self._skips = skips

    def entries(self, start: str | None) -> Iterator[Found]:
        """The entries in order, from behind a place; None: from the beginning. Of what lies wholly behind
        the ceiling nothing is read."""
        walk = self._walk
        if not walk.by_value:
            yield from self._found(walk, None if start is None else start[-len(_FIRST) :])
            return
        value = "v" if start is None else start[: -len(_FIRST)]
        if value[:1] == index.VALUES:
            yield from self._found(walk, start)
            start = None
        if walk.with_nan and value and self._reaches(index.NANS):
            span = Span(index.NANS, index.NANS + LAST)
            yield from self._found(Walk(walk.field, (span,), ascending=True, by_value=True), start)
            start = None
        if walk.with_missing and self._reaches(""):
            all_runs = Walk(DEFAULT_ORDER, (Span("", LAST),), ascending=True, by_value=False)
            yield from self._found(all_runs, start)

    def _found(self, walk: Walk, start: str | None) -> Iterator[Found]:
        """The entries of a walk, up to the ceiling."""
        partitions = [keys.index_partition(*group, walk.field) for group in self._groups]
        key = walk_key(walk)
        edge: tuple[Position | None, Found] = None, Found("", "")
        entries = self._walks.merged(partitions, walk, start, self._expected + _MORE, self._skips)
        for found in entries:
            ceiling = self._ceiling()
            if ceiling is not None:
                if ceiling is not edge[0]:
                    edge = ceiling, found_of(self.place(ceiling, _FINAL))
                if (self._phase(found), key(found)) > (self._phase(edge[1]), key(edge[1])):
                    return
            yield found

    def _reaches(self, phase: str) -> bool:
        """Whether anything of a phase can lie before the ceiling, or at it."""
        ceiling = self._ceiling()
        if ceiling is None:
            return True
        return _phase(phase) <= _phase(found_of(self.place(ceiling, _FINAL)).value)

    def rank(self, found: Found) -> object:
        """Equal for entries whose order is in the facts. Those of a text that was cut share a value."""
        match self._walk.ties:
            case "value":
                return found.value
            case "start":
                return found.position[:16]
            case "all":
                return ""
        return found.value if self._walk.by_value and index.is_cut(found.value) else found.position

    def rank_of(self, run: Run) -> object:
        """The rank of the entry with which the walk should meet the run."""
        value = self._value(run) if self._walk.by_value else ""
        return self.rank(Found(value, keys.run_position(run.info.start_time, run.info.run_id)))

    def rank_at(self, position: Position) -> object:
        return self.rank(found_of(self.place(position)))

    def start(self, after: Position | None) -> str | None:
        """Where the walk begins: behind its floor, or with the group of equal rank that the floor is in."""
        return None if after is None or self._walk.ties == "all" else self.place(after)

    def place(self, position: Position, tied: str = _FIRST) -> str:
        """The end of the sort key of a position; where its rank is shared, what comes before those of its
        rank, or (``_FINAL``) after them."""
        walk = self._walk
        tail = keys.run_position(int(position[-2][1]), str(position[-1][1]))
        if walk.ties == "all":
            return tied
        if walk.ties == "start":
            return tail[:16] + tied[16:]
        if not walk.by_value:
            return tail
        value = self._encoded(*position[0])
        return value + (tied if walk.ties == "value" or index.is_cut(value) else tail)

    def is_of(self, found: Found, run: Run) -> bool:
        """Whether the entry says what the run's facts say: an entry is a hint."""
        if found.position != keys.run_position(run.info.start_time, found.run_id):
            return False
        return not self._walk.by_value or found.value == self._value(run)

    def _value(self, run: Run) -> str:
        """What the run's entry in the walked field would be; empty where it has none."""
        return self._encoded(*self._ordering.columns[0].place(run))

    def _encoded(self, place: int, value: int | float | str) -> str:
        if place == MISSING:
            return ""
        return index.NANS if place == NAN else encoded(self._walk.field, value)

    def _phase(self, found: Found) -> int:
        return _phase(found.value) if self._walk.by_value else 0


def _phase(value: str) -> int:
    """In which order values, NaN and what has no value come."""
    return (index.VALUES, index.NANS, "").index(value[:1])
