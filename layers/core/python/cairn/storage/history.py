"""The history of metrics: one key's points, from the logs of runs, and from what was folded of them.

Read in the order in which points travel: the log first, the key's listing after it, its segments last. What
had left the log by then is in the listing (``fold``); what is in both is taken once. Log and listing are
read strongly consistent, so that a run shows its own writes. Segments never change and are known by name:
they are read eventually consistent, at half the price, and one that is missing is noticed (``folded``), so
that nothing can be lost to a replica that lags.

Several runs take these three steps together: their logs side by side, their listings in one request, their
segments as many in a request as fit. What is held of them at once does not grow with their number: so many
points of logs, and so many of segments, as a large run has by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Self

from cairn.domain.access import UNDECIDED, Access
from cairn.domain.columns import Columns, Order, Row, of_rows, rows
from cairn.domain.entities import Metric
from cairn.errors import TemporarilyUnavailable
from cairn.ids import experiment_of_run
from cairn.storage import keys
from cairn.storage.codec import decode_series
from cairn.storage.folded import Segment, SegmentReplaced, listing_of, read_ahead, read_segments
from cairn.storage.scope import shown
from cairn.storage.table import Key, Page, Query, Table
from cairn.storage.together import LANES, Together, in_turn
from cairn.storage.wanted import Firsts, Known, Part, Reading, Whole

_ATTEMPTS = 10
_NO_RUN = "f" * 32  # of an experiment past the highest number that one can have
_LOGGED = 500_000  # points of logs, at 24 bytes, with which no further log is read ahead
_AHEAD = 1_000_000  # points of segments that are read together; a run that has more is read by itself

Ahead = dict[Key, Columns | None]
"""Segments that were read and not taken yet; None for what is not there."""

Load = Sequence[tuple[Known, Sequence[Segment]]]
"""Runs whose segments are read together, and which these are."""


class History:
    """Points by run and key (``services.ports.HistoryStore``).

    Every reading: 1 Query per MB of each run's unfolded log, 1 BatchGetItem of 100 runs' listings (less
    where their logs are long), 1 BatchGetItem per 48 segments; and 1 BatchGetItem of the runs' experiments,
    unless the access is to all of them. Of a run that is not to be seen the history of one is read that
    never was.
    """

    def __init__(self, table: Table, access: Access = UNDECIDED, together: Together = in_turn) -> None:
        self._table = table
        self._access = access
        self._together = together
        self._seen: dict[str, bool] = {}  # by experiment; a scoped history serves one call

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, access, self._together)

    def points(self, run_id: str, key: str) -> list[Metric]:
        """All segments: 8 to 10 bytes a point, eventually consistent, beside a log of 256 KB or so."""
        return self.columns(run_id, key).metrics(key)

    def columns(self, run_id: str, key: str, steps: tuple[int, int] | None = None) -> Columns:
        """As ``points``, without segments that have none of the steps."""
        (found,) = self.each([run_id], key, steps)
        return found

    def each(
        self, run_ids: Sequence[str], key: str, steps: tuple[int, int] | None = None
    ) -> Iterator[Columns]:
        """``columns`` of each run, in their order."""
        return self._read(run_ids, key, Whole(steps))

    def page(self, run_id: str, key: str, after: Order | None, limit: int) -> list[Metric]:
        """Only segments that can hold the page's points: one or two where points were logged in order."""
        (found,) = self._read([run_id], key, Part(after, limit))
        return found.metrics(key)

    def firsts(self, run_ids: Sequence[str], key: str, limit: int) -> Iterator[Columns]:
        """The first points of the first run, of the second, and so on, until these are ``limit``.

        One run is read, then as many as should do by what those before gave: at most sixteen times as many.
        So what may be read in vain are the logs and listings of these.
        """
        read, left = 0, limit
        while read < len(run_ids) and left > 0:
            given, count = limit - left, LANES * read or 1
            if given:
                count = min(count, -(-left * read // given))
            reading = Firsts(left)
            for found in self._read(run_ids[read : read + count], key, reading):
                yield found
                if reading.left <= 0:
                    break
            read, left = read + count, reading.left

    def _read(self, run_ids: Sequence[str], key: str, reading: Reading) -> Iterator[Columns]:
        for group in self._logged(self._decided(run_ids), key):
            items = self._table.batch_get([keys.folded(run_id, key) for run_id, _ in group])
            known = (
                Known(run_id, log, listing_of(items.get(keys.folded(run_id, key)))) for run_id, log in group
            )
            for load in _loads((run, reading.ahead(run)) for run in known):
                ahead = self._ahead(load, key)
                for run, _ in load:
                    yield self._answer(run, key, reading, ahead)

    def _logged(self, run_ids: Sequence[str], key: str) -> Iterator[list[tuple[str, Columns]]]:
        """Runs with their unfolded points, as many as are held together. A log longer than a page, whose
        folding lags, is read to its end by itself."""
        group: list[tuple[str, Columns]] = []
        held = 0
        for start in range(0, len(run_ids), LANES):
            some = run_ids[start : start + LANES]
            queries = [Query(keys.run_partition(run_id), prefix=keys.LOG_PREFIX) for run_id in some]
            pages = self._together([partial(self._table.query, query) for query in queries])
            for run_id, query, page in zip(some, queries, pages, strict=True):
                log = self._log(query, page, key)
                group.append((run_id, log))
                held += len(log.timestamps)
            if held > _LOGGED:
                yield group
                group, held = [], 0
        if group:
            yield group

    def _log(self, query: Query, page: Page, key: str) -> Columns:
        points: list[Row] = []
        while True:
            for item in page.items:
                for series in decode_series(item["b"]):
                    if series.key == key:
                        points += rows(series.values, series.timestamps, series.steps)
            if page.after is None:
                return of_rows(points)
            page = self._table.query(replace(query, after=page.after))

    def _ahead(self, load: Load, key: str) -> Ahead:
        """What the runs of a load should take; nothing for one that is too large to be held beside others:
        it reads one request after the other."""
        if sum(_points(segments) for _, segments in load) > _AHEAD:
            return {}
        names = [
            keys.segment(run.run_id, key, segment.name) for run, segments in load for segment in segments
        ]
        return read_ahead(self._table, names, self._together)

    def _answer(self, run: Known, key: str, reading: Reading, ahead: Ahead) -> Columns:
        """By a listing whose segments are all there: by another where a folder replaced some meanwhile."""
        for _ in range(_ATTEMPTS):
            try:
                return reading.answer(run, partial(self._segments, run.run_id, key, ahead))
            except SegmentReplaced:
                listing = listing_of(self._table.get(keys.folded(run.run_id, key)))
                run, ahead = replace(run, listing=listing), {}
        raise TemporarilyUnavailable("The history is being rewritten. Try again.")

    def _segments(
        self, run_id: str, key: str, ahead: Ahead, segments: Sequence[Segment]
    ) -> Iterator[Columns]:
        named = [(keys.segment(run_id, key, segment.name), segment) for segment in segments]
        others = read_segments(self._table, run_id, key, [one for name, one in named if name not in ahead])
        for name, _ in named:
            columns = ahead.pop(name) if name in ahead else next(others)
            if columns is None:
                raise SegmentReplaced(name.sk)
            yield columns

    def _decided(self, run_ids: Sequence[str]) -> list[str]:
        """The runs themselves; for each that is not to be seen one that never was."""
        if self._access.unrestricted:
            return list(run_ids)
        experiments = {run_id: run_id[:16] for run_id in run_ids if experiment_of_run(run_id) is not None}
        unknown = {one: keys.experiment_head(one) for one in experiments.values() if one not in self._seen}
        heads = self._table.batch_get(list(unknown.values()))
        for experiment, head in unknown.items():
            self._seen[experiment] = shown(self._access, heads.get(head)) is not None
        return [
            run_id if run_id in experiments and self._seen[experiments[run_id]] else _NO_RUN
            for run_id in run_ids
        ]


def _loads(runs: Iterable[tuple[Known, Sequence[Segment]]]) -> Iterator[Load]:
    load: list[tuple[Known, Sequence[Segment]]] = []
    held = 0
    for run, segments in runs:
        if load and held + _points(segments) > _AHEAD:
            yield load
            load, held = [], 0
        load.append((run, segments))
        held += _points(segments)
    yield load


def _points(segments: Sequence[Segment]) -> int:
    return sum(segment.points for segment in segments)
