"""Queries: bounds, prefixes, directions, pages."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cairn.storage.engine import EngineTable
from cairn.storage.limits import ItemRefused, MalformedRequest
from cairn.storage.meter import Meter
from cairn.storage.table import Item, Key, Page, Put, Query

# In the order of their UTF-8 bytes. UTF-16 would put the plane-1 characters before U+FFFF.
ORDERED = [
    "\0",
    "\x01",
    "A",
    "B",
    "a",
    "a\0",
    "a#1",
    "a#10",
    "a#2",
    "aa",
    "b",
    "é",
    "ｱ",
    "\uffff",
    "🦊",
    "🦊a",
    "\U0010ffff",
]


@pytest.fixture
def filled(table: EngineTable) -> EngineTable:
    table.batch_write([Put({"pk": "p", "sk": sk, "n": number}) for number, sk in enumerate(ORDERED)])
    table.batch_write([Put({"pk": other, "sk": "a"}) for other in ("o", "p\0", "pp", "q")])
    return table


def pages(table: EngineTable, query: Query) -> Iterator[Page]:
    after = query.after
    while True:
        page = table.query(
            Query(query.pk, query.low, query.high, query.prefix, query.forward, query.limit, after)
        )
        yield page
        if page.after is None:
            return
        after = page.after


def found(table: EngineTable, query: Query) -> list[str]:
    return [item["sk"] for page in pages(table, query) for item in page.items]


def expected(query: Query) -> list[str]:
    matching = [
        sk
        for sk in ORDERED
        if (query.low is None or sk >= query.low)
        and (query.high is None or sk <= query.high)
        and (query.prefix is None or sk.startswith(query.prefix))
        and (query.after is None or (sk > query.after if query.forward else sk < query.after))
    ]
    return matching if query.forward else matching[::-1]


BOUNDS = [
    {},
    {"low": "B"},
    {"high": "a#2"},
    {"low": "a", "high": "b"},
    {"low": "a", "high": "a"},
    {"low": "a0", "high": "a1"},
    {"low": "b", "high": "a"},
    {"low": ""},
    {"high": ""},
    {"prefix": ""},
    {"prefix": "a"},
    {"prefix": "a#1"},
    {"prefix": "none"},
    {"prefix": "🦊"},
    {"prefix": "\U0010ffff"},
    {"prefix": "\x7f"},
    {"low": "é", "high": "🦊"},
]


@pytest.mark.parametrize("bounds", BOUNDS, ids=repr)
def test_bounds_are_inclusive_and_ordered_by_bytes(filled: EngineTable, bounds: dict[str, str]) -> None:
    for forward in (True, False):
        for limit in (None, 1, 3):
            query = Query("p", **bounds, forward=forward, limit=limit)  # type: ignore[arg-type]
            assert found(filled, query) == expected(query)


@pytest.mark.parametrize("bounds", BOUNDS, ids=repr)
def test_a_page_starts_after_any_key(filled: EngineTable, bounds: dict[str, str]) -> None:
    """Also after keys that are not there, and outside the bounds: DynamoDB would refuse these."""
    for forward in (True, False):
        for after in (*ORDERED, "a#11", "B0", "0", "z"):
            query = Query("p", **bounds, forward=forward, after=after)  # type: ignore[arg-type]
            assert found(filled, query) == expected(query), (forward, after)


def test_pages_are_of_the_limit(filled: EngineTable) -> None:
    sizes = [len(page.items) for page in pages(filled, Query("p", limit=5))]
    assert sizes[:3] == [5, 5, 5]
    assert sum(sizes) == len(ORDERED)


def test_items_come_whole(filled: EngineTable) -> None:
    first: list[Item] = list(filled.query(Query("p", limit=1)).items)
    assert first == [{"pk": "p", "sk": "\0", "n": 0}]


def test_an_empty_partition(table: EngineTable) -> None:
    assert table.query(Query("none")) == Page([], None)


@pytest.mark.parametrize("forward", [True, False])
def test_a_page_ends_at_1_mb(table: EngineTable, forward: bool) -> None:
    table.batch_write([Put({"pk": "p", "sk": f"{n:02}", "b": b"x" * 100_000}) for n in range(25)])
    walked = list(pages(table, Query("p", forward=forward)))
    assert [len(page.items) for page in walked[:2]] in ([10, 10], [9, 9])
    sks = [item["sk"] for page in walked for item in page.items]
    assert sks == sorted(sks, reverse=not forward)
    assert len(sks) == 25


def test_an_item_larger_than_what_is_left_of_a_page_comes_alone(table: EngineTable) -> None:
    table.batch_write([Put({"pk": "p", "sk": f"{n}", "b": b"x" * 400_000}) for n in range(4)])
    assert [len(page.items) for page in pages(table, Query("p", low="0", high="3"))][:2] == [2, 2]


def test_what_a_query_may_not_ask(table: EngineTable) -> None:
    for query in (
        Query("p", low="a", prefix="a"),
        Query("p", high="a", prefix="a"),
        Query("p", limit=0),
        Query("p", after=""),
        Query(""),
    ):
        with pytest.raises(MalformedRequest):
            table.query(query)
    for query in (Query("p", low="x" * 1025), Query("p" * 2049), Query("p", prefix="\ud800")):
        with pytest.raises(ItemRefused):
            table.query(query)


def test_bounds_that_leave_nothing_cost_nothing(table: EngineTable, meter: Meter) -> None:
    with meter.measure() as measured:
        assert table.query(Query("p", low="b", high="a")) == Page(())
        assert table.query(Query("p", high="b", after="b")) == Page(())
    assert measured.requests == 0


def test_eventually_consistent_reads_see_the_same_here(filled: EngineTable) -> None:
    page = filled.query(Query("p", consistent=False))
    assert [item["sk"] for item in page.items] == ORDERED
    assert filled.batch_get([Key("p", "a")], consistent=False) == {Key("p", "a"): page.items[4]}


def test_bare_items_are_read_as_others_and_cost_the_same(table: EngineTable, meter: Meter) -> None:
    table.batch_write([Put({"pk": "é#", "sk": f"é{n:03}", "f": 1}) for n in range(400)])
    for query in (
        Query("é#"),
        Query("é#", limit=7),
        Query("é#", limit=400),
        Query("é#", low="é010", high="é020", forward=False),
        Query("é#", after="é390", limit=9),
        Query("é#", low="z"),
    ):
        with meter.measure() as whole:
            expected = table.query(query)
        with meter.measure() as measured:
            bare = table.query(replace(query, bare=True))
        assert [Key(item["pk"], item["sk"]) for item in bare.items] == [
            Key(item["pk"], item["sk"]) for item in expected.items
        ]
        assert bare.after == expected.after
        assert measured.read_units == whole.read_units


def test_a_page_of_bare_items_ends_at_1_mb(table: EngineTable) -> None:
    """Also where a single item is left."""
    table.batch_write([Put({"pk": "p", "sk": f"{n:04}" + "x" * 1_000, "f": 1}) for n in range(1_100)])
    first = table.query(Query("p"))
    assert first.after is not None
    last = f"{len(first.items):04}y"
    for query in (Query("p"), Query("p", high=last)):
        whole, bare = table.query(query), table.query(replace(query, bare=True))
        assert len(bare.items) == len(whole.items) == len(first.items)
        assert bare.after == whole.after is not None
