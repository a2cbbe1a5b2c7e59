"""What each entity offers to a search: its attributes with their types and aliases, and the comparators.

Turns what was written (clauses, sorts) into what it means (comparisons, orders) for runs and experiments,
after MLflow's ``SearchUtils`` and ``SearchExperimentsUtils``. Logged models have rules of their own:
``cairn.search.logged_models``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cairn.errors import InvalidParameterValue
from cairn.search.grammar import parse_filter, parse_order
from cairn.search.tree import Clause, Comparison, Filter, Kind, Order, Value, Word

EQUALITY = frozenset({"=", "!="})
PATTERNS = frozenset({"LIKE", "ILIKE"})
MEMBERSHIP = frozenset({"IN", "NOT IN"})
EXISTENCE = frozenset({"IS NULL", "IS NOT NULL"})
NUMERIC = frozenset({"=", "!=", "<", "<=", ">", ">="})

_SMALLEST, _GREATEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute by its canonical name; ``comparators`` are those that a filter may use."""

    name: str
    comparators: frozenset[str]
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """The searchable fields of an entity.

    ``attributes`` and ``orders`` are by every name that a filter, or an order, may use. ``kinds`` are by
    prefix; a kind without comparators (attributes) has them by attribute. ``fractions``: whether a numeric
    attribute may be compared with a number that is no integer; ``exact_case``: whether comparators must be
    written in capitals and prefixes without backticks (MLflow's experiments).
    """

    attributes: Mapping[str, Attribute]
    orders: Mapping[str, Attribute]
    kinds: Mapping[str, Kind]
    comparators: Mapping[Kind, frozenset[str]]
    ordered: frozenset[Kind]
    fractions: bool
    exact_case: bool


def _text(name: str, *, lists: bool = False) -> Attribute:
    return Attribute(name, EQUALITY | PATTERNS | (MEMBERSHIP if lists else frozenset()))


def _number(name: str) -> Attribute:
    return Attribute(name, NUMERIC, numeric=True)


_RUN_ID = _text("run_id", lists=True)
_RUN_NAME = _text("run_name")
_START = _number("start_time")
_RUN_ORDERS = {
    "run_id": _RUN_ID,
    "run_name": _RUN_NAME,
    "user_id": _text("user_id"),
    "status": _text("status"),
    "artifact_uri": _text("artifact_uri"),
    "start_time": _START,
    "end_time": _number("end_time"),
    "created": _START,
    "Created": _START,
}
_KEYED = EQUALITY | PATTERNS | EXISTENCE

_RUN_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}

RUNS = Fields(
    attributes=MappingProxyType(
        _RUN_ORDERS | dict.fromkeys(("run name", "Run name", "Run Name"), _RUN_NAME),
    ),
    orders=MappingProxyType(_RUN_ORDERS),
    kinds=MappingProxyType(_RUN_KINDS),
    comparators=MappingProxyType(
        {
            "metric": NUMERIC,
            "param": _KEYED,
            "tag": _KEYED,
            "dataset": EQUALITY | PATTERNS | MEMBERSHIP,
        }
    ),
    ordered=frozenset({"attribute", "metric", "param", "tag"}),
    fractions=True,
    exact_case=False,
)

_EXPERIMENT = {
    "name": _text("name"),
    "experiment_id": Attribute("experiment_id", EQUALITY | MEMBERSHIP),
    "creation_time": _number("creation_time"),
    "last_update_time": _number("last_update_time"),
}

EXPERIMENTS = Fields(
    attributes=MappingProxyType(_EXPERIMENT),
    orders=MappingProxyType(_EXPERIMENT),
    kinds=MappingProxyType({"attribute": "attribute", "tag": "tag", "tags": "tag"}),
    comparators=MappingProxyType({"tag": _KEYED}),
    ordered=frozenset({"attribute"}),
    fractions=False,
    exact_case=True,
)

_DATASET_KEYS = frozenset({"name", "digest", "context"})


def read_filter(fields: Fields, source: str | None) -> Filter:
    """A filter and its meaning; InvalidParameterValue for what MLflow refuses, or fails on with a 500."""
    return tuple(_comparison(fields, clause) for clause in parse_filter(source))


