"""Every request's cost, the same on both engines: AWS's documentation, by example."""

from collections.abc import Callable
from typing import Any

import pytest

from cairn.storage.engine import EngineTable
from cairn.storage.expr import Absent, Exists, Remove, Set, eq
from cairn.storage.limits import item_size
from cairn.storage.meter import Meter, read_units, write_units
from cairn.storage.table import Check, ConditionFailed, Cost, Delete, Key, Put, Query, Update

KB = 1024


def sized(sk: str, size: int, pk: str = "p") -> dict[str, Any]:
    """An item of exactly ``size`` bytes."""
    item = {"pk": pk, "sk": sk, "b": b""}
    item["b"] = b"x" * (size - item_size(item))
    assert item_size(item) == size
    return item


def writes(operation: str, units: float) -> Cost:
    return Cost(operation, write_units=units, partitions={"p": units})


def reads(operation: str, units: float) -> Cost:
    return Cost(operation, read_units=units, partitions={"p": units})


Call = Callable[[EngineTable], object]

SINGLE: list[tuple[str, Call, Cost]] = [
    ("get", lambda t: t.get(Key("p", "4k")), reads("GetItem", 1)),
    ("get a byte more", lambda t: t.get(Key("p", "4k+1")), reads("GetItem", 2)),
    ("get eventually", lambda t: t.get(Key("p", "4k+1"), consistent=False), reads("GetItem", 1)),
    ("get missing", lambda t: t.get(Key("p", "none")), reads("GetItem", 1)),
    ("get missing eventually", lambda t: t.get(Key("p", "none"), consistent=False), reads("GetItem", 0.5)),
    ("put new", lambda t: t.put(Put(sized("new", KB))), writes("PutItem", 1)),
    ("put a byte more", lambda t: t.put(Put(sized("new", KB + 1))), writes("PutItem", 2)),
    ("put over a larger one", lambda t: t.put(Put(sized("4k+1", KB))), writes("PutItem", 5)),
    ("put over a smaller one", lambda t: t.put(Put(sized("1k", 3 * KB))), writes("PutItem", 3)),
    ("grow", lambda t: t.update(Update(Key("p", "1k"), [Set("c", "x" * KB)])), writes("UpdateItem", 3)),
    ("shrink", lambda t: t.update(Update(Key("p", "4k"), [Remove("b")])), writes("UpdateItem", 4)),
    ("make", lambda t: t.update(Update(Key("p", "new"), [Set("c", "x")])), writes("UpdateItem", 1)),
    ("delete", lambda t: t.delete(Delete(Key("p", "4k+1"))), writes("DeleteItem", 5)),
    ("delete nothing", lambda t: t.delete(Delete(Key("p", "none"))), writes("DeleteItem", 1)),
    ("query", lambda t: t.query(Query("p", low="1k", high="4k+1")), reads("Query", 3)),
    ("query one", lambda t: t.query(Query("p", prefix="1k")), reads("Query", 1)),
    ("query eventually", lambda t: t.query(Query("p", consistent=False)), reads("Query", 1.5)),
    ("query nothing", lambda t: t.query(Query("p", prefix="none")), reads("Query", 1)),
    (
        "query nothing eventually",
        lambda t: t.query(Query("p", prefix="x", consistent=False)),
        reads("Query", 0.5),
    ),
]


@pytest.fixture
def filled(table: EngineTable) -> EngineTable:
    table.batch_write([Put(sized("1k", KB)), Put(sized("4k", 4 * KB)), Put(sized("4k+1", 4 * KB + 1))])
    return table


@pytest.mark.parametrize(("call", "cost"), [case[1:] for case in SINGLE], ids=[case[0] for case in SINGLE])
def test_single_requests(filled: EngineTable, meter: Meter, call: Call, cost: Cost) -> None:
    with meter.measure() as measured:
        call(filled)
    assert measured.costs == [cost]


