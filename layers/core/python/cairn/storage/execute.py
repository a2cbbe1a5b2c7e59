"""Carries out the plan of a search of runs: which entries are read, in which order, for how much.

Recently written runs (those with a dirty mark) are read and matched in memory, all others are found by
the index. Marks are read first: a run that is indexed between the two reads is taken from memory, and its
entries are passed over. Every run is matched by its facts. A search ends early, with what it needs to go
on, before it has spent more than its bounds.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Self

from cairn.domain.access import Access
from cairn.domain.clock import Clock, system_clock
from cairn.domain.entities import Run
from cairn.errors import InvalidParameterValue
from cairn.search.cursor import RESUMED
from cairn.search.order import Position, SortKey
from cairn.search.plan import DEFAULT_ORDER, Pause, Search
from cairn.storage import keys
from cairn.storage.budget import BOUNDS, Bounds, Budget
from cairn.storage.course import Course
from cairn.storage.marks import Marks
from cairn.storage.matches import BATCH, Matches
from cairn.storage.parts import Parts
from cairn.storage.ranges import Ranges, name_sieve
from cairn.storage.runs import Runs
from cairn.storage.sweep import IDS, MARKS, RANGE, WALK, Progress, Top, read_progress
from cairn.storage.table import Item, Table
from cairn.storage.together import Together, in_turn
from cairn.storage.visible import Group, known_experiments, visible_groups
from cairn.storage.walk import Found, Walks

_RUN = 32  # hex digits of a run's id, at the end of every sort key
_MORE = 10  # runs that are read at least where a batch did not fill the page


class RunIndex:
    """Searches of runs (``services.ports.RunIndex``). ``now`` is a monotonic clock in seconds."""

    def __init__(
        self,
        table: Table,
        runs: Runs,
        now: Callable[[], float],
        clock: Clock = system_clock,
        bounds: Bounds = BOUNDS,
        together: Together = in_turn,
    ) -> None:
        self._table = table
        self._runs = runs
        self._now = now
        self._clock = clock
        self._bounds = bounds
        self._together = together

    def scoped(self, access: Access) -> Self:
        runs = self._runs.scoped(access)
        return type(self)(self._table, runs, self._now, self._clock, self._bounds, self._together)

    def search(self, search: Search) -> Iterator[Run | Pause]:
        """The runs that match, in order, from behind ``after``; a Pause as the last where the bounds ended.

        1 BatchGetItem of experiments and 1 Query of marks for each, 1 BatchGetItem per 99 runs matched, 1
        Query per 1,000 entries walked (less at first). The queries of several experiments do not wait for
        each other. InvalidParameterValue for a progress that no search of this plan wrote.
        """
        budget = Budget(self._now, self._bounds)
        walks = Walks(self._table, budget.spend, self._bounds.page, self._together)
        time = self._clock()

        def rows(search: Search, ceiling: Position | None) -> Iterator[Run | Pause]:
            return _Execution(self._table, self._runs, walks, search, budget, time, ceiling).rows()

        if search.plan.run_ids is not None or len(search.experiment_ids) <= self._bounds.experiments:
            return rows(search, None)
        return Parts(search, Matches(self._runs, search, budget), budget, rows).rows()


class _Execution:
    """Of one part of the experiments; ``ceiling``: what comes behind it is not asked for."""

    def __init__(
        self,
        table: Table,
        runs: Runs,
        walks: Walks,
        search: Search,
        budget: Budget,
        time: int,
        ceiling: Position | None,
    ) -> None:
        self._table = table
        self._runs = runs
        self._matches = Matches(runs, search, budget)
        self._search = search
        self._budget = budget
        self._bounds = budget.bounds
        self._walks = walks
        self._last: Run | None = None
        self._progress = (
            None if search.progress is None else read_progress(search.progress, search.ordering)
        )
        before = self._progress
        by_time = search.plan.walk.field == DEFAULT_ORDER
        natural = by_time and not (search.plan.ranges or search.plan.names)
        # In the default order a run has its place from the beginning.
        self._marks = Marks(self._walks, before, time, self._bounds, moved=natural)
        most = min(search.expected, self._bounds.most)
        self._top = Top(search.ordering, most, search.after, ceiling)
        if before is not None and before.ceiling is not None:
            self._top.sink(before.ceiling)
        self._members: frozenset[str] | None = None
        self._absent: set[str] = set()
        self._seen = self._matched = 0
        self._answered = False
        self._tried = before is not None and before.tried
        self._stands = "" if before is None else before.walked
        self._experiments = known_experiments(search.experiment_ids)
        self._groups: list[Group] = []
        self._ranges = Ranges(self._walks, budget, self._groups, search.plan)
        self._course = Course(
            self._walks,
            self._groups,
            search.plan.walk,
            search.ordering,
            search.expected,
            lambda: self._top.ceiling,
            self._skips,
        )
        self._names = name_sieve(search.plan.names)

    def rows(self) -> Iterator[Run | Pause]:
        """Each run once, were it in a damaged index twice; that of an earlier page is behind the floor."""
        answered: set[str] = set()
        for step in self._steps():
            if not isinstance(step, Pause):
                if step.info.run_id in answered:
                    continue
                answered.add(step.info.run_id)
                self._last = step
            yield step

    def _floor(self) -> Position | None:
        """Up to here everything has been answered."""
        return self._search.after if self._last is None else self._search.ordering.position(self._last)

    def _steps(self) -> Iterator[Run | Pause]:
        """What must be seen before the first match is known, then the matches in order."""
        before, run_ids = self._progress, self._search.plan.run_ids
        if before is not None:
            for run in self._matches.recall(before.held):
                self._top.add(run)
        if run_ids is not None:
            named = ((run_id, run_id) for run_id in self._named(run_ids, before))
            yield from self._swept(self._sweep(IDS, named))
            return
        self._groups += visible_groups(
            self._table, self._runs.access, self._experiments, self._search.stages
        )
        self._budget.spend(len(self._experiments))
        seen = list(dict.fromkeys(experiment for experiment, _ in self._groups))
        pause = self._sweep(MARKS, self._marks.unseen(seen))
        if pause is not None:
            yield pause
            return
        if before is not None and before.source == RANGE:
            if not self._marks.is_lost:
                yield from self._ranged(before.number, before.reached)
                return
            self._tried = True
        elif not (self._stands or self._tried):
            number = self._ranges.smallest()
            if number is not None:
                yield from self._ranged(number)
                return
        yield from self._walked()

    # -- sweeps --------------------------------------------------------------------------------------

    def _sweep(
        self,
        source: str,
        found: Iterator[tuple[str, str | None]],
        number: int = 0,
        rank: object = None,
    ) -> Pause | None:
        """See every run of a set (of a rank: an entry is a hint), or as many as the bounds allow. ``found``
        says how far it came, and with which run, if any: at least one of these is worked off."""
        waiting: list[tuple[str, str]] = []
        while True:
            reached = ""
            for reached, run_id in found:
                if run_id is not None:
                    waiting.append((reached, run_id))
                if len(waiting) >= self._size() or self._budget.is_spent():
                    break
            else:
                reached = ""
            if waiting:
                count = self._take([run_id for _, run_id in waiting], rank)
                seen, waiting = waiting[:count], waiting[count:]
                reached = seen[-1][0] if waiting else reached
            if not (reached or waiting):
                return None
            if self._budget.is_spent():
                return self._pause(source, reached, number)

    def _size(self) -> int:
        """Runs worth reading together: no more than units are left."""
        return max(1, min(BATCH, int(self._budget.units)))

    def _take(self, run_ids: Sequence[str], rank: object = None) -> int:
        runs, count = self._matches.read(run_ids)
        for run in runs:
            if self._matches.meets(run) and (rank is None or self._course.rank_of(run) == rank):
                self._top.add(run)
        return count

    def _swept(self, pause: Pause | None) -> Iterator[Run | Pause]:
        """What a sweep of everything gives: once it is at its end, all up to the ceiling."""
        if pause is None:
            yield from self._top.before(None)
            pause = self._risen()
        if pause is not None:
            yield pause

    def _risen(self) -> Pause | None:
        return None if self._top.ceiling is None else Pause(self._top.ceiling)

    def _pause(self, source: str, reached: str, number: int = 0) -> Pause:
        self._top.trim(self._matches.carried)
        if source == WALK:
            self._stands, reached = reached, ""
        progress = Progress(
            source,
            reached,
            tuple(self._top.held()),
            self._top.ceiling,
            number,
            self._marks.round,
            self._marks.since,
            self._stands,
            self._tried and self._members is None and not self._absent,
        )
        return Pause(((RESUMED, progress.text()), *(self._floor() or ())))

    def _named(self, run_ids: Sequence[str], before: Progress | None) -> list[str]:
        wanted = set(self._experiments)
        reached = "" if before is None else before.reached
        return sorted({one for one in run_ids if one > reached and one[:16] in wanted})

    def _ranged(self, number: int, reached: str = "") -> Iterator[Run | Pause]:
        """Every match is in the range: sweep it, from behind an entry."""
        if number >= len(self._search.plan.ranges):
            raise InvalidParameterValue("Invalid page token, its progress is of another plan")
        entries = self._ranges.entries(number, reached)
        unseen = ((at, None if run_id in self._marks.dirty else run_id) for at, run_id in entries)
        yield from self._swept(self._sweep(RANGE, unseen, number))

    # -- the walk ------------------------------------------------------------------------------------

    def _walked(self) -> Iterator[Run | Pause]:
        """Matches in the order of the walk, merged with those of the top, up to its ceiling."""
        for step in self._walk():
            yield step
            if isinstance(step, Pause):
                return
        yield from self._swept(None)

    def _walk(self) -> Iterator[Run | Pause]:
        """A batch of facts at a time, at least one; a Pause ends it."""
        plan = self._search.plan
        start = self._stands or self._course.start(self._search.after)
        self._tried = self._tried or (len(plan.ranges) == len(plan.useless) and not plan.absent)
        for portion in self._portions(start):
            if isinstance(portion, _Small):
                yield from self._resolved(deque(portion.groups))
                if self._budget.is_spent():
                    yield self._pause(WALK, portion.reached)
                if not self._tried and self._is_rare():
                    self._tried, self._stands = True, portion.reached
                    yield from self._narrowed()
                    if self._answered:
                        return
            else:
                yield from self._sorted_out(*portion)

    def _portions(self, start: str | None) -> Iterator["_Small | tuple[object, Iterator[Found]]"]:
        """Entries worth reading together, in groups of equal rank; one that is too large for that by
        itself. Of a group that is being swept already this is what is left of it."""
        groups: list[list[Found]] = []
        size, reached = 0, ""
        for rank, group in groupby(self._course.entries(start), self._course.rank):
            held = list(islice(group, self._bounds.group + 1))
            if len(held) > self._bounds.group:
                if groups:
                    yield _Small(groups, reached)
                    groups, size = [], 0
                yield rank, chain(held, group)  # noqa: B031 (what is left of it)
                continue
            reached = _sort_key(held[-1])
            if kept := [found for found in held if not self._is_useless(found)]:
                groups.append(kept)
                size += len(kept)
            if size >= self._wanted() or self._budget.is_spent():
                yield _Small(groups, reached)
                groups, size = [], 0
        if groups:
            yield _Small(groups, reached)

    def _wanted(self) -> int:
        """Runs to read next: as many as should fill the page, by how many matched so far."""
        size = self._search.expected
        if self._seen:
            size = max(_MORE, self._rest() + 1)
        return min(size, self._size())

    def _resolved(self, groups: deque[list[Found]]) -> Iterator[Run | Pause]:
        """The matches of groups of equal rank."""
        while groups:
            runs, count = self._matches.read([found.run_id for group in groups for found in group])
            if count < len(groups[0]):
                group = groups.popleft()
                yield from self._sorted_out(self._course.rank(group[0]), iter(group))
                continue
            by_id = {run.info.run_id: run for run in runs}
            while groups and len(groups[0]) <= count:
                group = groups.popleft()
                count -= len(group)
                self._seen += len(group)
                agreeing = [
                    (self._top.key(run), run)
                    for one in group
                    if (run := by_id.get(one.run_id)) is not None and self._course.is_of(one, run)
                ]
                yield from self._merged(sorted(agreeing, key=itemgetter(0)))
            if groups and self._budget.is_spent():
                yield self._pause(WALK, _sort_key(group[-1]))

    def _merged(self, runs: Sequence[tuple[SortKey, Run]]) -> Iterator[Run | Pause]:
        for key, run in runs:
            if self._top.exceeds(key):
                yield from self._swept(None)
                return
            if (
                self._matches.meets(run)
                and self._top.follows(key)
                and run.info.run_id not in self._top.taken
            ):
                self._matched += 1
                yield from self._top.before(key)
                yield run

    def _sorted_out(self, rank: object, group: Iterator[Found]) -> Iterator[Run | Pause]:
        """Sweep a group of equal rank. Its matches wait in the top; where that has its ceiling among them,
        they are answered up to it."""
        found = ((_sort_key(one), None if self._is_useless(one) else one.run_id) for one in group)
        pause = self._sweep(WALK, found, rank=rank)
        if pause is not None:
            yield pause
        elif self._top.ceiling is not None and self._course.rank_at(self._top.ceiling) == rank:
            yield from self._swept(None)

    def _is_rare(self) -> bool:
        return self._seen >= self._bounds.trial and self._rest() > self._bounds.worth

    def _rest(self) -> int:
        """Runs that the walk has to read for the rest of the page, as those before let expect."""
        return (self._search.expected - self._matched) * self._seen // max(self._matched, 1)

    def _narrowed(self) -> Iterator[Run | Pause]:
        """Few of the runs in the walk match: read the ranges, to pass over what is not in one, or to leave
        the walk for one that has few runs; or those of runs that do not match, to pass over these."""
        # The beginning of a range tells little of its rest: the entries are in another order.
        seldom = self._matched * self._bounds.sieved <= self._seen
        for whole in self._ranges.whole(self._rest()):
            few = seldom and len(whole.run_ids) * self._bounds.sieved <= whole.entries
            self._top.rise(self._floor())
            if whole.ended and len(whole.run_ids) <= self._bounds.probe:
                self._answered = True
                yield from self._ranged(whole.number)
            elif whole.ended:
                self._members = whole.run_ids
            elif few and self._ranges.is_sieved(whole.number):
                yield self._pause(RANGE, "", whole.number)
            else:
                continue
            return
        self._absent.update(self._ranges.absent(self._rest()))

    def _skips(self, item: Item) -> bool:
        """Whether an entry is of no use, by its run or by the name that it holds."""
        if self._is_passed(item["sk"][-_RUN:]):
            return True
        return self._names is not None and keys.NAME in item and not self._names(item[keys.NAME])

    def _is_useless(self, found: Found) -> bool:
        """As it stands now: what is passed over may have become more since the entry was read."""
        return found.skipped or self._is_passed(found.run_id)

    def _is_passed(self, run_id: str) -> bool:
        if run_id in self._marks.dirty or run_id in self._top.taken:
            return True
        return run_id in self._absent or (self._members is not None and run_id not in self._members)


@dataclass(frozen=True, slots=True)
class _Small:
    """Groups of equal rank; ``reached``: the sort key up to which they are all there is."""

    groups: list[list[Found]]
    reached: str


def _sort_key(found: Found) -> str:
    return found.value + found.position
