"""Rules of metrics: clamping, identity, which point is the latest, and the sampling of histories.

All after MLflow's ``SqlAlchemyStore``: a point is identified by (key, timestamp, step, value, is NaN); the
latest is the greatest by (step, timestamp, value), where NaN counts as 0 and an equal one never replaces.
"""

import math
from collections.abc import Iterable, Sequence

from cairn.domain.entities import Metric

MAX_DOUBLE = 1.7976931348623157e308


def clamp(value: float) -> float:
    """Infinities become the greatest double, as in MLflow's ``sanitize_metric_value``; NaN stays."""
    if math.isinf(value):
        return math.copysign(MAX_DOUBLE, value)
    return value


def comparable(value: float) -> float:
    """The value as it is compared and ordered: NaN counts as 0, and -0.0 equals 0.0."""
    return 0.0 if math.isnan(value) else value + 0.0


def identity(point: Metric) -> tuple[str, int, int, float, bool]:
    """What makes two points of a run one and the same."""
    return point.key, point.timestamp, point.step, comparable(point.value), math.isnan(point.value)


def distinct(points: Iterable[Metric]) -> list[Metric]:
    """Each point once, first come first."""
    seen: dict[tuple[str, int, int, float, bool], Metric] = {}
    for point in points:
        seen.setdefault(identity(point), point)
    return list(seen.values())


def is_later(point: Metric, than: Metric) -> bool:
    """Whether ``point`` replaces ``than`` as the latest of its key."""
    return (point.step, point.timestamp, comparable(point.value)) > (
        than.step,
        than.timestamp,
        comparable(than.value),
    )


def merge_latest(latest: dict[str, Metric], points: Iterable[Metric]) -> None:
    """Fold points into the latest ones, in place."""
    for point in points:
        held = latest.get(point.key)
        if held is None or is_later(point, held):
            latest[point.key] = point


def history_order(point: Metric) -> tuple[int, int, float, bool]:
    """The order of get-history: timestamp, step, value."""
    return point.timestamp, point.step, comparable(point.value), math.isnan(point.value)


def sampling_order(point: Metric) -> tuple[int, int, float, bool]:
    """The order of get-history-bulk-interval: step, timestamp, value, NaN last among equals."""
    return point.step, point.timestamp, comparable(point.value), math.isnan(point.value)


def picks(total: int, count: int) -> Sequence[int]:
    """Which of ``total`` rows in sampling order a sample of at most ``count`` takes.

    The first row of each of SQL's ``NTILE(count)`` buckets (the larger buckets come first); where that
    misses the last row, that takes the last place.
    """
    size, larger = divmod(total, count)
    if size == 0:
        return range(total)
    starts = [bucket * size + min(bucket, larger) for bucket in range(count)]
    starts[-1] = total - 1
    return starts


def sample(points: Sequence[Metric], count: int) -> list[Metric]:
    """At most ``count`` of the points, evenly over rows in sampling order, the last one included."""
    rows = sorted(points, key=sampling_order)
    return [rows[pick] for pick in picks(len(rows), count)]
