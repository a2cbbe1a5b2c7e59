"""The bytes of stored values give back what went in, to the bit."""

import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from cairn.domain.entities import Metric
from cairn.storage.codec import (
    decode_json,
    decode_latest,
    decode_series,
    encode_json,
    encode_latest,
    encode_points,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
POINTS = st.lists(
    st.builds(
        Metric,
        st.sampled_from(["loss", "accuracy", "é/ü", "\0"]),
        st.floats(allow_infinity=False),
        INT64,
        INT64,
    ),
    max_size=50,
)


def bits(point: Metric) -> tuple[str, bytes, int, int]:
    return point.key, struct.pack(">d", point.value), point.timestamp, point.step


def decoded(blob: bytes) -> list[Metric]:
    return [
        Metric(series.key, *column)
        for series in decode_series(blob)
        for column in zip(series.values, series.timestamps, series.steps, strict=True)
    ]


@given(POINTS)
def test_points_survive(points: list[Metric]) -> None:
    assert sorted(map(bits, decoded(encode_points(points)))) == sorted(map(bits, points))


@given(POINTS, st.randoms())
def test_the_same_points_in_any_order_give_the_same_bytes(points: list[Metric], random: object) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert encode_points(shuffled) == encode_points(points)


@given(POINTS)
def test_latest_values_survive(points: list[Metric]) -> None:
    latest = {point.key: point for point in points}
    again = decode_latest(encode_latest(latest))
    assert {key: bits(point) for key, point in again.items()} == {
        key: bits(point) for key, point in latest.items()
    }


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none())))
def test_json_survives(value: dict[str, object]) -> None:
    assert decode_json(encode_json(value)) == value


def test_many_points_take_about_ten_bytes_each() -> None:
    points = [
        Metric("loss", math.sin(step), 1_700_000_000_000 + 250 * step, step) for step in range(10_000)
    ]
    assert len(encode_points(points)) < 10 * len(points)
