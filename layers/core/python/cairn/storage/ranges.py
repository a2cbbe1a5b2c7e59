"""Ranges of the index that hold every match of a search: how large they are, and which runs are in them.

A range is gone through by value, its partitions merged, so that a run which changes its life-cycle stage
keeps its place. Entries are sieved by what they say alone; the facts are another module's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from cairn.search import index
from cairn.search.match import value_test
from cairn.search.plan import Plan, Range, Walk
from cairn.search.tree import Comparison
from cairn.storage import keys
from cairn.storage.budget import Budget
from cairn.storage.walk import Walks

Entry = tuple[str, str | None]
"""The sort key of an entry, and its run; None where the entry shows that the run does not match."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A range as far as it was read: whether to its end, how many entries, which runs."""

    number: int
    ended: bool
    entries: int
    run_ids: frozenset[str]


class Ranges:
    """The ranges of a plan over ``partitions`` (experiment, group), which may be filled in later."""

    def __init__(
        self, walks: Walks, budget: Budget, partitions: Sequence[tuple[str, str]], plan: Plan
    ) -> None:
        self._walks = walks
        self._budget = budget
        self._bounds = budget.bounds
        self._partitions = partitions
        self._ranges = plan.ranges
        self._useless = plan.useless
        self._absent = plan.absent
        self._read: dict[int, list[Entry]] = {}

    def smallest(self) -> int | None:
        """The range with the fewest runs of those that have few. 1 Query for each partition and span of a
        range, unless those are many."""
        best: int | None = None
        for number, one in enumerate(self._ranges):
            streams = len(self._partitions) * len(one.spans)
            if number in self._useless or streams > self._bounds.streams or self._budget.is_spent():
                continue
            entries: list[Entry] = []
            for entry in self._walk(one, "", self._bounds.probe + 1):
                entries.append(entry)
                if len(entries) > self._bounds.probe:
                    break
            else:
                self._read[number] = entries
                if best is None or _runs(entries) < _runs(self._read[best]):
                    best = number
        return best

    def entries(self, number: int, reached: str) -> Iterator[Entry]:
        """The entries of a range, from behind a sort key; read once in a request."""
        if not reached and number in self._read:
            return iter(self._read[number])
        return self._walk(self._ranges[number], reached, _MANY)

    def whole(self, rest: float) -> Iterator[Whole]:
        """Each range that may save so many units, as far as it is worth them (``_as_far``)."""
        for number, one in enumerate(self._ranges):
            if number in self._useless or rest <= (self._bounds.worth_all if one.is_whole else 0):
                continue
            count, found, ended = self._as_far(one, rest)
            if ended:
                self._read[number] = found
            yield Whole(number, ended, count, frozenset(filter(None, map(itemgetter(1), found))))

    def absent(self, rest: float) -> Iterator[str]:
        """Runs that do not match: all that have what must be missing, where reading those is worth it."""
        for one in self._absent:
            if rest <= self._bounds.worth_all:
                return
            _, found, ended = self._as_far(one, rest)
            if ended:
                yield from filter(None, map(itemgetter(1), found))

    def _as_far(self, one: Range, rest: float) -> tuple[int, list[Entry], bool]:
        """How many entries were read, those that pass its sieve, and whether that is all: for at most half
        of the units that it may save, or as far as leaves something of the budget. Thirty entries cost a
        unit, as a run's facts do, but the time of two."""
        floor = self._budget.units - rest / 2
        count, found = 0, list[Entry]()
        for entry in self._walk(one, "", _MANY):
            count += 1
            if entry[1] is not None:
                found.append(entry)
            if self._budget.units < floor or self._budget.is_spent(self._bounds.reserve):
                return count, found, False
        return count, found, True

    def is_sieved(self, number: int) -> bool:
        """Whether entries of the range may show that their runs do not match."""
        return _sieve(self._ranges[number]) is not None

    def _walk(self, one: Range, reached: str, expected: int) -> Iterator[Entry]:
        walk = Walk(one.field, one.spans, ascending=True, by_value=True)
        partitions = [keys.index_partition(*partition, one.field) for partition in self._partitions]
        accepts = _sieve(one)
        for found in self._walks.merged(partitions, walk, reached or None, expected):
            passes = accepts is None or accepts(found.value)
            yield found.value + found.position, found.run_id if passes else None


_MANY = 1_000


def _runs(entries: Sequence[Entry]) -> int:
    return len({run_id for _, run_id in entries if run_id is not None})


def _sieve(one: Range) -> Callable[[str], bool] | None:
    """Whether an entry's value may meet the comparison, as far as the entry says; None: all of them."""
    comparison = one.comparison
    if not isinstance(comparison.value, str) or comparison.comparator == "=":
        return None
    test = value_test(comparison.comparator, comparison.value)
    return lambda value: index.is_cut(value) or test(index.from_text(value))


def name_sieve(comparisons: Sequence[Comparison]) -> Callable[[str], bool] | None:
    """Whether a run's name, as its entry in the default order has it, may meet the comparisons."""
    if not comparisons:
        return None
    tests = [value_test(one.comparator, one.value) for one in comparisons if one.comparator not in _NULLS]
    wanted = [one.comparator != "IS NULL" for one in comparisons]

    def passes(name: str) -> bool:
        if any(bool(name) is not one for one in wanted):
            return False
        return not name or index.is_cut(name) or all(test(index.from_text(name)) for test in tests)

    return passes


_NULLS = ("IS NULL", "IS NOT NULL")


def encoded(field: str, value: int | float | str) -> str:
    """A value as the entries of its field hold it."""
    if isinstance(value, str):
        return index.text(value)
    return index.number(float(value)) if field[:1] == index.METRIC else index.integer(int(value))