def read_order(fields: Fields, order_by: Sequence[str]) -> tuple[Order, ...]:
    """The orders that ``order_by`` names; InvalidParameterValue for what MLflow refuses.

    Runs refuse a field that comes twice (MLflow: a 500), experiments take the first.
    """
    orders: list[Order] = []
    for source in order_by:
        sort = parse_order(source)
        kind, key = _identify(fields, sort.identifier, fields.orders)
        if kind not in fields.ordered:
            raise InvalidParameterValue(f"Invalid order_by entity: {kind}")
        if kind == "attribute":
            key = fields.orders[key].name
        orders.append(Order(kind, key, sort.ascending))
    if not fields.exact_case and len({(order.kind, order.key) for order in orders}) < len(orders):
        raise InvalidParameterValue(f"`order_by` contains duplicate fields: {list(order_by)}")
    return tuple(orders)


def _comparison(fields: Fields, clause: Clause) -> Comparison:
    kind, key = _identify(fields, clause.identifier, fields.attributes)
    comparator = clause.comparator if fields.exact_case else clause.comparator.upper()
    attribute = fields.attributes[key] if kind == "attribute" else None
    allowed = attribute.comparators if attribute else fields.comparators[kind]
    if comparator not in allowed:
        raise InvalidParameterValue(
            f"Invalid comparator '{comparator}' for {kind} '{key}', not one of {sorted(allowed)}"
        )
    numeric = kind == "metric" or (attribute is not None and attribute.numeric)
    value = clause.value
    if isinstance(value, tuple):
        if comparator not in MEMBERSHIP:
            raise InvalidParameterValue(f"A list of values needs IN or NOT IN, not '{comparator}'")
        if not all(isinstance(element, str) for element in value):
            raise InvalidParameterValue(f"While parsing a list in the query, expected strings: {value}")
        return Comparison(kind, attribute.name if attribute else key, comparator, value)
    meaning: Value = None
    if value is not None:
        if numeric:
            meaning = _read_number(value, key, metric=kind == "metric", fractions=fields.fractions)
        else:
            meaning = _read_text(value, kind)
    return Comparison(kind, attribute.name if attribute else key, comparator, meaning)


def _identify(fields: Fields, identifier: str, attributes: Mapping[str, Attribute]) -> tuple[Kind, str]:
    """The kind and key that an identifier names: ``prefix.key``, or an attribute alone."""
    prefix, dot, key = identifier.partition(".")
    if not dot:
        prefix, key = "attribute", identifier
    elif not fields.exact_case:
        prefix = _without(prefix, "`")
    kind = fields.kinds.get(prefix)
    if kind is None:
        raise InvalidParameterValue(
            f"Invalid entity type '{prefix}'. Valid values are {sorted(fields.kinds)}"
        )
    key = _without(_without_quotes(key), "`")
    if kind == "attribute" and key not in attributes:
        raise InvalidParameterValue(
            f"Invalid attribute key '{key}' specified. Valid keys are {sorted(attributes)}"
        )
    if kind == "dataset" and key not in _DATASET_KEYS:
        raise InvalidParameterValue(
            f"Invalid dataset key '{key}' specified. Valid keys are {sorted(_DATASET_KEYS)}"
        )
    return kind, key


def _read_number(word: Word, key: str, *, metric: bool, fractions: bool) -> int | float:
    """A metric's value is a double; an attribute's an int64, or a double where fractions are allowed."""
    if word.form != "number":
        what = "metric" if metric else f"numeric attribute: {key}"
        raise InvalidParameterValue(f"Expected numeric value type for {what}. Found {word.text}")
    if metric:
        return float(word.text)
    if not word.text.removeprefix("-").isdecimal():
        if not fractions:
            raise InvalidParameterValue(f"Invalid value for numeric attribute '{key}': '{word.text}'")
        return float(word.text)
    return int64(word.text)


def int64(text: str) -> int:
    """An integer as SQL takes it; InvalidParameterValue past 64 bits, where MLflow answers 500."""
    digits = text.strip()
    if len(digits) > 1_000:  # Python itself refuses to read numbers of more than 4,300 digits
        raise InvalidParameterValue("An integer of a filter must fit into 64 bits")
    number = int(digits)
    if not _SMALLEST <= number <= _GREATEST:
        raise InvalidParameterValue(f"{number} does not fit into 64 bits")
    return number


def _read_text(word: Word, kind: Kind) -> str:
    if len(word.text) >= 2 and word.text[0] == word.text[-1] and word.text[0] in "'\"":
        return word.text[1:-1]
    raise InvalidParameterValue(
        f"Expected a quoted string value for {kind} (e.g. 'my-value'). Got value {word.text}"
    )


def _without_quotes(key: str) -> str:
    for quote in "'\"":
        if len(key) >= 2 and key[0] == key[-1] == quote:
            return key[1:-1]
    return key


def _without(key: str, quote: str) -> str:
    return key[1:-1] if len(key) >= 2 and key[0] == key[-1] == quote else key
