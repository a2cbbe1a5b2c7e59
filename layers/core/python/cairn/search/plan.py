"""How a search of runs uses the index: ranges of entries that every match must have, and a field to walk.

A plan is data; ``str(plan)`` explains it. It says what may be read, not how much of it: that the executor
learns from the first page of a range. Every run that it finds is still matched by its facts.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from cairn.domain.entities import Run
from cairn.search import index
from cairn.search.match import RUN_NAME_TAG
from cairn.search.order import Ordering, Position
from cairn.search.tree import Comparison, Filter, Order

LAST = "\U0010ffff"
"""Behind every continuation of a prefix."""

DEFAULT_ORDER = ""
"""The field of the default order: its entries are positions without a value."""

_INDEXED = frozenset({"run_name", "status", "user_id"})


@dataclass(frozen=True, slots=True)
class Span:
    """Sort keys from ``low`` to ``high``, both inclusive."""

    low: str
    high: str

    def __str__(self) -> str:
        return f"{self.low!r}..{self.high!r}"


@dataclass(frozen=True, slots=True)
class Range:
    """Entries of a field in which every match of the comparison has one; ``comparison`` sieves further."""

    field: str
    spans: tuple[Span, ...]
    comparison: Comparison

    def __str__(self) -> str:
        return f"{self.field} in {', '.join(map(str, self.spans))}"


@dataclass(frozen=True, slots=True)
class Plan:
    """``run_ids``: nothing else can match. ``ranges``: any of them holds all matches. ``field``: what is
    walked for the order, within ``span``; None where no field gives it. NaN and missing values follow the
    span where they can match."""

    run_ids: tuple[str, ...] | None
    ranges: tuple[Range, ...]
    field: str | None
    ascending: bool
    span: Span
    with_nan: bool
    with_missing: bool

    def __str__(self) -> str:
        lines = []
        if self.run_ids is not None:
            lines.append(f"read {len(self.run_ids)} runs by id")
        lines += [f"candidates: {one}" for one in self.ranges]
        if self.field is None:
            lines.append("order: by the facts of all runs")
        else:
            way = "up" if self.ascending else "down"
            name = "default order" if self.field == DEFAULT_ORDER else self.field
            tail = (", then NaN" if self.with_nan else "") + (", then missing" if self.with_missing else "")
            lines.append(f"order: walk {name} {way} {self.span}{tail}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched: ``meets`` and ``ordering`` are the meaning, ``plan`` the way."""

    experiment_ids: Sequence[str]
    stages: Collection[str]
    plan: Plan
    meets: Callable[[Run], bool]
    ordering: Ordering[Run]
    after: Position | None
    expected: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Where a search stopped early: everything before this position has been answered."""

    position: Position


def plan(tree: Filter, orders: Sequence[Order]) -> Plan:
    """The plan of a filter and an order (``fields.RUNS``)."""
    ranges = tuple(found for comparison in tree if (found := _range(comparison)) is not None)
    field, ascending = _walked(orders)
    on_field = [one for one in ranges if one.field == field]
    whole = Span("" if field == DEFAULT_ORDER else index.VALUES, index.VALUES + LAST)
    span = next((one.spans[0] for one in on_field if len(one.spans) == 1), whole)
    span = Span(span.low, min(span.high, whole.high))  # NaN is walked apart, behind every value
    return Plan(
        run_ids=_run_ids(tree),
        ranges=ranges,
        field=field,
        ascending=ascending,
        span=span,
        with_nan=field is not None
        and field[:1] == index.METRIC
        and all(one.comparison.comparator in ("!=", "IS NOT NULL") for one in on_field),
        with_missing=bool(field) and not on_field,
    )


def _walked(orders: Sequence[Order]) -> tuple[str | None, bool]:
    """The field whose entries come in the order, ties by the default order."""
    if not orders:
        return DEFAULT_ORDER, True
    first = orders[0]
    if len(orders) > 1:
        return None, True
    if first.kind != "attribute":
        return {"metric": index.METRIC, "param": index.PARAM, "tag": index.TAG}[
            first.kind
        ] + first.key, first.ascending
    if first.key == "start_time":
        return DEFAULT_ORDER, not first.ascending
    if first.key in _INDEXED or first.key == "end_time":
        return index.ATTRIBUTE + first.key, first.ascending
    return None, True


def _run_ids(tree: Filter) -> tuple[str, ...] | None:
    for comparison in tree:
        if comparison.kind == "attribute" and comparison.key == "run_id":
            if comparison.comparator == "=":
                return (str(comparison.value),)
            if comparison.comparator == "IN" and isinstance(comparison.value, tuple):
                return tuple(dict.fromkeys(map(str, comparison.value)))
    return None


def _range(comparison: Comparison) -> Range | None:
    field = _field(comparison)
    if field is None or comparison.comparator in ("IS NULL", "NOT IN"):
        return None
    if isinstance(comparison.value, str | tuple):
        return Range(field, _text_spans(comparison), comparison)
    if isinstance(comparison.value, int | float):
        value = _number(field, comparison.value)
        spans = (_WHOLE,) if value is None else _number_spans(comparison.comparator, value)
        return Range(field, spans, comparison)
    return Range(field, (Span(index.VALUES, index.NANS + LAST),), comparison)


def _field(comparison: Comparison) -> str | None:
    match comparison.kind:
        case "metric":
            return index.METRIC + comparison.key
        case "param":
            return index.PARAM + comparison.key
        case "tag":
            return index.TAG + comparison.key
        case "dataset":
            return index.DATASET + comparison.key
    if comparison.key == "run_name":
        return index.TAG + RUN_NAME_TAG
    return index.ATTRIBUTE + comparison.key if comparison.key in ("status", "user_id", "end_time") else None


_WHOLE = Span(index.VALUES, index.VALUES + LAST)


def _text_spans(comparison: Comparison) -> tuple[Span, ...]:
    value = comparison.value
    if comparison.comparator == "=":
        return (_prefix(index.text(str(value))),)
    if comparison.comparator == "IN" and isinstance(value, tuple):
        return tuple(_prefix(found) for found in sorted({index.text(str(one)) for one in value}))
    if comparison.comparator == "LIKE":
        literal = str(value).split("%")[0].split("_")[0][: index.TEXT_LENGTH]
        return (_prefix(index.VALUES + literal.replace("\0", "\0\1")),)
    return (_WHOLE,)


def _number_spans(comparator: str, value: str) -> tuple[Span, ...]:
    match comparator:
        case "=":
            return (_prefix(value),)
        case "<":
            return (Span(index.VALUES, value),)
        case "<=":
            return (Span(index.VALUES, value + LAST),)
        case ">":
            return (Span(value + LAST, index.VALUES + LAST),)
        case ">=":
            return (Span(value, index.VALUES + LAST),)
    return (Span(index.VALUES, index.NANS + LAST),)


def _prefix(prefix: str) -> Span:
    return Span(prefix, prefix + LAST)


def _number(field: str, value: float) -> str | None:
    """As the field's entries hold it; None for a fraction where they hold integers."""
    if field[:1] == index.METRIC:
        return index.number(float(value))
    return index.integer(value) if isinstance(value, int) and -(2**63) <= value < 2**63 else None
