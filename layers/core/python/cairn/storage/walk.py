"""Walks of the index: the entries of one field of a life-cycle group, in the order of a search.

Ascending sort keys give values ascending and, within equal values, start_time DESC, run_id ASC. A
descending walk reads backward and turns each group of equal values round; a group that a page's edge cuts
is read forward again from its beginning, so that 90% of all runs with one value cost no more.
"""

from collections.abc import Callable, Iterator
from functools import total_ordering
from itertools import groupby
from typing import NamedTuple

from cairn.search.plan import DEFAULT_ORDER, LAST, Span
from cairn.storage.limits import item_size
from cairn.storage.table import Page, Query, Table

_PAGE = 1_000  # entries of about 120 bytes
_POSITION = 48  # hex digits of start time and run id at the end of every sort key

Spend = Callable[[float], None]
"""Told of read units; may raise to end the walk."""


class Found(NamedTuple):
    """An entry on the way: its value (empty in the default order), its position, its run."""

    value: str
    position: str

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


def walk_key(field: str, ascending: bool) -> Callable[[Found], tuple[object, str]]:
    """What orders entries of several partitions that are walked together."""
    if ascending:
        return lambda found: (found.value, found.position)
    if field == DEFAULT_ORDER:
        return lambda found: (_Reversed(found.position[:16]), found.position)
    return lambda found: (_Reversed(found.value), found.position)


class Walks:
    """Entries from a table; ``expected`` is how many a walk reads at first."""

    def __init__(self, table: Table, spend: Spend, expected: int) -> None:
        self._table = table
        self._spend = spend
        self._expected = min(max(expected, 10), _PAGE)

    def entries(
        self, partition: str, field: str, span: Span, ascending: bool, after: Found | None = None
    ) -> Iterator[Found]:
        """The entries in the span, from behind ``after``. 1 Query per page; going down 1 more for each
        group of equal values (of equal start times, in the default order) that an edge cuts."""
        last = None if after is None else after.value + after.position
        if ascending:
            yield from self._forward(partition, span, last)
            return
        prefix_of = _start if field == DEFAULT_ORDER else _value
        high = span.high
        if last is not None:
            group = prefix_of(last)
            yield from self._forward(partition, Span(group, group + LAST), last)
            high = min(high, group)  # every sort key of the group is longer
        yield from self._backward(partition, Span(span.low, high), prefix_of)

    def page(self, partition: str, span: Span, limit: int) -> tuple[list[Found], bool]:
        """The first entries of a span, and whether they are all. 1 Query."""
        page = self._query(Query(partition, low=span.low, high=span.high, limit=limit))
        return [_found(item["sk"]) for item in page.items], page.after is None

    def _forward(self, partition: str, span: Span, after: str | None) -> Iterator[Found]:
        limit = self._expected
        while True:
            page = self._query(Query(partition, low=span.low, high=span.high, limit=limit, after=after))
            yield from (_found(item["sk"]) for item in page.items)
            if page.after is None:
                return
            after, limit = page.after, _PAGE

    def _backward(self, partition: str, span: Span, prefix_of: Callable[[str], str]) -> Iterator[Found]:
        high, limit = span.high, self._expected
        while high >= span.low:
            page = self._query(Query(partition, low=span.low, high=high, limit=limit, forward=False))
            sort_keys = [item["sk"] for item in page.items]
            groups = [(prefix, list(held)) for prefix, held in groupby(sort_keys, prefix_of)]
            for _, held in groups if page.after is None else groups[:-1]:
                yield from (_found(sort_key) for sort_key in reversed(held))
            if page.after is None:
                return
            high, limit = groups[-1][0], _PAGE
            yield from self._forward(partition, Span(high, high + LAST), None)

    def _query(self, query: Query) -> Page:
        page = self._table.query(query)
        self._spend(max(1, -(-sum(map(item_size, page.items)) // 4_096)))
        return page


def _value(sort_key: str) -> str:
    return sort_key[:-_POSITION]


def _start(sort_key: str) -> str:
    return sort_key[:16]


def _found(sort_key: str) -> Found:
    return Found(sort_key[:-_POSITION], sort_key[-_POSITION:])
