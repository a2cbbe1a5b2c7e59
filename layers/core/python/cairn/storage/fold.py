"""The fold: a run's metric log, written call by call, becomes listings and segments per metric.

The points of a log item are first put under their metrics, then the item is deleted; a crash in between
leaves points in both places, and readers take each once. For each metric the new points go into its
listing (inline while few, else as segments), which is written on condition of its version: of two folders
one starts over for that metric. Segments are written before the listing that names them, replaced ones are
deleted after it; a journal names both until that is done, so that what a crash leaves behind goes with the
next fold. New points absorb the latest segments while these are not twice as many: a point is
rewritten a few times only, however it was logged, and N points come to about N / 28,000 segments.

Why a reader loses nothing (``history`` reads log, listing, segments, in this order): a point leaves the
log only after a listing held it, and every later version of the listing holds it too. A log item that a
retry appends again is folded again: its points are there twice until they are absorbed, and read once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cairn.domain.columns import Columns, Row, of_rows, rows, unite
from cairn.errors import TemporarilyUnavailable
from cairn.storage import keys
from cairn.storage.codec import decode_series
from cairn.storage.folded import (
    Listing,
    Segment,
    SegmentReplaced,
    clear,
    cut,
    encode,
    listing_of,
    put_journal,
    put_listing,
    put_segment,
    read_segments,
)
from cairn.storage.limits import item_size
from cairn.storage.table import ConditionFailed, Delete, Item, Key, Put, Query, Table

TAIL_BYTES = 256 * 1024
"""What the log of a live run holds at least when it is folded."""

SPARSE_BYTES = 1024 * 1024
"""What it holds at least where that gives most metrics few points each: a listing is written for each."""

_SPARSE = 32  # points a metric
_MOST_POINTS = 300_000  # of one call: about 100 MB while they are sorted
_MOST_BYTES = 4 * 1024 * 1024
_INLINE_BYTES = 3_000  # with key, names and a few segments the listing stays within one read unit
_INLINE_POINTS = 2_000
_FULL = 25_000  # points of a segment that is left alone
_TOGETHER = 100  # metrics whose listings are read together
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of one metric: the segments to write, the listing, and what that replaces."""

    metric: str
    puts: Sequence[Put]
    listing: Listing
    replaced: Sequence[Segment]


def worth_a_look(log_key: str, size: int) -> bool:
    """Whether the log item of this sort key and size is one after which to ``fold``: about one for each 128
    KB of log, chosen by the content hash in its key. So neither writers nor who follows the table's stream
    must count what a run has logged; tails past 1 MB are rarer than one in a thousand."""
    return int(log_key[-16:], 16) < size * 2**64 // (TAIL_BYTES // 2)