@pytest.mark.parametrize(
    ("call", "cost"),
    [
        (lambda t: t.put(Put(sized("4k+1", KB), Absent())), writes("PutItem", 5)),
        (lambda t: t.put(Put(sized("new", 3 * KB), Exists())), writes("PutItem", 1)),
        (lambda t: t.update(Update(Key("p", "4k"), [Remove("b")], Absent("b"))), writes("UpdateItem", 4)),
        (lambda t: t.delete(Delete(Key("p", "4k"), Absent())), writes("DeleteItem", 4)),
        (
            lambda t: t.transact([Put(sized("new", 3 * KB)), Check(Key("p", "4k"), Absent())]),
            writes("TransactWriteItems", 14),
        ),
    ],
)
def test_a_failed_condition_is_billed(filled: EngineTable, meter: Meter, call: Call, cost: Cost) -> None:
    with meter.measure() as measured, pytest.raises(ConditionFailed):
        call(filled)
    assert measured.costs == [cost]


def test_transactions_cost_twice(filled: EngineTable, meter: Meter) -> None:
    with meter.measure() as measured:
        filled.transact(
            [
                Put(sized("new", KB + 1, pk="q")),
                Update(Key("p", "1k"), [Set("c", "x")], eq("b", sized("1k", KB)["b"])),
                Delete(Key("p", "4k")),
                Check(Key("p", "4k+1"), Exists()),
                Check(Key("p", "none"), Absent()),
            ]
        )
    units = {"q": 4.0, "p": 4.0 + 8 + 10 + 2}
    assert measured.costs == [Cost("TransactWriteItems", write_units=28, partitions=units)]


def test_batches(filled: EngineTable, meter: Meter) -> None:
    keys = [Key("p", "1k"), Key("p", "4k+1"), Key("p", "none"), Key("p", "1k")]
    with meter.measure() as measured:
        filled.batch_get(keys)
        filled.batch_get(keys, consistent=False)
        filled.batch_write([Put(sized("4k", KB)), Delete(Key("p", "4k+1"))])
    assert measured.costs == [
        reads("BatchGetItem", 4),
        reads("BatchGetItem", 2),
        writes("BatchWriteItem", 9),
    ]


def test_batches_are_cut_into_requests(table: EngineTable, meter: Meter) -> None:
    with meter.measure() as measured:
        table.batch_write([Put({"pk": "p", "sk": f"{number:03}"}) for number in range(101)])
        table.batch_get([Key("p", f"{number:03}") for number in range(101)])
    assert [(cost.operation, cost.write_units, cost.read_units) for cost in measured.costs] == [
        *[("BatchWriteItem", 25, 0)] * 4,
        ("BatchWriteItem", 1, 0),
        ("BatchGetItem", 0, 100),
        ("BatchGetItem", 0, 1),
    ]
    assert (measured.requests, measured.write_units, measured.read_units) == (7, 101, 101)
    assert measured.partitions == {"p": 202}


def test_a_batch_get_of_more_than_16_mb_takes_several_requests(table: EngineTable, meter: Meter) -> None:
    items = {Key("p", f"{n:02}"): {"pk": "p", "sk": f"{n:02}", "b": b"x" * 400_000} for n in range(45)}
    table.batch_write([Put(item) for item in items.values()])
    with meter.measure() as measured:
        assert table.batch_get(list(items)) == items
    # moto knows a limit of its own for a batch.
    assert measured.requests in (1, 2)
    assert measured.read_units == 45 * 98


def test_measurements_nest_and_end(table: EngineTable, meter: Meter) -> None:
    with meter.measure() as outer:
        table.get(Key("p", "s"))
        with meter.measure() as inner:
            table.get(Key("p", "s"))
        table.get(Key("p", "s"))
    table.get(Key("p", "s"))
    assert (outer.requests, inner.requests) == (3, 1)


def test_units() -> None:
    assert [write_units(*sizes) for sizes in ((0, 0), (1, 0), (1024, 1025), (400 * KB, 1))] == [
        1,
        1,
        2,
        400,
    ]
    assert [read_units(size, True) for size in (0, 1, 4096, 4097, 400 * KB)] == [1, 1, 1, 2, 100]
    assert [read_units(size, False) for size in (0, 4097, 3 * 4096)] == [0.5, 1, 1.5]
