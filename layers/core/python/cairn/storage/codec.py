"""The bytes of stored values: packed facts, packed latest metrics, packed points of the metric log.

Every blob begins with one byte that names its format (0 plain, 1 zlib), so that readers read all formats
so far. Facts are JSON; metrics are columns: names once, then doubles, timestamps and steps, bytes
transposed where that helps the compressor. Doubles are stored as IEEE 754, NaN and -0.0 as they came.
"""

import json
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, repeat
from operator import sub
from typing import Any, NamedTuple

from pydantic_core import from_json

from cairn.domain.entities import Metric

FORMAT = 1
"""The version of the layout that items of this release name in their attribute ``f``."""

_PLAIN, _ZLIB = b"\x00", b"\x01"
write_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Compact JSON."""

_WORTH_COMPRESSING = 200  # bytes; below this zlib's own header eats the gain

_new = tuple.__new__
_UNSET = [repeat(default) for name, default in Metric._field_defaults.items() if name != "step"]


class Series(NamedTuple):
    """The points of one key, column by column."""

    key: str
    values: Sequence[float]
    timestamps: Sequence[int]
    steps: Sequence[int]


def pack(raw: bytes) -> bytes:
    """The shorter of plain and compressed."""
    if len(raw) >= _WORTH_COMPRESSING:
        squeezed = zlib.compress(raw, 6)
        if len(squeezed) < len(raw):
            return _ZLIB + squeezed
    return _PLAIN + raw


def unpack(blob: bytes) -> bytes:
    return zlib.decompress(blob[1:]) if blob[:1] == _ZLIB else blob[1:]


def encode_json(value: object) -> bytes:
    """Compact JSON, packed."""
    return pack(write_json(value).encode())


def decode_json(blob: bytes) -> Any:
    return from_json(unpack(blob))


def _columns(
    keys: Sequence[str],
    counts: Sequence[int],
    values: Sequence[float],
    times: Sequence[int],
    steps: Sequence[int],
) -> bytes:
    header = write_json([keys, counts]).encode()
    return b"".join(
        (
            struct.pack(">I", len(header)),
            header,
            _transpose(struct.pack(f">{len(values)}d", *values)),
            _pack_deltas(times),
            _pack_deltas(steps),
        )
    )


def _pack_deltas(numbers: Sequence[int]) -> bytes:
    """The first int64, then differences modulo 2**64: constant steps compress to nothing."""
    deltas = [numbers[0], *map(sub, numbers[1:], numbers)] if numbers else []
    try:
        packed = struct.pack(f">{len(deltas)}q", *deltas)
    except struct.error:  # a difference is past an int64
        packed = struct.pack(f">{len(deltas)}Q", *(delta & 0xFFFFFFFFFFFFFFFF for delta in deltas))
    return _transpose(packed)


def _unpack_deltas(raw: bytes) -> "array[int]":
    deltas = struct.unpack(f">{len(raw) // 8}q", _restore(raw))
    try:
        return array("q", accumulate(deltas))
    except OverflowError:  # a difference was past an int64
        return array(
            "q",
            (
                number - 0x10000000000000000 if number & 0x8000000000000000 else number
                for number in (total & 0xFFFFFFFFFFFFFFFF for total in accumulate(deltas))
            ),
        )


def _unpack_doubles(raw: bytes) -> "array[float]":
    return array("d", struct.unpack(f">{len(raw) // 8}d", _restore(raw)))


def _transpose(raw: bytes) -> bytes:
    """All first bytes of the 8-byte words, then all second ones, ..."""
    return b"".join(raw[index::8] for index in range(8))


def _restore(raw: bytes) -> bytes:
    count = len(raw) // 8
    words = bytearray(len(raw))
    for index in range(8):
        words[index::8] = raw[index * count : (index + 1) * count]
    return bytes(words)


def encode_series(series: Sequence[Series]) -> bytes:
    """Points by key, packed: about 8 to 10 bytes a point once there are many."""
    return pack(
        _columns(
            [s.key for s in series],
            [len(s.values) for s in series],
            [value for s in series for value in s.values],
            [time for s in series for time in s.timestamps],
            [step for s in series for step in s.steps],
        )
    )


def decode_series(blob: bytes) -> Iterator[Series]:
    keys, counts, values, times, steps = _read(blob)
    start = 0
    for key, count in zip(keys, counts, strict=True):
        end = start + count
        yield Series(key, values[start:end], times[start:end], steps[start:end])
        start = end


def _read(blob: bytes) -> "tuple[list[str], list[int], array[float], array[int], array[int]]":
    """The columns of all keys: names, numbers of points, values, timestamps, steps."""
    raw = unpack(blob)
    (header_size,) = struct.unpack_from(">I", raw)
    keys, counts = from_json(raw[4 : 4 + header_size])
    body = raw[4 + header_size :]
    column = len(body) // 3
    return (
        keys,
        counts,
        _unpack_doubles(body[:column]),
        _unpack_deltas(body[column : 2 * column]),
        _unpack_deltas(body[2 * column :]),
    )


def encode_points(points: Iterable[Metric]) -> bytes:
    """Points of any keys. The same set of points gives the same bytes, in whatever order it comes."""
    by_key: dict[str, list[Metric]] = {}
    for point in points:
        by_key.setdefault(point.key, []).append(point)
    series = []
    for key in sorted(by_key):
        held = by_key[key]
        if len(held) > 1:
            held.sort(key=lambda p: (p.step, p.timestamp, struct.pack(">d", p.value)))
        series.append(
            Series(key, [p.value for p in held], [p.timestamp for p in held], [p.step for p in held])
        )
    return encode_series(series)


def encode_latest(latest: Mapping[str, Metric]) -> bytes:
    """The latest point of each key, in the order of the keys."""
    keys = sorted(latest)
    points = [latest[key] for key in keys]
    return pack(
        _columns(
            keys,
            [1] * len(points),
            [point.value for point in points],
            [point.timestamp for point in points],
            [point.step for point in points],
        )
    )


def decode_latest(blob: bytes) -> dict[str, Metric]:
    keys, _, values, times, steps = _read(blob)
    # What Metric(key, value, timestamp, step) gives, in two thirds of the time: a page has thousands.
    columns = zip(keys, values, times, steps, *_UNSET, strict=False)
    return dict(zip(keys, map(_new, repeat(Metric), columns), strict=True))
