"""How a search of runs uses the index: ranges of entries that every match must have, and what to walk.

A plan is data; ``str(plan)`` explains it. It says what may be read, not how much of it: that the executor
learns from the first page of a range. Every run that it finds is still matched by its facts.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from cairn.domain.entities import Run
from cairn.search import index
from cairn.search.match import RUN_NAME_TAG
from cairn.search.order import Ordering, Position
from cairn.search.tree import Comparison, Filter, Order

LAST = "\U0010ffff"
"""Behind every continuation of a prefix."""

DEFAULT_ORDER = ""
"""The field of the default order: its entries are positions without a value."""

MOST_VALUES = 10
"""Values of an equality or IN that are walked side by side."""

_INDEXED = frozenset({"run_name", "status", "user_id", "end_time"})

Ties = Literal["none", "value", "start", "all"]
"""Entries whose order among each other the index does not say but the facts do: none; those of one value;
those of one start time; all."""


@dataclass(frozen=True, slots=True)
class Span:
    """Sort keys from ``low`` to ``high``, both inclusive."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Range:
    """Entries of a field in which every match of the comparison has one; ``comparison`` sieves further."""

    field: str
    spans: tuple[Span, ...]
    comparison: Comparison

    @property
    def is_whole(self) -> bool:
        """Whether it holds every run that has the field."""
        return self.spans in ((_WHOLE,), (_WITH_NAN,))

    @property
    def is_of_all_names(self) -> bool:
        return self.is_whole and self.field == _NAMES

    def __str__(self) -> str:
        return f"{_named(self.field)} {_said(self.comparison)}"


@dataclass(frozen=True, slots=True)
class Walk:
    """Entries in the order of the search: by value, or (``by_value`` false: each span holds one value, or
    none) by start time and run id, the spans merged. NaN and missing values follow where they can match.
    ``covers``: the range, by its number, in which the walk stays."""

    field: str
    spans: tuple[Span, ...]
    ascending: bool
    by_value: bool
    ties: Ties = "none"
    with_nan: bool = False
    with_missing: bool = False
    covers: int | None = None

    def __str__(self) -> str:
        if self.ties == "all":
            return "read all runs, order them by their facts"
        name = _named(self.field) if self.field else "the default order"
        way = ("up" if self.ascending else "down") if self.by_value else _TIMES[self.ascending]
        tail = (", then those with NaN" if self.with_nan else "") + (
            ", then those without it" if self.with_missing else ""
        )
        ties = f"; sort runs of one {_RANKS[self.ties]} by their facts" if self.ties != "none" else ""
        return f"walk {name} {way}{tail}{ties}"


_RANKS = {"value": "value", "start": "start time"}
_TIMES = {True: "from the newest", False: "from the oldest"}


