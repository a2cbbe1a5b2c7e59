"""Conditions, updates and queries as DynamoDB expressions, with one owner of ``#name`` and ``:value``.

One ``Expressions`` serves one request: it hands out the placeholders, and ``parameters`` gives the request
its ExpressionAttributeNames and Values, after checking what an emulator would let pass: a placeholder that
is unused or undefined, an expression of more than 4 KB.
"""

import re
from collections.abc import Sequence
from typing import Any, assert_never

from cairn.storage.attributes import marshal, marshal_key
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
from cairn.storage.table import Key, Query

MAX_EXPRESSION = 4096
EXPRESSIONS = ("KeyConditionExpression", "ConditionExpression", "UpdateExpression")

_PLACEHOLDER = re.compile(r"[#:]\w+")


class Expressions:
    """The expressions of one request and their placeholders."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._request: dict[str, Any] = {}

    def condition(self, condition: Condition | None) -> "Expressions":
        if condition is not None:
            self._request["ConditionExpression"] = self._condition(condition)
        return self

    def update(self, actions: Sequence[Action]) -> "Expressions":
        clauses: dict[str, list[str]] = {}
        for action in actions:
            name = self._name(action.name)
            match action:
                case Set(_, value):
                    clauses.setdefault("SET", []).append(f"{name} = {self._value(value)}")
                case SetIfAbsent(_, value):
                    rendered = f"{name} = if_not_exists({name}, {self._value(value)})"
                    clauses.setdefault("SET", []).append(rendered)
                case Add(_, value):
                    clauses.setdefault("ADD", []).append(f"{name} {self._value(value)}")
                case Remove():
                    clauses.setdefault("REMOVE", []).append(name)
                case _:
                    assert_never(action)
        parts = (f"{verb} {', '.join(changes)}" for verb, changes in clauses.items())
        self._request["UpdateExpression"] = " ".join(parts)
        return self

    def keys(self, query: Query) -> "Expressions":
        """The key condition of a query, its start, direction and limit."""
        parts = [f"{self._name('pk')} = {self._value(query.pk)}"]
        if query.prefix is not None:
            parts.append(f"begins_with({self._name('sk')}, {self._value(query.prefix)})")
        elif query.low is not None and query.high is not None:
            low, high = self._value(query.low), self._value(query.high)
            parts.append(f"{self._name('sk')} BETWEEN {low} AND {high}")
        elif query.low is not None:
            parts.append(f"{self._name('sk')} >= {self._value(query.low)}")
        elif query.high is not None:
            parts.append(f"{self._name('sk')} <= {self._value(query.high)}")
        self._request["KeyConditionExpression"] = " AND ".join(parts)
        self._request["ScanIndexForward"] = query.forward
        self._request["ConsistentRead"] = query.consistent
        if query.limit is not None:
            self._request["Limit"] = query.limit
        if query.after is not None:
            self._request["ExclusiveStartKey"] = marshal_key(Key(query.pk, query.after))
        return self

    def parameters(self) -> dict[str, Any]:
        """The request's parameters, checked; empty maps are left out, as DynamoDB demands."""
        if self._names:
            self._request["ExpressionAttributeNames"] = {mark: name for name, mark in self._names.items()}
        if self._values:
            self._request["ExpressionAttributeValues"] = self._values
        check_expressions(self._request)
        return self._request

    def _condition(self, condition: Condition) -> str:
        match condition:
            case Exists(name):
                return f"attribute_exists({self._name(name)})"
            case Absent(name):
                return f"attribute_not_exists({self._name(name)})"
            case Compare(name, op, value):
                marked = self._name(name)
                compared = f"{marked} {op} {self._value(value)}"
                # DynamoDB holds that what is missing differs from everything; the port says: false.
                return f"attribute_exists({marked}) AND {compared}" if op == "<>" else compared
            case And(parts):
                return self._joined(" AND ", parts)
            case Or(parts):
                return self._joined(" OR ", parts)
            case Not(part):
                return f"NOT ({self._condition(part)})"
        assert_never(condition)

    def _joined(self, word: str, parts: Sequence[Condition]) -> str:
        if len(parts) == 1:
            # DynamoDB refuses redundant parentheses.
            return self._condition(parts[0])
        return word.join(
            f"({self._condition(part)})" if isinstance(part, And | Or) else self._condition(part)
            for part in parts
        )

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"#{len(self._names)}")

    def _value(self, value: Any) -> str:
        mark = f":{len(self._values)}"
        self._values[mark] = marshal(value)
        return mark


def check_expressions(request: dict[str, Any]) -> None:
    """Raise MalformedRequest where DynamoDB would answer with a ValidationException.

    Checked: at most 4 KB an expression, every placeholder both used and defined, no empty maps, no two
    nested parentheses.
    """
    used: set[str] = set()
    for parameter in EXPRESSIONS:
        expression = request.get(parameter)
        if expression is None:
            continue
        if not 0 < len(expression.encode()) <= MAX_EXPRESSION:
            raise MalformedRequest(f"a {parameter} of {len(expression.encode())} bytes")
        if "((" in expression and _has_redundant_parentheses(expression):
            raise MalformedRequest(f"a {parameter} with redundant parentheses")
        used.update(_PLACEHOLDER.findall(expression))
    defined: set[str] = set()
    for parameter in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        if parameter in request:
            if not request[parameter]:
                raise MalformedRequest(f"{parameter} is empty")
            defined.update(request[parameter])
    if used - defined:
        raise MalformedRequest(f"undefined placeholders: {', '.join(sorted(used - defined))}")
    if defined - used:
        raise MalformedRequest(f"unused placeholders: {', '.join(sorted(defined - used))}")


def _has_redundant_parentheses(expression: str) -> bool:
    """Whether a pair of parentheses holds nothing but another pair."""
    opened: list[int] = []
    closed_at: dict[int, int] = {}
    for position, character in enumerate(expression):
        if character == "(":
            opened.append(position)
        elif character == ")":
            closed_at[opened.pop()] = position
    return any(closed_at.get(start + 1) == end - 1 for start, end in closed_at.items())
