"""What a filter and an order mean, as values.

Two trees: ``Clause`` and ``Sort`` are what was written (grammar), ``Comparison`` and ``Order`` what it
means for one entity (fields). A filter is a tuple of comparisons, all of which must hold.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["attribute", "metric", "param", "tag", "dataset"]
Form = Literal["number", "string", "name"]

Scalar = str | int | float
Value = Scalar | tuple[Scalar, ...] | None


@dataclass(frozen=True, slots=True)
class Word:
    """A value as written: its source text with its quotes, and where it stands."""

    form: Form
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Clause:
    """A comparison as written. ``value`` is None after IS NULL and IS NOT NULL, a tuple for a list;
    ``comparator`` keeps the case in which it was written, except those of several words."""

    identifier: str
    comparator: str
    value: Word | tuple[Scalar, ...] | None
    position: int


@dataclass(frozen=True, slots=True)
class Sort:
    """An order as written."""

    identifier: str
    ascending: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """``key`` is the canonical name of an attribute, or the key of a metric, param or tag;
    ``comparator`` is upper case."""

    kind: Kind
    key: str
    comparator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Order:
    """The dataset restricts a logged model's metric to points logged on it."""

    kind: Kind
    key: str
    ascending: bool
    dataset_name: str | None = None
    dataset_digest: str | None = None


Filter = tuple[Comparison, ...]
"""Comparisons that must all hold; an empty one holds for everything."""
