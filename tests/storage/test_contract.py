"""The contract of the table port, held by both engines."""

from typing import Any

import pytest

from cairn.errors import CairnError, InvalidParameterValue
from cairn.storage.dynamodb import DynamoDBTable
from cairn.storage.engine import EngineTable
from cairn.storage.evaluate import holds
from cairn.storage.expr import (
    Absent,
    Action,
    Add,
    And,
    Compare,
    Condition,
    Exists,
    Not,
    Or,
    Remove,
    Set,
    SetIfAbsent,
    eq,
)
from cairn.storage.limits import ItemRefused, MalformedRequest
from cairn.storage.table import Check, ConditionFailed, Delete, Key, Put, Update
from tests.storage.engines import client

ITEM = {
    "pk": "p",
    "sk": "s",
    "n": 5,
    "t": "text",
    "b": b"\x00\xff",
    "f": True,
    "l": [1, "a"],
    "m": {"x": 1},
}
KEY = Key("p", "s")


def item(sk: str, **attributes: Any) -> dict[str, Any]:
    return {"pk": "p", "sk": sk, **attributes}


# -- items ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nul\0inside",
        "snowman ☃ and beyond the plane 🦊",
        0,
        -1,
        10**38 - 1,
        -(10**37),
        True,
        False,
        b"",
        b"\x00\xff" * 100,
        [],
        {},
        [1, "a", b"b", False, [b"deep"], {"k": b"v"}],
        {"b": "not a tag", "m": {"m": {"b": b"a tag's name"}}},
        {" ": 1, "ключ": [True]},
    ],
)
def test_what_is_put_is_what_is_got(table: EngineTable, value: Any) -> None:
    stored = item("s", value=value, other=b"bytes", text="t")
    table.put(Put(stored))
    got = table.get(KEY)
    assert got == stored
    assert type(got["value"]) is type(value)


def test_put_replaces_the_whole_item(table: EngineTable) -> None:
    table.put(Put(ITEM))
    table.put(Put(item("s", other=1)))
    assert table.get(KEY) == item("s", other=1)


def test_what_is_not_there_is_none(table: EngineTable) -> None:
    assert table.get(KEY) is None
    assert table.get(KEY, consistent=False) is None
    assert table.delete(Delete(KEY)) is None


def test_keys_hold_nul_and_any_unicode(table: EngineTable) -> None:
    keys = [
        Key("p\0q", "s\0"),
        Key("p\0q", "s"),
        Key("p", "\0"),
        Key("☃", "🦊"),
        Key("p", "e\u0301"),
        Key("p", "é"),
    ]
    for number, key in enumerate(keys):
        table.put(Put({"pk": key.pk, "sk": key.sk, "n": number}))
    assert [(table.get(key) or {}).get("n") for key in keys] == list(range(len(keys)))


@pytest.mark.parametrize("bad", [{"": 1}, {"m": {"": 1}}, {"l": [{"": 1}]}])
def test_names_are_not_empty(table: EngineTable, bad: dict[str, Any]) -> None:
    with pytest.raises(ItemRefused):
        table.put(Put({**ITEM, **bad}))


@pytest.mark.parametrize(
    "bad",
    [{"t": "\ud800"}, {"\udfff": 1}, {"l": ["ok", {"k": "\ud800"}]}, {"sk": "\ud800"}, {"pk": "\ud800"}],
)
def test_lone_surrogates_are_refused(table: EngineTable, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterValue, match="surrogate"):
        table.put(Put({**ITEM, **bad}))
    assert table.get(KEY) is None


def test_types_that_an_item_does_not_hold_are_refused(table: EngineTable) -> None:
    for value in (1.5, None, {1, 2}, (1, 2), bytearray(b"x")):
        with pytest.raises(MalformedRequest):
            table.put(Put(item("s", value=value)))


# -- conditions ----------------------------------------------------------------------------------------

