"""Carries out the plan of a search of runs: which entries are read, in which order, for how much.

Recently written runs (those with a dirty mark) are read and matched in memory, all others are found by
the index. Marks are read first: a run that is indexed between the two reads is taken from memory, and its
entries are passed over. Every run is matched by its facts. A search ends early, with the position that it
has reached, before it has spent more than its budget.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice

from cairn.domain.entities import Run
from cairn.domain.lifecycle import Stage, groups_of_view
from cairn.errors import TemporarilyUnavailable
from cairn.ids import experiment_hex
from cairn.search import index
from cairn.search.match import value_test
from cairn.search.order import MISSING, NAN, Position, SortKey
from cairn.search.plan import DEFAULT_ORDER, LAST, Pause, Range, Search, Span
from cairn.storage import dirty, keys
from cairn.storage.runs import Runs
from cairn.storage.table import Table
from cairn.storage.walk import Found, Walks, walk_key

READ_UNITS = 3_600
"""A search stops here; one more batch of facts stays below the promised 4,000."""

SECONDS = 4.0
"""A search stops after as long; it is promised to answer within 5."""

_BATCH = 99
_MORE = 10  # runs that are read at least where a batch did not fill the page
_PROBE = 400  # entries of a range that are read to learn how many there are
_TRIAL = 300  # runs of a walk that are matched before its ranges are read whole
_RARE = 10  # one match in as many runs, or fewer: reading the range pays
_MEMBERS = 60_000  # entries of a range that are held as a set: about 2,000 read units


@dataclass(slots=True)
class Budget:
    """Read units and seconds of one search; ``now`` is a monotonic clock in seconds."""

    now: Callable[[], float]
    units: float = READ_UNITS
    seconds: float = SECONDS
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = self.now() + self.seconds

    def spend(self, units: float) -> None:
        self.units -= units

    def is_spent(self) -> bool:
        return self.units <= 0 or self.now() > self._deadline


class RunIndex:
    """Searches of runs on a table (``services.ports.RunIndex``)."""

    def __init__(self, table: Table, runs: Runs, now: Callable[[], float]) -> None:
        self._table = table
        self._runs = runs
        self._now = now

    def search(self, search: Search) -> Iterator[Run | Pause]:
        """The runs that match, in order, from behind ``after``; a Pause as the last where the budget ended.

        1 BatchGetItem of experiments and 1 Query of marks for each, 1 BatchGetItem per 99 runs matched, 1
        Query per 1,000 entries walked (less at first).
        """
        return _Execution(self._table, self._runs, search, Budget(self._now)).rows()


class _Execution:
    def __init__(self, table: Table, runs: Runs, search: Search, budget: Budget) -> None:
        self._table = table
        self._runs = runs
        self._search = search
        self._budget = budget
        self._walks = Walks(table, budget.spend, search.expected + _MORE)
        ordering, after = search.ordering, search.after
        self._floor = None if after is None else ordering.key(after)
        self._dirty: set[str] = set()

    def rows(self) -> Iterator[Run | Pause]:
        search, plan = self._search, self._search.plan
        if plan.run_ids is not None:
            yield from self._sorted(self._of_experiments(plan.run_ids))
            return
        partitions = self._partitions()
        recent = self._recent()
        candidates = self._candidates(partitions)
        if candidates is not None:
            found = self._sorted([run_id for run_id in candidates if run_id not in self._dirty])
            yield from (run for _, run in heapq.merge(self._keyed(recent), self._keyed(found), key=_first))
            return
        if plan.field is None:
            every = chain(recent, self._all_runs(partitions))
            yield from heapq.nsmallest(search.expected, every, key=self._key)
            return
        waiting = self._keyed(recent)
        held = next(waiting, None)
        for step in self._walked(partitions):
            key = search.ordering.key(
                step.position if isinstance(step, Pause) else search.ordering.position(step)
            )
            while held is not None and held[0] < key:
                yield held[1]
                held = next(waiting, None)
            yield step
            if isinstance(step, Pause):
                return
        if held is not None:
            yield from (run for _, run in chain([held], waiting))

    def _partitions(self) -> list[tuple[str, str]]:
        """Experiment and group of everything that the view shows."""
        experiments = [
            found for one in self._search.experiment_ids if (found := experiment_hex(one)) is not None
        ]
        heads = self._table.batch_get([keys.experiment_head(one) for one in experiments])
        self._budget.spend(len(experiments))
        partitions = []
        for experiment in experiments:
            head = heads.get(keys.experiment_head(experiment))
            if head is not None:
                stage = Stage(head["st"], head["ep"])
                partitions += [(experiment, group) for group in groups_of_view(stage, self._search.stages)]
                self._mark(experiment)
        return partitions

    def _mark(self, experiment: str) -> None:
        """Which runs are taken from memory. In the default order a run has its place from the beginning:
        there only those count that changed their group since."""
        natural = self._search.plan.field == DEFAULT_ORDER
        for mark in dirty.marks(self._table, experiment):
            self._budget.spend(0.03)
            if mark.moved or not natural or self._search.plan.ranges:
                self._dirty.add(mark.run_id)
        self._budget.spend(1)

    def _recent(self) -> list[Run]:
        return self._sorted(sorted(self._dirty))

    def _candidates(self, partitions: Sequence[tuple[str, str]]) -> list[str] | None:
        """The runs of the smallest range, where one is small enough to be read at once."""
        best: list[str] | None = None
        for one in self._search.plan.ranges:
            if one.field == self._search.plan.field and len(self._search.plan.ranges) == 1:
                continue  # the walk itself keeps to the range
            members = self._members(partitions, one, _PROBE)
            if members is not None and (best is None or len(members) < len(best)):
                best = members
        return best

    def _members(self, partitions: Sequence[tuple[str, str]], one: Range, most: int) -> list[str] | None:
        """The runs with an entry in the range; None where there are more entries than ``most``."""
        accepts = _sieve(one)
        members: dict[str, None] = {}
        read = 0
        for experiment, group in partitions:
            partition = keys.index_partition(experiment, group, one.field)
            for span in one.spans:
                low = span
                while True:
                    page, whole = self._walks.page(partition, low, min(most + 1 - read, 1_000))
                    read += len(page)
                    members |= dict.fromkeys(found.run_id for found in page if accepts(found.value))
                    if whole:
                        break
                    if read > most or self._budget.is_spent():
                        return None
                    low = Span(page[-1].value + page[-1].position + "\0", span.high)
        return list(members)

    def _walked(self, partitions: Sequence[tuple[str, str]]) -> Iterator[Run | Pause]:
        """Matches in the order of the walk, a batch of facts at a time; at least one batch."""
        expected, ordering = self._search.expected, self._search.ordering
        size, seen, matched = min(_BATCH, expected), 0, 0
        members: set[str] | None = None
        tried = not self._search.plan.ranges
        reached = self._search.after
        entries = self._entries(partitions)
        spent = False
        while not spent:
            batch, passed, spent = self._next(entries, members, size)
            for run in self._agreeing(batch):
                reached = ordering.position(run)
                seen += 1
                if self._matches(run):
                    matched += 1
                    yield run
            if spent and passed is not None:
                reached = next(map(ordering.position, self._agreeing([passed])), reached)
            if len(batch) < size and not spent:
                return
            spent = spent or self._budget.is_spent()
            if not (tried or spent) and seen >= _TRIAL and matched * _RARE <= seen:
                tried = True
                members = self._rarest(partitions)
            size = min(_BATCH, max(_MORE, (expected - matched) * seen // max(matched, 1) + 1))
        if reached is None:
            raise TemporarilyUnavailable("The search read nothing within its budget. Try again.")
        yield Pause(reached)

    def _next(
        self, entries: Iterator[Found], members: set[str] | None, size: int
    ) -> tuple[list[Found], Found | None, bool]:
        """The next entries worth reading; the last one that was passed over behind them, and whether the
        budget ended before there were enough."""
        batch: list[Found] = []
        passed: Found | None = None
        for found in entries:
            if found.run_id in self._dirty or (members is not None and found.run_id not in members):
                passed = found
                if self._budget.is_spent():
                    return batch, passed, True
                continue
            batch.append(found)
            passed = None
            if len(batch) >= size:
                break
        return batch, passed, False

    def _agreeing(self, batch: Sequence[Found]) -> Iterator[Run]:
        """The runs of entries that say what the facts say: an entry is a hint."""
        runs = {run.info.run_id: run for run in self._read([found.run_id for found in batch])}
        field_ = self._search.plan.field
        for found in batch:
            run = runs.get(found.run_id)
            if run is None or found.position != keys.run_position(run.info.start_time, found.run_id):
                continue
            if field_ == DEFAULT_ORDER or found.value == self._value(run):
                yield run

    def _value(self, run: Run) -> str:
        """What the run's entry in the walked field would be; empty where it has none."""
        place, value = self._search.ordering.columns[0].place(run)
        if place == MISSING:
            return ""
        field_ = self._search.plan.field
        assert field_ is not None
        return index.NANS if place == NAN else _encoded(field_, value)

    def _all_runs(self, partitions: Sequence[tuple[str, str]]) -> Iterator[Run]:
        """Every run that matches: for orders that no field of the index gives."""
        entries = self._merged(partitions, DEFAULT_ORDER, Span("", LAST), True, None)
        while batch := list(islice((one for one in entries if one.run_id not in self._dirty), _BATCH)):
            yield from filter(self._matches, self._read([found.run_id for found in batch]))

    def _rarest(self, partitions: Sequence[tuple[str, str]]) -> set[str] | None:
        for one in self._search.plan.ranges:
            members = self._members(partitions, one, _MEMBERS)
            if members is not None:
                return set(members)
        return None

    def _entries(self, partitions: Sequence[tuple[str, str]]) -> Iterator[Found]:
        """The walk's entries in order: values, NaN, and, by the default order, what has none."""
        plan, after = self._search.plan, self._search.after
        assert plan.field is not None
        if plan.field == DEFAULT_ORDER:
            start = None if after is None else Found("", _tail(after))
            yield from self._merged(partitions, DEFAULT_ORDER, plan.span, plan.ascending, start)
            return
        place = 0 if after is None else after[0][0]
        if place < NAN:
            start = None if after is None else _reached(_encoded(plan.field, after[0][1]), _tail(after))
            yield from self._resolved(
                self._merged(partitions, plan.field, plan.span, plan.ascending, start)
            )
        if plan.with_nan and place < MISSING:
            start = Found(index.NANS, _tail(after)) if after is not None and place == NAN else None
            span = Span(index.NANS, index.NANS + LAST)
            yield from self._merged(partitions, plan.field, span, True, start)
        if plan.with_missing:
            start = Found("", _tail(after)) if after is not None and place == MISSING else None
            yield from self._merged(partitions, DEFAULT_ORDER, Span("", LAST), True, start)

    def _merged(
        self,
        partitions: Sequence[tuple[str, str]],
        field_: str,
        span: Span,
        ascending: bool,
        after: Found | None,
    ) -> Iterator[Found]:
        walks = [
            self._walks.entries(
                keys.index_partition(experiment, group, field_), field_, span, ascending, after
            )
            for experiment, group in partitions
        ]
        return walks[0] if len(walks) == 1 else heapq.merge(*walks, key=walk_key(field_, ascending))

    def _resolved(self, entries: Iterator[Found]) -> Iterator[Found]:
        """Entries whose text was cut share a value; their order among each other is in the facts."""
        ordering = self._search.ordering
        for value, group in groupby(entries, lambda found: found.value):
            if not index.is_cut(value):
                yield from group
                continue
            found = {one.run_id: one for one in group}
            runs = self._read(list(found))
            runs.sort(key=lambda run: ordering.key(ordering.position(run)))
            yield from (found[run.info.run_id] for run in runs)

    def _read(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs in the order of their ids as given."""
        found: dict[str, Run] = {}
        for start in range(0, len(run_ids), _BATCH):
            chunk = run_ids[start : start + _BATCH]
            found |= self._runs.get_many(chunk)
            self._budget.spend(len(chunk) + 1)
        return [found[run_id] for run_id in run_ids if run_id in found]

    def _matches(self, run: Run) -> bool:
        search = self._search
        if run.info.lifecycle_stage not in search.stages or not search.meets(run):
            return False
        return self._floor is None or self._key(run) > self._floor

    def _sorted(self, run_ids: Sequence[str]) -> list[Run]:
        return sorted((run for run in self._read(run_ids) if self._matches(run)), key=self._key)

    def _key(self, run: Run) -> SortKey:
        return self._search.ordering.key(self._search.ordering.position(run))

    def _keyed(self, runs: Sequence[Run]) -> Iterator[tuple[SortKey, Run]]:
        return ((self._key(run), run) for run in runs)

    def _of_experiments(self, run_ids: Sequence[str]) -> list[str]:
        wanted = {experiment_hex(one) for one in self._search.experiment_ids}
        return [run_id for run_id in run_ids if run_id[:16] in wanted]


def _first(row: tuple[SortKey, Run]) -> SortKey:
    return row[0]


def _tail(position: Position) -> str:
    """The end of the index sort key of a position: its last two columns are start time and run id."""
    return keys.run_position(int(position[-2][1]), str(position[-1][1]))


def _reached(value: str, position: str) -> Found:
    """Where a walk of values goes on: a group of cut values is walked from its beginning, since its entries
    are in another order than their runs."""
    return Found(value, "0" * len(position) if index.is_cut(value) else position)


def _encoded(field_: str, value: int | float | str) -> str:
    if isinstance(value, str):
        return index.text(value)
    return index.number(float(value)) if field_[:1] == index.METRIC else index.integer(int(value))


def _sieve(one: Range) -> Callable[[str], bool]:
    """Whether an entry's value may meet the comparison, as far as the entry says."""
    comparison = one.comparison
    if not isinstance(comparison.value, str) or comparison.comparator == "=":
        return lambda _: True
    test = value_test(comparison.comparator, comparison.value)
    return lambda value: index.is_cut(value) or test(index.from_text(value))
