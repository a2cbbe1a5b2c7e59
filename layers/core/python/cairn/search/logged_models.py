"""Logged models: a grammar of their own, what they offer, and how they match and sort.

After MLflow's ``search_logged_model_utils`` and the SQL of its store, quirks included: a status is compared
as its number (``status = 2`` is READY), a metric meets a clause if any of its points does, a NaN was stored
as 0, and only a plain column name behind ``attributes.`` is known.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from cairn.domain.entities import DELETED, LoggedModel, Metric
from cairn.domain.metrics import comparable
from cairn.errors import InvalidParameterValue
from cairn.ids import experiment_number
from cairn.search.fields import EQUALITY, MEMBERSHIP, NUMERIC, PATTERNS
from cairn.search.grammar import parse_filter
from cairn.search.match import value_test
from cairn.search.order import Column, Ordering
from cairn.search.tree import Clause, Comparison, Filter, Kind, Order, Scalar, Value, Word

_STATUS = {
    "LOGGED_MODEL_STATUS_UNSPECIFIED": 0,
    "LOGGED_MODEL_PENDING": 1,
    "LOGGED_MODEL_READY": 2,
    "LOGGED_MODEL_UPLOAD_FAILED": 3,
}

_Read = Callable[[LoggedModel], Scalar | None]

_TEXTS: Mapping[str, _Read] = MappingProxyType(
    {
        "model_id": operator.attrgetter("model_id"),
        "name": operator.attrgetter("name"),
        "artifact_location": operator.attrgetter("artifact_uri"),
        "lifecycle_stage": operator.attrgetter("lifecycle_stage"),
        "model_type": operator.attrgetter("model_type"),
        "source_run_id": operator.attrgetter("source_run_id"),
        "status_message": lambda _model: None,  # MLflow's REST cannot set it
    }
)
_INTEGERS: Mapping[str, _Read] = MappingProxyType(
    {
        "experiment_id": lambda model: experiment_number(model.experiment_id),
        "status": lambda model: _STATUS[model.status],
    }
)
_TIMES: Mapping[str, _Read] = MappingProxyType(
    {
        "creation_timestamp_ms": operator.attrgetter("creation_timestamp"),
        "last_updated_timestamp_ms": operator.attrgetter("last_updated_timestamp"),
    }
)
_COLUMNS: Mapping[str, _Read] = MappingProxyType({**_TEXTS, **_INTEGERS, **_TIMES})
_ALIASES = MappingProxyType(
    {
        "creation_time": "creation_timestamp_ms",
        "creation_timestamp": "creation_timestamp_ms",
        "last_updated_timestamp": "last_updated_timestamp_ms",
    }
)
_KINDS: Mapping[str, Kind] = MappingProxyType(
    {"attributes": "attribute", "metrics": "metric", "params": "param", "tags": "tag"}
)
_IDENTIFIER = re.compile(r"([a-z]+)\.(.+)")
_NUMBER_IN_TEXT = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*", re.ASCII)

Dataset = tuple[str, str | None]
"""A dataset's name and digest, by which metrics are restricted; None is a metric without digest."""


def read_filter(source: str | None) -> Filter:
    """A filter of logged models; InvalidParameterValue for what MLflow refuses, or fails on with a 500."""
    return tuple(_comparison(clause) for clause in parse_filter(source))


def read_order(order_by: Sequence[Order]) -> tuple[Order, ...]:
    """The orders with their fields resolved: ``key`` is the field's name as written, of whatever kind."""
    return tuple(_order(order) for order in order_by)


def model_filter(tree: Filter, datasets: Sequence[Dataset] = ()) -> Callable[[LoggedModel], bool]:
    """A test of models, which deleted ones never meet.

    ``datasets`` restrict the points that a metric clause sees; without such a clause a model needs any
    point on one of them.
    """
    on = _on_datasets(datasets) if datasets else None
    tests = [_test(comparison, on) for comparison in tree]
    if on is not None and all(comparison.kind != "metric" for comparison in tree):
        tests.append(lambda model: any(on(point) for point in model.metrics))

    def meets(model: LoggedModel) -> bool:
        return model.lifecycle_stage != DELETED and all(test(model) for test in tests)

    return meets


def model_ordering(orders: Sequence[Order]) -> Ordering[LoggedModel]:
    """Models by ``orders``, then creation time DESC, model id ASC."""
    tail = (
        Order("attribute", "creation_timestamp_ms", ascending=False),
        Order("attribute", "model_id", ascending=True),
    )
    return Ordering(tuple(_column(order) for order in (*orders, *tail)))


def _comparison(clause: Clause) -> Comparison:
    kind, key = _identify(clause.identifier)
    comparator = clause.comparator.upper()
    numeric = kind == "metric" or (kind == "attribute" and _ALIASES.get(key, key) in _TIMES)
    allowed = NUMERIC if numeric else EQUALITY | PATTERNS | MEMBERSHIP
    if comparator not in allowed:
        raise InvalidParameterValue(
            f"Invalid comparison operator for {clause.identifier}: '{comparator}'. "
            f"Expected one of {sorted(allowed)}."
        )
    if kind == "attribute" and key not in _COLUMNS:
        raise InvalidParameterValue(f"Invalid attribute '{key}'. Expected one of {sorted(_COLUMNS)}.")
    return Comparison(kind, key, comparator, _value(clause, comparator, numeric=numeric))