CONDITIONS: list[tuple[Condition, bool, bool]] = [
    # condition, of ITEM, of no item
    (Exists(), True, False),
    (Exists("n"), True, False),
    (Exists("missing"), False, False),
    (Absent(), False, True),
    (Absent("n"), False, True),
    (Absent("missing"), True, True),
    (eq("n", 5), True, False),
    (eq("n", 6), False, False),
    (eq("n", "5"), False, False),
    (eq("f", True), True, False),
    (eq("f", False), False, False),
    (eq("t", "text"), True, False),
    (eq("b", b"\x00\xff"), True, False),
    (eq("l", [1, "a"]), True, False),
    (eq("l", ["a", 1]), False, False),
    (eq("m", {"x": 1}), True, False),
    (eq("m", {"x": 2}), False, False),
    (eq("missing", 1), False, False),
    (Compare("n", "<>", 5), False, False),
    (Compare("n", "<>", 6), True, False),
    (Compare("n", "<>", "5"), True, False),
    (Compare("missing", "<>", 1), False, False),
    (Not(Compare("missing", "<>", 1)), True, True),
    (Compare("n", "<", 6), True, False),
    (Compare("n", "<", 5), False, False),
    (Compare("n", "<=", 5), True, False),
    (Compare("n", ">", 4), True, False),
    (Compare("n", ">=", 6), False, False),
    (Compare("t", "<", "texts"), True, False),
    (Compare("t", ">", "Text"), True, False),
    (Compare("missing", "<", 1), False, False),
    (Not(Compare("missing", "<", 1)), True, True),
    (And((eq("n", 5), Exists("t"))), True, False),
    (And((eq("n", 5), Exists("missing"))), False, False),
    (And((eq("n", 5),)), True, False),
    (Or((eq("n", 6), Exists("t"))), True, False),
    (Or((Absent(), eq("n", 6))), False, True),
    (Not(And((eq("n", 5), Not(eq("t", "text"))))), True, True),
    (Or((And((Exists("n"), eq("n", 1))), Not(Or((Absent("t"), Absent("b")))))), True, False),
]


@pytest.mark.parametrize(("condition", "of_item", "of_none"), CONDITIONS, ids=repr)
def test_conditions(table: EngineTable, condition: Condition, of_item: bool, of_none: bool) -> None:
    table.put(Put(ITEM))
    assert _accepts(table, Check(KEY, condition), ITEM) is of_item
    assert _accepts(table, Check(Key("p", "none"), condition), None) is of_none
    assert holds(condition, ITEM) is of_item
    assert holds(condition, None) is of_none


def _accepts(table: EngineTable, check: Check, stands: dict[str, Any] | None) -> bool:
    try:
        table.transact([check])
    except ConditionFailed as error:
        failed = error
    else:
        return True
    assert (failed.key, failed.item) == (check.key, stands)
    return False


def test_ordering_between_types_is_false() -> None:
    """moto raises instead, so this is the evaluator's alone; DynamoDB's answer is false."""
    for op in ("<", "<=", ">", ">="):
        assert not holds(Compare("n", op, "5"), ITEM)
        assert not holds(Compare("f", op, 1), ITEM)
        assert not holds(Compare("t", op, b"text"), ITEM)
    assert not holds(eq("f", 1), ITEM)
    assert not holds(eq("l", [True, "a"]), ITEM)
    assert holds(Compare("f", "<>", 1), ITEM)


def test_a_failed_condition_carries_the_item_and_changes_nothing(table: EngineTable) -> None:
    table.put(Put(ITEM))
    writes = [
        lambda: table.put(Put(item("s", new=1), Absent())),
        lambda: table.update(Update(KEY, [Set("t", "other")], eq("n", 6))),
        lambda: table.delete(Delete(KEY, eq("t", "other"))),
    ]
    for write in writes:
        with pytest.raises(ConditionFailed) as failed:
            write()
        assert (failed.value.key, failed.value.item) == (KEY, ITEM)
    assert table.get(KEY) == ITEM


def test_a_failed_condition_on_no_item_carries_none(table: EngineTable) -> None:
    with pytest.raises(ConditionFailed) as failed:
        table.update(Update(KEY, [Set("t", "x")], Exists()))
    assert failed.value.item is None
    assert table.get(KEY) is None


