"""The bytes of stored values give back what went in, to the bit."""

import math
import struct
from hashlib import sha256

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
    unpack,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
POINTS = st.lists(
    st.tuples(
        st.sampled_from(["loss", "accuracy", "é/ü", "\0"]),
        st.floats(allow_infinity=False),
        INT64,
        INT64,
    ).map(lambda made: Metric(*made)),
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


def test_the_bytes_are_those_of_the_releases_before() -> None:
    """What is stored is read back for ever, and the name of a log item is the hash of its bytes."""
    points = [Metric("loss", 0.5 / step, 1_700_000_000_000 + step, step) for step in range(1, 40)]
    odd = [Metric("é/ü", math.nan, -(2**63), 2**63 - 1), Metric("é/ü", -0.0, 2**63 - 1, -(2**63))]
    blobs = (encode_points([*points, *odd]), encode_latest({"loss": points[0], "é/ü": odd[0]}))
    digests = [sha256(unpack(blob)).hexdigest()[:16] for blob in blobs]
    assert digests == ["3e05ff0385ec02ba", "ebbafb13effb7b6a"]
