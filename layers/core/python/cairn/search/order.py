"""The order of a search: positions (what a page token holds) and sort keys (what is compared).

A position is a place and a value for each column: place 0 for values, 1 for NaN, 2 for what is missing, in
this order for ASC and for DESC (MLflow's rule); the latter two hold a constant, so that they tie.
The last columns break ties: start_time DESC and run id for runs, the id DESC for experiments, creation DESC
and model id for logged models.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import total_ordering
from typing import Any, Generic, TypeVar

from cairn.domain.entities import Experiment, Run
from cairn.ids import experiment_number
from cairn.search.tree import Order, Scalar

Entity = TypeVar("Entity")
Position = tuple[tuple[int, Scalar], ...]
SortKey = tuple[Any, ...]

VALUE, NAN, MISSING = 0, 1, 2


@total_ordering
class _Descending:
    """Text that compares the other way round."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.text == other.text

    def __lt__(self, other: "_Descending") -> bool:
        return other.text < self.text

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True, slots=True)
class Column(Generic[Entity]):
    """One column of an order; ``read`` gives None for what is missing."""

    read: Callable[[Entity], Scalar | None]
    ascending: bool
    text: bool

    def place(self, entity: Entity) -> tuple[int, Scalar]:
        value = self.read(entity)
        if value is None:
            return MISSING, "" if self.text else 0
        if isinstance(value, float) and math.isnan(value):
            return NAN, 0
        return VALUE, value

    def accepts(self, place: object, value: object) -> bool:
        """Whether a page token may hold this for the column."""
        if place not in (VALUE, NAN, MISSING):
            return False
        if self.text or isinstance(value, str):
            return self.text and isinstance(value, str)
        if type(value) is int:
            return -(2**63) <= value < 2**63
        return type(value) is float and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Ordering(Generic[Entity]):
    """A total order of entities. ``natural``: it is the one in which the stores scan."""

    columns: tuple[Column[Entity], ...]
    natural: bool = False

    def position(self, entity: Entity) -> Position:
        return tuple(column.place(entity) for column in self.columns)

    def key(self, position: Position) -> SortKey:
        """A position as what sorts: smaller comes first."""
        parts: list[Any] = []
        for column, (place, value) in zip(self.columns, position, strict=True):
            parts.append(place)
            if column.ascending:
                parts.append(value)
            else:
                parts.append(_Descending(value) if isinstance(value, str) else -value)
        return tuple(parts)


def run_ordering(orders: Sequence[Order]) -> Ordering[Run]:
    """Runs by ``orders``, then start_time DESC, run_id ASC."""
    columns = [_run_column(order) for order in orders]
    tail: tuple[Column[Run], ...] = (
        Column(lambda run: run.info.start_time, ascending=False, text=False),
        Column(lambda run: run.info.run_id, ascending=True, text=True),
    )
    natural = not orders or (orders[0].key == "start_time" and orders[0].kind == "attribute"
                             and len(orders) == 1 and not orders[0].ascending)  # fmt: skip
    return Ordering((*(() if natural else columns), *tail), natural)


def experiment_ordering(orders: Sequence[Order]) -> Ordering[Experiment]:
    """Experiments by ``orders`` (creation_time DESC, experiment_id ASC where there are none), ties by
    experiment_id DESC."""
    orders = orders or _NEWEST_EXPERIMENTS
    natural = tuple(orders[:2]) == _NEWEST_EXPERIMENTS
    columns = [_experiment_column(order) for order in (orders[:2] if natural else orders)]
    tie = _experiment_column(Order("attribute", "experiment_id", ascending=False))
    return Ordering((*columns, tie), natural)


_NEWEST_EXPERIMENTS = (
    Order("attribute", "creation_time", ascending=False),
    Order("attribute", "experiment_id", ascending=True),
)


def _run_column(order: Order) -> Column[Run]:
    key = order.key
    match order.kind:
        case "metric":
            return Column(lambda run: _latest(run, key), order.ascending, text=False)
        case "param":
            return Column(lambda run: run.params.get(key), order.ascending, text=True)
        case "tag":
            return Column(lambda run: run.tags.get(key), order.ascending, text=True)
    return Column(
        operator.attrgetter(f"info.{key}"), order.ascending, text=key not in ("start_time", "end_time")
    )


def _latest(run: Run, key: str) -> float | None:
    latest = run.metrics.get(key)
    return None if latest is None else latest.value


def _experiment_column(order: Order) -> Column[Experiment]:
    if order.key == "experiment_id":
        return Column(lambda found: experiment_number(found.experiment_id), order.ascending, text=False)
    return Column(operator.attrgetter(order.key), order.ascending, text=order.key == "name")