def _identify(identifier: str) -> tuple[Kind, str]:
    """``kind.key`` with backticks around the key or none, or an attribute (or its alias) alone."""
    found = _IDENTIFIER.fullmatch(identifier)
    if found is None:
        return "attribute", _ALIASES.get(identifier, identifier).strip("`")
    kind = _KINDS.get(found[1])
    if kind is None:
        raise InvalidParameterValue(f"Invalid entity type: '{found[1]}'. Expected one of {list(_KINDS)}.")
    return kind, found[2].strip("`")


def _value(clause: Clause, comparator: str, *, numeric: bool) -> Value:
    value = clause.value
    if isinstance(value, tuple) is not (comparator in MEMBERSHIP):
        raise InvalidParameterValue(f"A list of values goes with IN and NOT IN, not with '{comparator}'")
    if not isinstance(value, Word):
        return value
    if not numeric:
        return value.text.strip("'")
    try:
        return float(value.text)
    except ValueError:
        raise InvalidParameterValue(
            f"Expected a number to compare {clause.identifier} with. Found {value.text}"
        ) from None


def _order(order: Order) -> Order:
    prefix, dot, name = order.key.partition(".")
    if not dot:
        column = _ALIASES.get(order.key, order.key)
        if column not in _COLUMNS:
            raise InvalidParameterValue(f"Invalid order by field name: {order.key}")
        return Order("attribute", column, order.ascending)
    if prefix != "metrics":
        raise InvalidParameterValue(
            f"Invalid order by field name: {order.key}. Only metrics are supported."
        )
    return Order("metric", name, order.ascending, order.dataset_name or None, order.dataset_digest or None)


def _on_datasets(datasets: Sequence[Dataset]) -> Callable[[Metric], bool]:
    wanted = frozenset(datasets)
    return lambda point: (point.dataset_name, point.dataset_digest) in wanted


def _test(comparison: Comparison, on: Callable[[Metric], bool] | None) -> Callable[[LoggedModel], bool]:
    key = comparison.key
    if comparison.kind == "metric":
        return _metric_test(comparison, on)
    if comparison.kind == "attribute" and key in _TIMES:
        read, test = _TIMES[key], _number_test(comparison)
    elif comparison.kind == "attribute" and key in _INTEGERS:
        read, test = _INTEGERS[key], _integer_test(comparison)
    else:
        test = value_test(comparison.comparator, _as_text(comparison.value))
        if comparison.kind == "param":
            read = _entry(operator.attrgetter("params"), key)
        elif comparison.kind == "tag":
            read = _entry(operator.attrgetter("tags"), key)
        else:
            read = _TEXTS[key]

    def meets(model: LoggedModel) -> bool:
        held = read(model)
        return held is not None and test(held)

    return meets


def _entry(read: Callable[[LoggedModel], Mapping[str, str]], key: str) -> _Read:
    return lambda model: read(model).get(key)


def _metric_test(
    comparison: Comparison, on: Callable[[Metric], bool] | None
) -> Callable[[LoggedModel], bool]:
    key, test = comparison.key, _number_test(comparison)

    def meets(model: LoggedModel) -> bool:
        return any(
            point.key == key and test(comparable(point.value)) and (on is None or on(point))
            for point in model.metrics
        )

    return meets


def _number_test(comparison: Comparison) -> Callable[[Scalar], bool]:
    """SQLite takes NaN for NULL: nothing compares with it."""
    if comparison.value != comparison.value:
        return lambda _held: False
    return value_test(comparison.comparator, comparison.value)


def _integer_test(comparison: Comparison) -> Callable[[Scalar], bool]:
    """An integer column against text: LIKE sees its digits, anything else converts numeric text."""
    value = comparison.value
    if comparison.comparator in PATTERNS:
        test = value_test(comparison.comparator, value)
        return lambda held: test(str(held))
    if isinstance(value, tuple):
        return value_test(comparison.comparator, tuple(_as_number(element) for element in value))
    return value_test(comparison.comparator, None if value is None else _as_number(value))


def _as_number(value: Scalar) -> Scalar:
    """SQLite's numeric affinity."""
    if not isinstance(value, str):
        return value
    found = _NUMBER_IN_TEXT.fullmatch(value)
    return value if found is None else float(found[1])


def _as_text(value: Value) -> Value:
    """SQLite's text affinity, for the elements of a list."""
    return tuple(str(element) for element in value) if isinstance(value, tuple) else value


def _column(order: Order) -> Column[LoggedModel]:
    if order.kind == "metric":
        return Column(lambda model: _latest(model, order), order.ascending, text=False)
    return Column(_COLUMNS[order.key], order.ascending, text=order.key in _TEXTS)


def _latest(model: LoggedModel, order: Order) -> float | None:
    """The value of the metric's last point by (timestamp, step), ties to the smaller run id."""
    latest: Metric | None = None
    for point in model.metrics:
        if (
            point.key != order.key
            or (order.dataset_name is not None and point.dataset_name != order.dataset_name)
            or (order.dataset_digest is not None and point.dataset_digest != order.dataset_digest)
        ):
            continue
        if latest is None or _comes_before(point, latest):
            latest = point
    return None if latest is None else comparable(latest.value)


def _comes_before(point: Metric, other: Metric) -> bool:
    if (point.timestamp, point.step) != (other.timestamp, other.step):
        return (point.timestamp, point.step) > (other.timestamp, other.step)
    return (point.run_id or "") < (other.run_id or "")
