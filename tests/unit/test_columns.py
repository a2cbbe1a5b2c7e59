"""Histories as columns say what lists of points say."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cairn.domain import columns, metrics
from cairn.domain.columns import Columns
from cairn.domain.entities import Metric

NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))
VALUES = st.one_of(st.sampled_from([0.0, -0.0, 1.0, math.nan, -1e308]), st.floats(allow_infinity=False))
COLUMNS = st.tuples(st.just("m"), VALUES, NUMBERS, NUMBERS)
POINTS = st.lists(COLUMNS.map(lambda made: Metric(*made)), max_size=30)


def of(points: list[Metric]) -> Columns:
    return columns.of_rows(
        columns.rows(
            [point.value for point in points],
            [point.timestamp for point in points],
            [point.step for point in points],
        )
    )


def history(points: list[Metric]) -> list[Metric]:
    return sorted(metrics.distinct(points), key=metrics.history_order)


@given(POINTS)
def test_columns_hold_the_points_in_order_each_once(points: list[Metric]) -> None:
    assert repr(of(points).metrics("m")) == repr(history(points))


@given(st.lists(POINTS, max_size=5))
def test_united_columns_hold_the_points_of_all(runs: list[list[Metric]]) -> None:
    united = columns.unite(map(of, runs)).metrics("m")
    assert repr(united) == repr(history([point for run in runs for point in run]))


@given(POINTS, st.integers(1, 12))
def test_a_sample_of_columns_is_that_of_the_points(points: list[Metric], count: int) -> None:
    distinct = history(points)
    sampled = columns.sample(of(points), count).metrics("m")
    assert repr(sampled) == repr(metrics.sample(distinct, count))


@given(POINTS, st.integers(0, 30), st.integers(0, 30))
def test_points_between_two_places(points: list[Metric], first: int, last: int) -> None:
    held = history(points)
    after = metrics.history_order(held[first]) if first < len(held) else None
    before = (held[last].timestamp, held[last].step) if last < len(held) else None
    expected = [
        point
        for point in held
        if (after is None or metrics.history_order(point) > after)
        and (before is None or (point.timestamp, point.step) < before)
    ]
    assert repr(columns.between(of(points), after, before).metrics("m")) == repr(expected)


@given(POINTS, NUMBERS, NUMBERS)
def test_points_within_steps(points: list[Metric], low: int, high: int) -> None:
    expected = [point for point in history(points) if low <= point.step <= high]
    assert repr(columns.within_steps(of(points), low, high).metrics("m")) == repr(expected)


def test_a_sample_is_spread_evenly_and_ends_with_the_last_row() -> None:
    taken = list(metrics.picks(1_000_003, 2_500))
    assert (taken[0], taken[-1], len(taken)) == (0, 1_000_002, 2_500)
    assert {b - a for a, b in pairwise(taken[:-1])} == {400, 401}
