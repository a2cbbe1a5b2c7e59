"""The latest rule and the sampling of histories."""

import math
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.domain.entities import Metric
from cairn.domain.metrics import MAX_DOUBLE, clamp, distinct, identity, merge_latest, sample, sampling_order

POINTS = st.lists(
    st.tuples(
        st.just("loss"),
        st.sampled_from([-1.0, -0.0, 0.0, 1.0, math.nan, 2.5]),
        st.integers(0, 3),
        st.integers(-2, 3),
    ).map(lambda made: Metric(*made)),
    max_size=40,
)


def test_infinities_become_the_greatest_doubles() -> None:
    assert clamp(math.inf) == MAX_DOUBLE
    assert clamp(-math.inf) == -MAX_DOUBLE
    assert math.isnan(clamp(math.nan))


@given(POINTS)
def test_the_latest_is_the_greatest_by_step_timestamp_value_with_nan_as_zero(points: list[Metric]) -> None:
    latest: dict[str, Metric] = {}
    merge_latest(latest, points)
    if points:
        rank = [(p.step, p.timestamp, 0.0 if math.isnan(p.value) else p.value) for p in points]
        assert latest["loss"] is points[rank.index(max(rank))]


@given(POINTS, POINTS)
def test_merging_in_parts_gives_the_same_rank(first: list[Metric], second: list[Metric]) -> None:
    together: dict[str, Metric] = {}
    merge_latest(together, first + second)
    apart: dict[str, Metric] = {}
    merge_latest(apart, second)
    merge_latest(apart, first)
    rank = [(p.step, p.timestamp, 0.0 if math.isnan(p.value) else p.value) for p in together.values()]
    assert rank == [(p.step, p.timestamp, 0.0 if math.isnan(p.value) else p.value) for p in apart.values()]


@given(POINTS)
def test_distinct_keeps_each_identity_once(points: list[Metric]) -> None:
    assert len(distinct(points)) == len({identity(point) for point in points})


@given(POINTS, st.integers(1, 12))
def test_sampling_is_sql_ntile_with_the_last_row_kept(points: list[Metric], count: int) -> None:
    rows = sorted(distinct(points), key=sampling_order)
    with sqlite3.connect(":memory:") as database:
        database.execute("create table rows (number integer)")
        database.executemany("insert into rows values (?)", [(number,) for number in range(len(rows))])
        buckets = database.execute(
            "select number, ntile(?) over (order by number) from rows", (count,)
        ).fetchall()
    database.close()
    firsts: dict[int, int] = {}
    for number, bucket in buckets:
        firsts.setdefault(bucket, number)
    expected = sorted(firsts.values())
    if rows and expected[-1] != len(rows) - 1:
        if len(expected) >= count:
            expected[-1] = len(rows) - 1
        else:
            expected.append(len(rows) - 1)
    assert sample(points and distinct(points), count) == [rows[number] for number in expected]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_sampling_nothing_gives_nothing(count: int) -> None:
    assert sample([], count) == []
