"""Histories as columns: a million points without an object for each.

Columns are arrays of timestamps, steps and values, in the order of get-history (``metrics.history_order``),
each point once. Here is how they are made of unordered rows, united, cut and sampled; how they are stored
is not known here.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import le
from typing import NamedTuple

from cairn.domain.entities import Metric
from cairn.domain.metrics import picks

Place = tuple[int, int]
"""Timestamp and step: where points lie, but for their values."""

Order = tuple[int, int, float, bool]
"""What ``metrics.history_order`` gives: timestamp, step, comparable value, is NaN."""

Row = tuple[int, int, float, bool, float]
"""An ``Order`` with the value as it was logged behind it."""


class Columns(NamedTuple):
    """24 bytes a point. Equal rows (one timestamp, step, comparable value, NaN or not) are one point."""

    timestamps: "array[int]"
    steps: "array[int]"
    values: "array[float]"

    @property
    def first(self) -> Place:
        return self.timestamps[0], self.steps[0]

    @property
    def last(self) -> Place:
        return self.timestamps[-1], self.steps[-1]

    def order(self, row: int) -> Order:
        value = self.values[row]
        missing = value != value
        return self.timestamps[row], self.steps[row], 0.0 if missing else value + 0.0, missing

    def rows(self) -> Iterator[Row]:
        return rows(self.values, self.timestamps, self.steps)

    def cut(self, start: int, end: int) -> "Columns":
        return Columns(self.timestamps[start:end], self.steps[start:end], self.values[start:end])

    def metrics(self, key: str) -> list[Metric]:
        columns = zip(self.values, self.timestamps, self.steps, strict=True)
        return [Metric(key, *column) for column in columns]


def empty() -> Columns:
    return Columns(array("q"), array("q"), array("d"))


def rows(values: Sequence[float], timestamps: Sequence[int], steps: Sequence[int]) -> Iterator[Row]:
    """Points as tuples whose natural order is that of get-history."""
    for value, time, step in zip(values, timestamps, steps, strict=True):
        yield time, step, (value + 0.0 if value == value else 0.0), value != value, value


def of_rows(points: Iterable[Row]) -> Columns:
    """Points in any order and number; of equal ones the first to come stays (the sort is stable)."""
    found = empty()
    held: Row | None = None
    for row in sorted(points, key=lambda row: row[:4]):
        if held is None or row[:4] != held[:4]:
            found.timestamps.append(row[0])
            found.steps.append(row[1])
            found.values.append(row[4])
            held = row
    return found


def unite(runs: Iterable[Columns]) -> Columns:
    """All points of the runs, of equal ones that of the earliest run. Runs that do not overlap are laid end
    to end without a look at their points."""
    found = empty()
    for cluster in _clusters([run for run in runs if run.timestamps]):
        if len(cluster) == 1:
            part = cluster[0]
        else:
            part = of_rows(row for run in cluster for row in run.rows())
        found.timestamps.extend(part.timestamps)
        found.steps.extend(part.steps)
        found.values.extend(part.values)
    return found


def _clusters(runs: Sequence[Columns]) -> Iterator[list[Columns]]:
    """Runs that overlap, together and as they came; clusters in order."""
    cluster: list[int] = []
    last: Place | None = None
    for number in sorted(range(len(runs)), key=lambda number: runs[number].first):
        if last is not None and runs[number].first > last:
            yield [runs[one] for one in sorted(cluster)]
            cluster, last = [], None
        cluster.append(number)
        last = runs[number].last if last is None else max(last, runs[number].last)
    if cluster:
        yield [runs[one] for one in sorted(cluster)]


def between(columns: Columns, after: Order | None, before: Place | None) -> Columns:
    """The points behind ``after`` and ahead of everything at ``before``."""
    every = range(len(columns.timestamps))
    start = 0 if after is None else bisect_right(every, after, key=columns.order)
    if before is None:
        return columns.cut(start, len(every))
    end = bisect_left(every, before, key=lambda row: (columns.timestamps[row], columns.steps[row]))
    return columns.cut(start, max(start, end))


def within_steps(columns: Columns, low: int, high: int) -> Columns:
    """The points with ``low <= step <= high``."""
    if not columns.steps or (min(columns.steps) >= low and max(columns.steps) <= high):
        return columns
    chosen = [row for row, step in enumerate(columns.steps) if low <= step <= high]
    return _chosen(columns, chosen)


def sample(columns: Columns, count: int) -> Columns:
    """``metrics.sample`` of the points, in sampling order: step, timestamp, value."""
    steps = columns.steps
    total = len(steps)
    if all(map(le, steps, islice(steps, 1, None))):
        return _chosen(columns, picks(total, count))
    # In the order of get-history, points of one step stand by timestamp and value: the sort is stable.
    order = sorted(range(total), key=steps.__getitem__)
    return _chosen(columns, [order[pick] for pick in picks(total, count)])


def _chosen(columns: Columns, chosen: Sequence[int]) -> Columns:
    return Columns(
        array("q", map(columns.timestamps.__getitem__, chosen)),
        array("q", map(columns.steps.__getitem__, chosen)),
        array("d", map(columns.values.__getitem__, chosen)),
    )
