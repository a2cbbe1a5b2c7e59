"""What the fold leaves of one metric's log: a listing, and the segments that it lists.

The listing (``H#metric``) is the truth: it is written on condition of its version, holds the latest points
inline while they are few, and names the segments with what each covers. Segments are immutable columns in
the order of get-history, 8 to 10 bytes a point: one that is listed either is there, or a later version of
the listing has replaced it. How points get here is ``fold``'s, who reads them ``history``'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from cairn.domain.columns import Columns, Place, empty
from cairn.storage import keys
from cairn.storage.codec import (
    FORMAT,
    Series,
    decode_json,
    decode_series,
    encode_json,
    encode_series,
)
from cairn.storage.expr import Absent, eq
from cairn.storage.table import Delete, Item, Key, Put, Table
from cairn.storage.together import Together

MAX_POINTS = 30_000
"""Points of one segment at most."""

MAX_BYTES = 330_000
"""Bytes of one segment at most, so that three fill a page of 1 MB; an item may hold 400 KB."""

_TOGETHER = 48  # segments read in one request: 48 * 330 KB stay under BatchGetItem's 16 MB


class Segment(NamedTuple):
    """A listed segment: its name, how many points, the first and the last place, the range of steps."""

    name: str
    points: int
    first: Place
    last: Place
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All that was folded of a metric: ``segments`` from the oldest on, ``inline`` newer than all."""

    version: int
    segments: tuple[Segment, ...]
    inline: Columns


class SegmentReplaced(Exception):
    """A listed segment is gone: a later version of the listing says what replaced it."""


def listing_of(item: Item | None) -> Listing:
    if item is None:
        return Listing(0, (), empty())
    segments = tuple(
        Segment(name, points, (first, first_step), (last, last_step), low, high)
        for name, points, first, first_step, last, last_step, low, high in decode_json(item["s"])
    )
    return Listing(item["v"], segments, decode(item["b"]) if "b" in item else empty())


def put_listing(run_id: str, metric: str, listing: Listing) -> Put:
    """On condition that the version before it still stands."""
    key = keys.folded(run_id, metric)
    segments = [
        (s.name, s.points, s.first[0], s.first[1], s.last[0], s.last[1], s.low, s.high)
        for s in listing.segments
    ]
    item = {"pk": key.pk, "sk": key.sk, "f": FORMAT, "v": listing.version, "s": encode_json(segments)}
    if listing.inline.timestamps:
        item["b"] = encode(listing.inline)
    return Put(item, eq("v", listing.version - 1) if listing.version > 1 else Absent())


def put_journal(run_id: str, written: Sequence[Key], replaced: Sequence[Key]) -> Put:
    """The segments that a fold is about to write, and to delete after that."""
    content = encode_json([key.sk for key in (*written, *replaced)])
    key = keys.fold_journal(run_id, content)
    return Put({"pk": key.pk, "sk": key.sk, "f": FORMAT, "b": content})


def clear(table: Table, journal: Item) -> None:
    """Delete what a fold that was cut short wrote and did not list, or replaced and did not delete.

    1 BatchGetItem of the listings, 1 BatchWriteItem per 25 segments that no listing names, 1 DeleteItem. A
    segment is named for the version that first lists it: one of a version that stands, or stood, and is not
    listed, never will be. One of a later version may be about to be listed by a fold that is under way: it
    stays, and the journal with it, until a later fold.
    """
    segments = [Key(journal["pk"], sk) for sk in decode_json(journal["b"])]
    of = {key: Key(key.pk, key.sk.rsplit("#", 2)[0]) for key in segments}
    found = table.batch_get(list(dict.fromkeys(of.values())))
    listings = {key: listing_of(found.get(key)) for key in of.values()}
    dropped: list[Key] = []
    undecided = False
    for key, listing_key in of.items():
        name, listing = key.sk[len(listing_key.sk) + 1 :], listings[listing_key]
        if any(segment.name == name for segment in listing.segments):
            continue
        if keys.version_of(name) > listing.version:
            undecided = True
        else:
            dropped.append(key)
    table.batch_write([Delete(key) for key in dropped])
    if not undecided:
        table.delete(Delete(Key(journal["pk"], journal["sk"])))


def encode(columns: Columns) -> bytes:
    """Without the metric's name, which the listing's key stands for."""
    return encode_series([Series("", columns.values, columns.timestamps, columns.steps)])


def decode(blob: bytes) -> Columns:
    (series,) = decode_series(blob)
    values, times, steps = series.values, series.timestamps, series.steps
    return Columns(times, steps, values)  # type: ignore[arg-type]


def cut(columns: Columns) -> Iterator[tuple[Columns, bytes]]:
    """Pieces that fit a segment, all but the last of full size, each with its encoding."""
    for start in range(0, len(columns.timestamps), MAX_POINTS):
        yield from _fitting(columns.cut(start, start + MAX_POINTS))


def _fitting(columns: Columns) -> Iterator[tuple[Columns, bytes]]:
    """Halved where timestamps and steps without any order would not compress."""
    blob = encode(columns)
    if len(blob) <= MAX_BYTES:
        yield columns, blob
        return
    middle = len(columns.timestamps) // 2
    yield from _fitting(columns.cut(0, middle))
    yield from _fitting(columns.cut(middle, len(columns.timestamps)))


def put_segment(
    run_id: str, metric: str, version: int, columns: Columns, blob: bytes
) -> tuple[Segment, Put]:
    name = keys.segment_name(version, blob)
    key = keys.segment(run_id, metric, name)
    steps = columns.steps
    segment = Segment(name, len(steps), columns.first, columns.last, min(steps), max(steps))
    return segment, Put({"pk": key.pk, "sk": key.sk, "f": FORMAT, "b": blob})


def read_ahead(table: Table, names: Sequence[Key], together: Together) -> dict[Key, Columns | None]:
    """The columns of segments of any runs; None for those that are not there. As ``read_segments``, but
    that the requests do not wait for each other, and all is held at once."""
    found: dict[Key, Columns | None] = {}
    for consistent in (False, True):
        left = [name for name in dict.fromkeys(names) if name not in found]
        chunks = [left[start : start + _TOGETHER] for start in range(0, len(left), _TOGETHER)]
        for part in together([partial(_decoded, table, chunk, consistent) for chunk in chunks]):
            found |= part
    return found | {name: None for name in names if name not in found}


def _decoded(table: Table, names: Sequence[Key], consistent: bool) -> dict[Key, Columns]:
    found = table.batch_get(names, consistent=consistent)
    return {name: decode(item["b"]) for name, item in found.items()}


def read_segments(table: Table, run_id: str, metric: str, segments: Sequence[Segment]) -> Iterator[Columns]:
    """The columns of listed segments, in their order: 1 BatchGetItem per 48, eventually consistent, and 1
    strongly consistent for those that this did not find. Raises SegmentReplaced for what is not there.

    A segment never changes, so that one which an eventually consistent read finds is right; and it is known
    to have been written before its listing: a miss is a replica that lags, or a replacement.
    """
    for start in range(0, len(segments), _TOGETHER):
        wanted = [keys.segment(run_id, metric, s.name) for s in segments[start : start + _TOGETHER]]
        found = table.batch_get(wanted, consistent=False)
        missing = [key for key in wanted if key not in found]
        if missing:
            found |= table.batch_get(missing)
        for key in wanted:
            if key not in found:
                raise SegmentReplaced(key.sk)
            yield decode(found[key]["b"])
