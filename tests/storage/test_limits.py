"""Sizes by the rules of "DynamoDB item sizes and formats", and what they refuse."""

from typing import Any

import pytest

from cairn.storage.expr import Compare, Exists, Not, Set, SetIfAbsent, eq
from cairn.storage.limits import (
    MAX_ITEM,
    ItemRefused,
    MalformedRequest,
    check_actions,
    check_item,
    check_transaction,
    count_operators,
    item_size,
)
from cairn.storage.table import Key, Put, Update


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("", 0),
        ("abc", 3),
        ("é", 2),
        ("🦊", 4),
        (b"abc", 3),
        (True, 1),
        (False, 1),
        (0, 1),
        (7, 2),
        (27, 2),
        (-27, 3),
        (270, 2),
        (271, 3),
        (461, 3),
        (10**37, 2),
        (10**38 - 1, 20),
        (10**60, 2),
        ([], 3),
        ({}, 3),
        (["ab", 7], 3 + 2 + 1 + 2 + 1),
        ({"k": "ab", "é": 7}, 3 + 1 + 2 + 1 + 2 + 2 + 1),
        ([{"k": []}], 3 + 1 + 3 + 1 + 1 + 3),
    ],
)
def test_sizes_of_values(value: Any, size: int) -> None:
    assert item_size({"name": value}) == 4 + size


def test_an_item_counts_its_key_and_all_names() -> None:
    assert item_size({"pk": "pé", "sk": "s", "é": "v"}) == 2 + 3 + 2 + 1 + 2 + 1


def test_the_edge_of_400_kb() -> None:
    item = {"pk": "p", "sk": "s", "b": b"x" * (MAX_ITEM - 7)}
    assert check_item(item) == MAX_ITEM
    with pytest.raises(ItemRefused, match="409601"):
        check_item({**item, "sk": "ss"})


def test_nesting_has_32_levels() -> None:
    value: Any = "leaf"
    for _ in range(32):
        value = [value]
    assert item_size({"v": value}) == 1 + 32 * 4 + 4
    with pytest.raises(ItemRefused, match="deeper"):
        item_size({"v": [value]})


def test_an_item_has_a_key_of_strings() -> None:
    for item in ({"pk": "p"}, {"sk": "s"}, {"pk": "p", "sk": 1}, {"pk": b"p", "sk": "s"}):
        with pytest.raises(MalformedRequest):
            check_item(item)


def test_operators_and_functions_are_counted() -> None:
    assert count_operators(eq("a", 1)) == 1
    assert count_operators(Not(Exists("a"))) == 2
    assert count_operators(Compare("a", "<>", 1)) == 3


def test_an_update_has_300_functions() -> None:
    check_actions([SetIfAbsent(f"a{number}", 1) for number in range(300)] + [Set("b", 1)])
    with pytest.raises(MalformedRequest):
        check_actions([SetIfAbsent(f"a{number}", 1) for number in range(301)])


def test_an_update_counts_its_values() -> None:
    with pytest.raises(ItemRefused):
        check_transaction([Update(Key("p", "s"), [Set("a", b"x" * MAX_ITEM)])], None)


def test_a_token_has_36_characters() -> None:
    writes = [Put({"pk": "p", "sk": "s"})]
    check_transaction(writes, "x" * 36)
    for token in ("", "x" * 37):
        with pytest.raises(MalformedRequest):
            check_transaction(writes, token)