class Fold:
    """Folds the logs of runs on a table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def fold(self, run_id: str, *, quiet: bool = False) -> bool:
        """Fold the log if it is large enough, or the run is quiet. Whether more is left: then call again.

        1 Query per MB of the log, at most 4 MB or 300,000 points a call. For what is folded: 1
        BatchGetItem per 100 metrics, 1 BatchWriteItem per 25 segments (1 write unit per KB), 1 PutItem a
        metric (up to 4 units), 1 BatchWriteItem per 25 log items (1 unit per KB); 1 Query of journals, and
        where segments are written 1 PutItem of one (1 unit per 15 of them, 1 more to delete it with the log
        items). A run that does not exist has no log.
        """
        items, size, whole = self._tail(run_id)
        if not items or (not quiet and whole and size < TAIL_BYTES):
            return False
        points = _by_metric(items)
        logged = sum(map(len, points.values()))
        if not quiet and whole and size < SPARSE_BYTES and logged < _SPARSE * len(points):
            return False
        journals = self._table.query(Query(keys.run_partition(run_id), prefix=keys.JOURNAL_PREFIX)).items
        done = [Key(item["pk"], item["sk"]) for item in items]
        metrics = sorted(points)
        for start in range(0, len(metrics), _TOGETHER):
            chunk = metrics[start : start + _TOGETHER]
            done += self._add(run_id, {metric: of_rows(points.pop(metric)) for metric in chunk})
        for journal in journals:
            clear(self._table, journal)
        self._table.batch_write([Delete(key) for key in done])
        return not whole

    def _tail(self, run_id: str) -> tuple[list[Item], int, bool]:
        """Log items from the oldest on, their bytes, and whether these are all."""
        items: list[Item] = []
        size = points = 0
        after: str | None = None
        while True:
            page = self._table.query(Query(keys.run_partition(run_id), prefix=keys.LOG_PREFIX, after=after))
            for item in page.items:
                count = sum(len(series.values) for series in decode_series(item["b"]))
                if items and (points + count > _MOST_POINTS or size > _MOST_BYTES):
                    return items, size, False
                items.append(item)
                points += count
                size += item_size(item)
            after = page.after
            if after is None:
                return items, size, True

    def _add(self, run_id: str, points: Mapping[str, Columns]) -> list[Key]:
        """Points of up to 100 metrics into their listings; the journals that are of no use any more."""
        left = dict(points)
        journals: list[Key] = []
        for _ in range(_ATTEMPTS):
            items = self._table.batch_get([keys.folded(run_id, metric) for metric in left])
            plans: list[_Plan] = []
            for metric, columns in left.items():
                listing = listing_of(items.get(keys.folded(run_id, metric)))
                try:
                    plans.append(self._plan(run_id, metric, listing, columns))
                except SegmentReplaced:
                    continue  # another folder was here: this metric waits for the next attempt
            puts = [put for plan in plans for put in plan.puts]
            journal = put_journal(run_id, [put.key for put in puts], _replaced(run_id, plans))
            if puts:
                self._table.put(journal)
                journals.append(journal.key)
            self._table.batch_write(puts)
            replaced: list[Key] = []
            for plan in plans:
                try:
                    self._table.put(put_listing(run_id, plan.metric, plan.listing))
                except ConditionFailed as failed:
                    # Another folder wrote this version, or a later one: what that does not list, none will.
                    standing = listing_of(failed.item).segments
                    listed = {keys.segment(run_id, plan.metric, segment.name) for segment in standing}
                    replaced += [put.key for put in plan.puts if put.key not in listed]
                    continue
                replaced += _replaced(run_id, [plan])
                del left[plan.metric]
            self._table.batch_write([Delete(key) for key in replaced])
            if not left:
                return journals
        raise TemporarilyUnavailable("Too many folders at once worked on the same run.")

    def _plan(self, run_id: str, metric: str, listing: Listing, columns: Columns) -> _Plan:
        version = listing.version + 1
        together = unite([listing.inline, columns])
        if len(together.timestamps) <= _INLINE_POINTS and len(encode(together)) <= _INLINE_BYTES:
            return _Plan(metric, (), Listing(version, listing.segments, together), ())
        kept = list(listing.segments)
        absorbed: list[Segment] = []
        count = len(together.timestamps)
        while kept and kept[-1].points < _FULL and kept[-1].points <= 2 * count:
            absorbed.insert(0, kept.pop())
            count += absorbed[0].points
        older = list(read_segments(self._table, run_id, metric, absorbed))
        pieces = cut(unite([*older, together]))
        made = [put_segment(run_id, metric, version, piece, blob) for piece, blob in pieces]
        segments = (*kept, *(segment for segment, _ in made))
        nothing = columns.cut(0, 0)
        return _Plan(metric, [put for _, put in made], Listing(version, segments, nothing), absorbed)


def _replaced(run_id: str, plans: Sequence[_Plan]) -> list[Key]:
    return [keys.segment(run_id, plan.metric, old.name) for plan in plans for old in plan.replaced]


def _by_metric(items: Sequence[Item]) -> dict[str, list[Row]]:
    points: dict[str, list[Row]] = {}
    for item in items:
        for series in decode_series(item["b"]):
            points.setdefault(series.key, []).extend(rows(series.values, series.timestamps, series.steps))
    return points
