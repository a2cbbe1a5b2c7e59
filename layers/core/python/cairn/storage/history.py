"""The history of metrics: one key's points, from the run's log, and from what was folded of it.

Read in the order in which points travel: the log first, the key's listing after it, its segments last. What
had left the log by then is in the listing (``fold``); what is in both is taken once. Log and listing are
read strongly consistent, so that a run shows its own writes. Segments never change and are known by name:
they are read eventually consistent, at half the price, and one that is missing is noticed (``folded``), so
that nothing can be lost to a replica that lags.
"""

from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from cairn.domain.access import UNDECIDED, Access
from cairn.domain.columns import Columns, Order, Row, between, of_rows, rows, unite, within_steps
from cairn.domain.entities import Metric
from cairn.errors import TemporarilyUnavailable
from cairn.ids import experiment_of_run
from cairn.storage import keys
from cairn.storage.codec import decode_series
from cairn.storage.folded import Listing, Segment, SegmentReplaced, listing_of, read_segments
from cairn.storage.scope import shown
from cairn.storage.table import Query, Table

_ATTEMPTS = 10
_NO_RUN = "f" * 32  # of an experiment past the highest number that one can have

Answer = TypeVar("Answer")


class History:
    """Points by run and key (``services.ports.HistoryStore``).

    Every reading: 1 Query per MB of the run's unfolded log, 1 GetItem, 1 BatchGetItem per 48 segments; and
    1 GetItem for each experiment, unless the access is to all of them. Of a run that is not to be seen the
    history of one is read that never was.
    """

    def __init__(self, table: Table, access: Access = UNDECIDED) -> None:
        self._table = table
        self._access = access
        self._seen: dict[str, bool] = {}  # by experiment; a scoped history serves one call

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, access)

    def points(self, run_id: str, key: str) -> list[Metric]:
        """All segments: 8 to 10 bytes a point, eventually consistent, beside a log of 256 KB or so."""
        return self.columns(run_id, key).metrics(key)

    def columns(self, run_id: str, key: str, steps: tuple[int, int] | None = None) -> Columns:
        """As ``points``, without segments that have none of the steps."""
        run_id = self._decided(run_id)

        def read(listing: Listing, log: Columns) -> Columns:
            wanted = listing.segments
            if steps is not None:
                wanted = tuple(s for s in wanted if s.low <= steps[1] and s.high >= steps[0])
            older = read_segments(self._table, run_id, key, wanted)
            found = unite([*older, listing.inline, log])
            return found if steps is None else within_steps(found, *steps)

        return self._current(run_id, key, read)

    def page(self, run_id: str, key: str, after: Order | None, limit: int) -> list[Metric]:
        """Only segments that can hold the page's points: one or two where points were logged in order."""
        run_id = self._decided(run_id)

        def read(listing: Listing, log: Columns) -> Columns:
            waiting = sorted(
                (s for s in listing.segments if after is None or s.last >= after[:2]), key=lambda s: s.first
            )
            held: list[Columns] = []
            while True:
                chosen = _enough(waiting, after, limit)
                waiting = waiting[len(chosen) :]
                held += read_segments(self._table, run_id, key, chosen)
                united = unite([*held, listing.inline, log])
                found = between(united, after, waiting[0].first if waiting else None)
                if not waiting or len(found.timestamps) >= limit:
                    return found.cut(0, limit)

        return self._current(run_id, key, read).metrics(key)

    def _current(self, run_id: str, key: str, read: Callable[[Listing, Columns], Answer]) -> Answer:
        """Read by a listing whose segments are all there: again where a folder replaced some meanwhile."""
        log = self._log(run_id, key)
        for _ in range(_ATTEMPTS):
            listing = listing_of(self._table.get(keys.folded(run_id, key)))
            try:
                return read(listing, log)
            except SegmentReplaced:
                continue
        raise TemporarilyUnavailable("The history is being rewritten. Try again.")

    def _decided(self, run_id: str) -> str:
        """The run itself, or one that never was."""
        return run_id if self._access.unrestricted or self._sees(run_id) else _NO_RUN

    def _sees(self, run_id: str) -> bool:
        experiment = run_id[:16]
        if experiment_of_run(run_id) is None:
            return False
        if experiment not in self._seen:
            head = self._table.get(keys.experiment_head(experiment))
            self._seen[experiment] = shown(self._access, head) is not None
        return self._seen[experiment]

    def _log(self, run_id: str, key: str) -> Columns:
        points: list[Row] = []
        after: str | None = None
        while True:
            page = self._table.query(Query(keys.run_partition(run_id), prefix=keys.LOG_PREFIX, after=after))
            for item in page.items:
                for series in decode_series(item["b"]):
                    if series.key == key:
                        points += rows(series.values, series.timestamps, series.steps)
            after = page.after
            if after is None:
                return of_rows(points)


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
