"""Conditions and updates as values: what a write demands of an item, and what it changes.

The DynamoDB engine renders them into expressions, the SQLite engine evaluates them; so everything above
the table is one code. Names are attributes of the item's top level.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Exists:
    name: str = "pk"


@dataclass(frozen=True, slots=True)
class Absent:
    name: str = "pk"


@dataclass(frozen=True, slots=True)
class Compare:
    """``name op value`` with op one of ``= <> < <= > >=``; false where the attribute is missing."""

    name: str
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"


Condition = Exists | Absent | Compare | And | Or | Not


@dataclass(frozen=True, slots=True)
class Set:
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class SetIfAbsent:
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Add:
    """Add to a number; a missing one counts as 0."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Remove:
    name: str


Action = Set | SetIfAbsent | Add | Remove


def eq(name: str, value: Any) -> Compare:
    return Compare(name, "=", value)