# -- updates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "changed", "removed"),
    [
        ([Set("t", "new")], {"t": "new"}, []),
        ([Set("fresh", {"a": [1]})], {"fresh": {"a": [1]}}, []),
        ([SetIfAbsent("t", "new"), SetIfAbsent("fresh", 1)], {"fresh": 1}, []),
        ([Add("n", 3)], {"n": 8}, []),
        ([Add("n", -10)], {"n": -5}, []),
        ([Add("fresh", 2)], {"fresh": 2}, []),
        ([Remove("t"), Remove("missing")], {}, ["t"]),
        (
            [Set("t", 1), Add("n", 1), Remove("b"), SetIfAbsent("z", b"z")],
            {"t": 1, "n": 6, "z": b"z"},
            ["b"],
        ),
    ],
)
def test_updates(
    table: EngineTable, actions: list[Action], changed: dict[str, Any], removed: list[str]
) -> None:
    table.put(Put(ITEM))
    expected = {name: value for name, value in {**ITEM, **changed}.items() if name not in removed}
    assert table.update(Update(KEY, actions)) == expected
    assert table.get(KEY) == expected


def test_an_update_may_create_the_item(table: EngineTable) -> None:
    assert table.update(Update(KEY, [Set("t", "x"), Add("n", 2), SetIfAbsent("z", 1)])) == item(
        "s", t="x", n=2, z=1
    )


def test_delete_gives_what_was(table: EngineTable) -> None:
    table.put(Put(ITEM))
    assert table.delete(Delete(KEY, eq("n", 5))) == ITEM
    assert table.get(KEY) is None


@pytest.mark.parametrize(
    "actions",
    [
        [Set("pk", "other")],
        [Remove("sk")],
        [Set("t", "a"), Remove("t")],
        [Add("t", 1)],
        [Add("f", 1)],
        [],
    ],
)
def test_malformed_updates_are_refused(table: EngineTable, actions: list[Action]) -> None:
    table.put(Put(ITEM))
    with pytest.raises(MalformedRequest):
        table.update(Update(KEY, actions))
    assert table.get(KEY) == ITEM


# -- transactions --------------------------------------------------------------------------------------


def test_a_transaction_does_all(table: EngineTable) -> None:
    table.put(Put(ITEM))
    table.put(Put(item("gone")))
    table.transact(
        [
            Put(item("new", a=1), Absent()),
            Update(KEY, [Add("n", 1)], eq("n", 5)),
            Delete(Key("p", "gone"), Exists()),
            Check(Key("q", "none"), Absent()),
        ]
    )
    assert table.get(Key("p", "new")) == item("new", a=1)
    assert table.get(KEY) == {**ITEM, "n": 6}
    assert table.get(Key("p", "gone")) is None


def test_or_none_and_names_the_first_that_failed(table: EngineTable) -> None:
    table.put(Put(ITEM))
    with pytest.raises(ConditionFailed) as failed:
        table.transact(
            [
                Put(item("new"), Absent()),
                Delete(KEY),
                Check(Key("q", "none"), Exists()),
                Put({**ITEM, "sk": "t"}, Exists()),
            ]
        )
    assert (failed.value.key, failed.value.item) == (Key("q", "none"), None)
    assert table.get(Key("p", "new")) is None
    assert table.get(KEY) == ITEM


def test_a_transaction_whose_update_is_malformed_does_nothing(table: EngineTable) -> None:
    table.put(Put(ITEM))
    with pytest.raises(MalformedRequest):
        table.transact([Put(item("new")), Update(KEY, [Add("t", 1)])])
    assert table.get(Key("p", "new")) is None


def test_a_transaction_names_a_key_once(table: EngineTable) -> None:
    with pytest.raises(MalformedRequest, match="twice"):
        table.transact([Put(item("s")), Check(KEY, Absent())])


def test_a_transaction_holds_a_hundred_writes(table: EngineTable) -> None:
    table.transact([Put(item(f"{number:03}")) for number in range(100)])
    with pytest.raises(MalformedRequest):
        table.transact([Put(item(f"{number:03}")) for number in range(101)])
    with pytest.raises(MalformedRequest):
        table.transact([])


# -- batches -------------------------------------------------------------------------------------------


def test_batches_of_any_size(table: EngineTable) -> None:
    items = {Key("p", f"{number:03}"): item(f"{number:03}", n=number) for number in range(130)}
    table.batch_write([Put(stored) for stored in items.values()])
    keys = [*items, *items, Key("p", "missing")]
    assert table.batch_get(keys) == items
    table.batch_write([Delete(key) for key in list(items)[:60]] + [Put(item("new"))])
    left = dict(list(items.items())[60:])
    assert table.batch_get([*items, Key("p", "new")]) == {**left, Key("p", "new"): item("new")}
    table.batch_write([])
    assert table.batch_get([]) == {}


