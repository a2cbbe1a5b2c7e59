"""Walks of the index: the entries of one field of a life-cycle group, in the order of a search.

Ascending sort keys give values ascending and, within equal values, start_time DESC, run_id ASC. A
descending walk reads backward and turns each group of equal values round; a group that a page's edge cuts
is read forward again from its beginning, so that 90% of all runs with one value cost no more.
"""

import heapq
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial, total_ordering
from itertools import chain, groupby, islice
from typing import NamedTuple

from cairn.search.index import is_value
from cairn.search.plan import LAST, Span, Walk
from cairn.storage import keys
from cairn.storage.table import Item, Page, Query, Table
from cairn.storage.together import Together, in_turn

_FEW = 4  # streams that read as many entries each as are expected in all
_LEAST = 10
_GROWTH = 4
_POSITION = 48  # hex digits of start time and run id at the end of every sort key
_RUN = 32

Spend = Callable[[float], None]
"""Told of read units; may raise to end the walk."""

Skips = Callable[[Item], bool]
"""Whether an entry is of no use. Asked once, when it is read."""


class Found(NamedTuple):
    """An entry on the way: its value (empty in the default order), its position, its run. ``skipped``: it
    only says how far the walk has come."""

    value: str
    position: str
    skipped: bool = False

    @property
    def run_id(self) -> str:
        return self.position[-32:]


@total_ordering
class _Reversed:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.text == other.text

    def __lt__(self, other: "_Reversed") -> bool:
        return other.text < self.text

    def __hash__(self) -> int:
        return hash(self.text)


def walk_key(walk: Walk) -> Callable[[Found], tuple[object, str]]:
    """What orders the entries of several partitions that are walked together."""
    if walk.by_value:
        if walk.ascending:
            return lambda found: (found.value, found.position)
        return lambda found: (_Reversed(found.value), found.position)
    if walk.ascending:
        return lambda found: ("", found.position)
    return lambda found: (_Reversed(found.position[:16]), found.position)


class Walks:
    """Entries from a table. ``streams`` walks are merged to yield ``expected`` entries: each of them reads
    its share at first, and four times as many with each further request, up to a ``page``."""

    def __init__(self, table: Table, spend: Spend, page: int, together: Together = in_turn) -> None:
        self._table = table
        self._spend = spend
        self._page = page
        self.together = together
        self._spending = threading.Lock()

    def merged(
        self,
        partitions: Sequence[str],
        walk: Walk,
        start: str | None,
        expected: int,
        skips: Skips | None = None,
    ) -> Iterator[Found]:
        """The entries of all partitions and spans, in the order of the walk, from behind ``start``: the end
        of a sort key where the walk is not by value. What lies at one place in two of them comes once; what
        is no entry of its span (a damaged index) would come out of order, and is passed over. The first
        request of each stream is made at once, side by side. Of what ``skips`` only the last entry of a
        request comes."""
        streams = len(partitions) * len(walk.spans)
        share = expected if streams <= _FEW else expected * _FEW // streams
        limit = min(max(share, _LEAST), self._page)
        walks = [
            self._own(span, self._entries(partition, span, walk, start, limit, skips), walk)
            for partition in partitions
            for span in walk.spans
        ]
        if len(walks) == 1:
            return walks[0]
        begun = self.together([partial(_begun, found) for found in walks])
        found = heapq.merge(*begun, key=walk_key(walk))
        return (next(same) for _, same in groupby(found, lambda one: one.run_id))

    def _own(self, span: Span, entries: Iterator[Found], walk: Walk) -> Iterator[Found]:
        if walk.by_value:
            return (found for found in entries if is_value(found.value))
        return (found for found in entries if found.value == span.low)

    def _entries(
        self, partition: str, span: Span, walk: Walk, start: str | None, limit: int, skips: Skips | None
    ) -> Iterator[Found]:
        """1 Query per page; going down 1 more for each group of equal values (of equal start times, where
        the walk is not by value) that an edge cuts."""
        after = start if start is None or walk.by_value or not walk.field else span.low + start
        if walk.ascending:
            yield from self._forward(partition, span, after, limit, skips)
            return
        tie = _POSITION if walk.by_value else _RUN
        high = span.high
        if after is not None:
            group = after[:-tie]
            yield from self._forward(partition, Span(group, group + LAST), after, limit, skips)
            high = min(high, group)  # every sort key of the group is longer
        yield from self._backward(partition, Span(span.low, high), tie, limit, skips)

    def _forward(
        self, partition: str, span: Span, after: str | None, limit: int, skips: Skips | None
    ) -> Iterator[Found]:
        low = span.low if after is None else max(span.low, after + "\0")
        while low <= span.high:
            page = self._read(partition, low, span.high, limit)
            yield from _useful(page.items, skips)
            if page.after is None:
                return
            low, limit = page.after + "\0", min(limit * _GROWTH, self._page)

    def _backward(
        self, partition: str, span: Span, tie: int, limit: int, skips: Skips | None
    ) -> Iterator[Found]:
        high = span.high
        while high >= span.low:
            page = self._read(partition, span.low, high, limit, forward=False)
            groups = [list(held) for _, held in groupby(page.items, lambda item: item["sk"][:-tie])]
            whole = groups if page.after is None else groups[:-1]
            yield from _useful([item for held in whole for item in reversed(held)], skips)
            if page.after is None:
                return
            high = page.after[:-tie]
            yield from self._forward(partition, Span(high, high + LAST), None, limit, skips)
            limit = min(limit * _GROWTH, self._page)

    def _read(self, partition: str, low: str, high: str, limit: int, *, forward: bool = True) -> Page:
        """Entries are their keys; but those of the default order, whose partition ends so, hold names."""
        bare = not partition.endswith("#")
        return self.query(Query(partition, low=low, high=high, limit=limit, forward=forward, bare=bare))

    def query(self, query: Query) -> Page:
        """A page, paid for."""
        page = self._table.query(query)
        with self._spending:
            self._spend(max(1, -(-_size(query.pk, page.items) // 4_096)))
        return page


def _useful(items: Sequence[Item], skips: Skips | None) -> list[Found]:
    if skips is None:
        return [found_of(item["sk"]) for item in items]
    found = [found_of(item["sk"]) for item in items if not skips(item)]
    if items and skips(items[-1]):
        found.append(found_of(items[-1]["sk"])._replace(skipped=True))
    return found


def _size(pk: str, items: Sequence[Item]) -> int:
    """Bytes of small items of one partition, the same but for a few: keys and names, and some 8 beside."""
    texts = [item["sk"] for item in items]
    texts += [item[keys.NAME] for item in items if keys.NAME in item]
    return len("".join(texts).encode()) + len(items) * (len(pk) + 8) + len(texts) - len(items)


def _begun(entries: Iterator[Found]) -> Iterator[Found]:
    """The same entries, the first of which has been read."""
    return chain(list(islice(entries, 1)), entries)


def found_of(sort_key: str) -> Found:
    return Found(sort_key[:-_POSITION], sort_key[-_POSITION:])
