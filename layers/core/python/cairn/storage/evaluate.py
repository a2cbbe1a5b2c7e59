"""Conditions and updates carried out on plain items, by DynamoDB's rules, for engines without a server.

A comparison is false where the attribute is missing or of another type (numbers, strings, bytes and
booleans are types of their own; ``True`` is not 1), but ``<>`` is true between types. Strings order by
their UTF-8 bytes, which is the order of their code points. Nothing here does I/O.
"""

from collections.abc import Sequence
from typing import Any, assert_never

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
)
from cairn.storage.limits import MalformedRequest
from cairn.storage.table import Item, Key


def holds(condition: Condition | None, item: Item | None) -> bool:
    """Whether the condition holds of the item, None being the item that is not there."""
    match condition:
        case None:
            return True
        case Exists(name):
            return item is not None and name in item
        case Absent(name):
            return item is None or name not in item
        case Compare(name, op, value):
            return item is not None and name in item and _compare(item[name], op, value)
        case And(parts):
            return all(holds(part, item) for part in parts)
        case Or(parts):
            return any(holds(part, item) for part in parts)
        case Not(part):
            return not holds(part, item)
    assert_never(condition)


def _compare(left: Any, op: str, right: Any) -> bool:
    if op == "=":
        return same(left, right)
    if op == "<>":
        return not same(left, right)
    if type(left) is not type(right):
        return False
    match op:
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
    raise MalformedRequest(f"no comparison {op}")


def same(left: Any, right: Any) -> bool:
    """Equal in type and value, all the way down (in Python ``True == 1``, in the table it is not)."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def updated(key: Key, item: Item | None, actions: Sequence[Action]) -> dict[str, Any] | None:
    """The item after the actions, each of which sees the item as it was before.

    None where there was none and nothing but removals: DynamoDB makes no item of these. Raises
    MalformedRequest where Add meets an attribute that is no number.
    """
    if item is None and all(isinstance(action, Remove) for action in actions):
        return None
    after: dict[str, Any] = {"pk": key.pk, "sk": key.sk} if item is None else dict(item)
    for action in actions:
        match action:
            case Set(name, value):
                after[name] = value
            case SetIfAbsent(name, value):
                after.setdefault(name, value)
            case Add(name, value):
                after[name] = _sum(name, after.get(name, 0), value)
            case Remove(name):
                after.pop(name, None)
            case _:
                assert_never(action)
    return after


def _sum(name: str, number: Any, increment: Any) -> int:
    for operand in (number, increment):
        if isinstance(operand, bool) or not isinstance(operand, int):
            raise MalformedRequest(f"an Add to {name}, which is no number")
    return int(number + increment)