def test_a_batch_write_takes_no_key_twice_and_no_conditions(table: EngineTable) -> None:
    with pytest.raises(MalformedRequest):
        table.batch_write([Put(ITEM), Delete(KEY)])
    with pytest.raises(MalformedRequest):
        table.batch_write([Put(ITEM, Absent())])
    assert table.get(KEY) is None


# -- limits --------------------------------------------------------------------------------------------

# moto refuses at 405,000 bytes what DynamoDB holds up to 409,600: the exact edge is test_limits'.
LARGE, TOO_LARGE = 404_000, 409_600


def test_an_item_holds_400_kb(table: EngineTable) -> None:
    table.put(Put(item("s", b=b"x" * LARGE)))
    for refused in (item("s", b=b"x" * TOO_LARGE), item("s", t="é" * (TOO_LARGE // 2))):
        with pytest.raises(ItemRefused):
            table.put(Put(refused))
        with pytest.raises(ItemRefused):
            table.batch_write([Put(refused)])
        with pytest.raises(ItemRefused):
            table.transact([Put(refused)])
    assert table.get(KEY) == item("s", b=b"x" * LARGE)


def test_an_update_may_not_grow_an_item_past_400_kb(table: EngineTable) -> None:
    table.put(Put(item("s", b=b"x" * LARGE)))
    grow = Update(KEY, [Set("c", b"x" * 6_000)])
    with pytest.raises(ItemRefused):
        table.update(grow)
    with pytest.raises(ItemRefused):
        table.transact([Put(item("new")), grow])
    assert table.get(KEY) == item("s", b=b"x" * LARGE)
    assert table.get(Key("p", "new")) is None


def test_keys_have_their_length(table: EngineTable) -> None:
    longest = Key("é" * 1024, "s" * 1024)
    table.put(Put({"pk": longest.pk, "sk": longest.sk}))
    assert table.get(longest) is not None
    for key in (Key(longest.pk + "p", "s"), Key("p", "é" * 513)):
        with pytest.raises(ItemRefused):
            table.put(Put({"pk": key.pk, "sk": key.sk}))
        with pytest.raises(ItemRefused):
            table.get(key)
        with pytest.raises(ItemRefused):
            table.batch_get([key])
    for key in (Key("", "s"), Key("p", "")):
        with pytest.raises(MalformedRequest):
            table.put(Put({"pk": key.pk, "sk": key.sk}))


def test_numbers_have_38_digits(table: EngineTable) -> None:
    table.put(Put(item("s", n=10**38 - 1, z=10**60)))
    assert table.get(KEY) == item("s", n=10**38 - 1, z=10**60)
    for number in (10**38 + 1, -(10**39) - 1, 10**126):
        with pytest.raises(ItemRefused):
            table.put(Put(item("s", n=number)))


def test_a_transaction_holds_4_mb(table: EngineTable) -> None:
    writes = [Put(item(f"{number:02}", b=b"x" * 400_000)) for number in range(11)]
    table.transact(writes[:10])
    with pytest.raises(ItemRefused):
        table.transact(writes)
    assert table.get(Key("p", "10")) is None


def test_conditions_have_300_operators(table: EngineTable) -> None:
    table.put(Put(ITEM))
    parts = tuple(eq("n", number) for number in range(150))
    table.put(Put(ITEM, Or(parts)))
    with pytest.raises(MalformedRequest):
        table.put(Put(ITEM, Or((*parts, eq("n", 150)))))
    for condition in (Compare("l", "<", [1]), Compare("f", ">", True), Compare("n", "==", 1), And(())):
        with pytest.raises(MalformedRequest):
            table.put(Put(ITEM, condition))


def test_what_leaves_the_table_is_cairns(table: EngineTable) -> None:
    """A table that is gone is an error of Cairn's, not of the engine's library."""
    table.close()
    if isinstance(table, DynamoDBTable):
        client().delete_table(TableName="cairn")
    with pytest.raises(CairnError):
        table.get(KEY)