@dataclass(frozen=True, slots=True)
class Plan:
    """``run_ids``: nothing else can match. ``ranges``: any of them holds all matches. ``walk``: what gives
    the order. ``names``: what the runs' names must meet, which entries of the default order hold.
    ``absent``: ranges of runs that do not match, those that have what must be missing."""

    run_ids: tuple[str, ...] | None
    ranges: tuple[Range, ...]
    walk: Walk
    names: tuple[Comparison, ...] = ()
    absent: tuple[Range, ...] = ()

    @property
    def useless(self) -> frozenset[int]:
        """Ranges that say no more than the walk does: the one that it stays in, and that of all names."""
        by_time = self.walk.field == DEFAULT_ORDER
        return frozenset(
            number
            for number, one in enumerate(self.ranges)
            if number == self.walk.covers or (by_time and one.is_of_all_names)
        )

    def __str__(self) -> str:
        if self.run_ids is not None:
            return f"read {len(self.run_ids)} runs by id"
        lines = [str(self.walk)]
        if self.names and self.walk.field == DEFAULT_ORDER:
            lines.append("  pass over other names than " + " and ".join(map(_said, self.names)))
        for number, one in enumerate(self.ranges):
            if number == self.walk.covers:
                lines.append(f"  only {one}")
            elif number not in self.useless:
                lines.append(f"  or, where those are few, read the runs with {one}")
        lines += [
            f"  pass over the runs with {_named(one.field)}, where hardly any are without"
            for one in self.absent
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched: ``meets`` and ``ordering`` are the meaning, ``plan`` the way. ``progress`` is what
    a Pause said of a search that goes on."""

    experiment_ids: Sequence[str]
    stages: Collection[str]
    plan: Plan
    meets: Callable[[Run], bool]
    ordering: Ordering[Run]
    after: Position | None
    expected: int
    progress: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Where a search stopped early: everything before this position has been answered."""

    position: Position


def plan(tree: Filter, orders: Sequence[Order]) -> Plan:
    """The plan of a filter and an order (``fields.RUNS``)."""
    ranges = tuple(found for comparison in tree if (found := _range(comparison)) is not None)
    names = tuple(comparison for comparison in tree if _field(comparison) == _NAMES)
    walk = _walk(ranges, orders)
    return Plan(_run_ids(tree), ranges, walk, names, _absent(tree, walk))


def _walk(ranges: Sequence[Range], orders: Sequence[Order]) -> Walk:
    if not orders or (orders[0].kind, orders[0].key) == ("attribute", "start_time"):
        ascending = not orders or not orders[0].ascending
        if len(orders) > 1:
            return Walk(DEFAULT_ORDER, (_EVERYTHING,), ascending, by_value=False, ties="start")
        return _by_time(ranges, ascending=ascending)
    first, rest = orders[0], orders[1:]
    field = _ordered(first)
    if field is None:
        return Walk(DEFAULT_ORDER, (_EVERYTHING,), ascending=True, by_value=False, ties="all")
    on_field = [(number, one) for number, one in enumerate(ranges) if one.field == field]
    single = [(number, one.spans[0]) for number, one in on_field if len(one.spans) == 1]
    covers, span = single[0] if single else (None, _WHOLE)
    return Walk(
        field,
        (Span(span.low, min(span.high, _WHOLE.high)),),  # NaN is walked apart, behind every value
        first.ascending,
        by_value=True,
        ties="value" if rest and tuple(rest) != _NEWEST else "none",
        with_nan=field[:1] == index.METRIC
        and all(one.comparison.comparator in ("!=", "IS NOT NULL") for _, one in on_field),
        with_missing=not on_field,
        covers=covers,
    )


def _by_time(ranges: Sequence[Range], *, ascending: bool) -> Walk:
    """Entries of one value come in the default order: a range of few values serves as well as all runs do,
    and holds nothing else. One of a param or tag is rather small than one of an attribute."""
    exact = [
        (one.field[:1] == index.ATTRIBUTE, len(one.spans), number)
        for number, one in enumerate(ranges)
        if one.comparison.comparator in ("=", "IN")
        and len(one.spans) <= MOST_VALUES
        and one.spans != (_WHOLE,)
    ]
    if not exact:
        return Walk(DEFAULT_ORDER, (_EVERYTHING,), ascending, by_value=False)
    *_, number = min(exact)
    return Walk(ranges[number].field, ranges[number].spans, ascending, by_value=False, covers=number)


def _ordered(order: Order) -> str | None:
    """The field whose entries come in an order; None for run_id and artifact_uri, which have no entries."""
    if order.kind == "attribute":
        return index.ATTRIBUTE + order.key if order.key in _INDEXED else None
    return {"metric": index.METRIC, "param": index.PARAM, "tag": index.TAG}[order.kind] + order.key


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
    return Range(field, (_WITH_NAN,), comparison)


def _absent(tree: Filter, walk: Walk) -> tuple[Range, ...]:
    """Of the names the default order tells more."""
    fields = {comparison: _field(comparison) for comparison in tree if comparison.comparator == "IS NULL"}
    return tuple(
        Range(field, (_WITH_NAN,), comparison)
        for comparison, field in fields.items()
        if field is not None and not (field == _NAMES and walk.field == DEFAULT_ORDER)
    )


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


_EVERYTHING = Span("", LAST)
_WHOLE = Span(index.VALUES, index.VALUES + LAST)
_WITH_NAN = Span(index.VALUES, index.NANS + LAST)
_NAMES = index.TAG + RUN_NAME_TAG
_NEWEST = (Order("attribute", "start_time", ascending=False),)
"""How ties come anyway."""


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
    return (_WITH_NAN,)


def _prefix(prefix: str) -> Span:
    return Span(prefix, prefix + LAST)


def _number(field: str, value: float) -> str | None:
    """As the field's entries hold it; None for a fraction where they hold integers."""
    if field[:1] == index.METRIC:
        return index.number(float(value))
    return index.integer(value) if isinstance(value, int) and -(2**63) <= value < 2**63 else None


def _said(comparison: Comparison) -> str:
    return comparison.comparator + ("" if comparison.value is None else f" {comparison.value!r}")


def _named(field: str) -> str:
    return f"{_KINDS[field[:1]]}.{field[1:]}"


_KINDS = {
    index.METRIC: "metrics",
    index.PARAM: "params",
    index.TAG: "tags",
    index.ATTRIBUTE: "attributes",
    index.DATASET: "datasets",
}
