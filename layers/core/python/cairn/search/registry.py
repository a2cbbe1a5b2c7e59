"""Registered models and model versions: what they offer to a search, how they match and sort.

After MLflow's ``SearchModelUtils`` and ``SearchModelVersionUtils`` and the SQL of its store. A search that
does not ask for prompts leaves them out: models by their own tag, versions where any version of their name
has the tag (MLflow's rule). Here is also what a search may read: the names or runs that it is limited to,
and the order in which the lists are walked.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cairn.domain.registry import PROMPT_TAG, ModelVersion, RegisteredModel
from cairn.errors import InvalidParameterValue
from cairn.search.fields import EQUALITY, MEMBERSHIP, NUMERIC, PATTERNS, int64
from cairn.search.grammar import parse_filter, parse_order
from cairn.search.match import keyed, value_test
from cairn.search.order import Column, Ordering, Position
from cairn.search.tree import Clause, Comparison, Filter, Order, Scalar, Value, Word

Entity = TypeVar("Entity", RegisteredModel, ModelVersion)
Names = Callable[[str], bool]

_TEXT = EQUALITY | PATTERNS | MEMBERSHIP
_TAG = EQUALITY | PATTERNS

MODEL_ATTRIBUTES = {"name": _TEXT}
VERSION_ATTRIBUTES = {
    "name": _TEXT,
    "run_id": _TEXT,
    "source_path": EQUALITY | PATTERNS,
    "version_number": NUMERIC,
}
_VERSION_FIELDS: Mapping[str, Callable[[ModelVersion], Scalar | None]] = {
    "run_id": operator.attrgetter("run_id"),
    "source_path": operator.attrgetter("source"),
    "version_number": operator.attrgetter("version"),
}
_MODEL_ORDERS = {
    "name": "name",
    "timestamp": "last_updated_timestamp",
    "last_updated_timestamp": "last_updated_timestamp",
}
_VERSION_ORDERS = {
    "name": "name",
    "version_number": "version",
    "creation_timestamp": "creation_timestamp",
    "last_updated_timestamp": "last_updated_timestamp",
}
_NEWEST_VERSIONS = (
    Order("attribute", "last_updated_timestamp", ascending=False),
    Order("attribute", "name", ascending=True),
    Order("attribute", "version", ascending=False),
)


@dataclass(frozen=True, slots=True)
class ModelSearch:
    """``prompts``: the lists to walk, of prompts and of models. ``names``: nothing else can match;
    ``prefix``: every match's name begins so. ``of_name`` is the part of ``meets`` that needs the name
    alone. ``resumed``: how far a pass over all names came that an earlier request began."""

    prompts: tuple[bool, ...]
    names: tuple[str, ...] | None
    prefix: str
    of_name: Names
    meets: Callable[[RegisteredModel], bool]
    ordering: Ordering[RegisteredModel]
    by_name: bool
    ascending: bool
    after: Position | None
    expected: int
    resumed: str | None


@dataclass(frozen=True, slots=True)
class VersionSearch:
    """``walk`` is the first thing to order by: name, version, or one of the timestamps. ``prompts``:
    whether names with prompts are seen. ``look`` is shown the versions that ``meets`` will be asked of
    next, as many as are read together."""

    prompts: bool
    names: tuple[str, ...] | None
    run_ids: tuple[str, ...] | None
    of_name: Names
    meets: Callable[[ModelVersion], bool]
    ordering: Ordering[ModelVersion]
    walk: str
    ascending: bool
    after: Position | None
    expected: int
    look: Callable[[Sequence[ModelVersion]], None] = lambda _: None


def read_model_filter(source: str | None) -> Filter:
    """A filter of registered models; InvalidParameterValue for what MLflow refuses, or fails on."""
    return tuple(_comparison(clause, MODEL_ATTRIBUTES) for clause in parse_filter(source))


def read_version_filter(source: str | None) -> Filter:
    """A filter of model versions; InvalidParameterValue for what MLflow refuses, or fails on."""
    return tuple(_comparison(clause, VERSION_ATTRIBUTES) for clause in parse_filter(source))


def read_model_order(order_by: Sequence[str]) -> tuple[Order, ...]:
    """``timestamp`` is the last update, too. InvalidParameterValue for what MLflow refuses."""
    return _orders(order_by, _MODEL_ORDERS, lambda identifier: identifier)


def read_version_order(order_by: Sequence[str]) -> tuple[Order, ...]:
    """Prefixes are passed over, a tag's too (MLflow's rule)."""
    return _orders(order_by, _VERSION_ORDERS, _without_prefix)


def model_search(
    tree: Filter,
    orders: Sequence[Order],
    after: Position | None,
    expected: int,
    resumed: str | None = None,
) -> ModelSearch:
    asks = asks_for_prompts(tree)
    tree = tree if asks else _without_prompt_tag(tree)
    exactly = any(one.key == PROMPT_TAG and (one.comparator, one.value) == ("=", "true") for one in tree)
    return ModelSearch(
        prompts=((True,) if exactly else (False, True)) if asks else (False,),
        names=_limited_to(tree, "name"),
        prefix=_prefix(tree),
        of_name=name_filter(tree),
        meets=model_filter(tree),
        ordering=model_ordering(orders),
        by_name=not orders or orders[0].key == "name",
        ascending=not orders or orders[0].ascending,
        after=after,
        expected=expected,
        resumed=resumed,
    )


def version_search(
    tree: Filter, orders: Sequence[Order], after: Position | None, expected: int
) -> VersionSearch:
    asks = asks_for_prompts(tree)
    tree = tree if asks else _without_prompt_tag(tree)
    first = (*orders, *_NEWEST_VERSIONS)[0]
    return VersionSearch(
        prompts=asks,
        names=_limited_to(tree, "name"),
        run_ids=_limited_to(tree, "run_id"),
        of_name=name_filter(tree),
        meets=version_filter(tree),
        ordering=version_ordering(orders),
        walk=first.key,
        ascending=first.ascending,
        after=after,
        expected=expected,
    )


def asks_for_prompts(tree: Filter) -> bool:
    """``_is_querying_prompt``: the first comparison of the tag decides."""
    for one in tree:
        if one.kind == "tag" and one.key == PROMPT_TAG:
            value = str(one.value).lower()
            return (one.comparator, value) in (("=", "true"), ("!=", "false"))
    return False


def asks_for_origin(tree: Filter) -> bool:
    """Whether a filter of versions says anything of where they came from."""
    return any(one.kind == "attribute" and one.key in ("run_id", "source_path") for one in tree)


def model_filter(tree: Filter) -> Callable[[RegisteredModel], bool]:
    tests = [_tag_test(one) for one in tree if one.kind == "tag"]
    names = name_filter(tree)
    return lambda model: names(model.name) and all(test(model) for test in tests)


def version_filter(tree: Filter) -> Callable[[ModelVersion], bool]:
    tests = [_version_test(one) for one in tree if one.key != "name" or one.kind == "tag"]
    names = name_filter(tree)
    return lambda version: names(version.name) and all(test(version) for test in tests)


def name_filter(tree: Filter) -> Names:
    tests = [
        value_test(one.comparator, one.value)
        for one in tree
        if one.kind == "attribute" and one.key == "name"
    ]
    return lambda name: all(test(name) for test in tests)


def model_ordering(orders: Sequence[Order]) -> Ordering[RegisteredModel]:
    """Models by ``orders``, ties by name."""
    tail = () if any(order.key == "name" for order in orders) else (Order("attribute", "name", True),)
    return Ordering(tuple(_column(order) for order in (*orders, *tail)))


def version_ordering(orders: Sequence[Order]) -> Ordering[ModelVersion]:
    """Versions by ``orders`` (those last updated first where there are none), ties by name, then by number
    DESC."""
    orders = orders or _NEWEST_VERSIONS
    given = {order.key for order in orders}
    tail = [order for order in _NEWEST_VERSIONS[1:] if order.key not in given]
    return Ordering(tuple(_column(order) for order in (*orders, *tail)))


def _comparison(clause: Clause, attributes: Mapping[str, frozenset[str]]) -> Comparison:
    prefix, dot, key = clause.identifier.partition(".")
    if dot and prefix not in ("attribute", "tag", "tags"):
        raise InvalidParameterValue(
            f"Invalid entity type '{prefix}'. Valid entity types are ('attribute', 'tag', 'tags')"
        )
    is_tag = dot and prefix != "attribute"
    if not dot:
        key = clause.identifier
    if not is_tag and key not in attributes:
        raise InvalidParameterValue(
            f"Invalid attribute key '{key}' specified. Valid keys are '{sorted(attributes)}'"
        )
    comparator = clause.comparator.upper()
    allowed = _TAG if is_tag else attributes[key]
    if comparator not in allowed:
        raise InvalidParameterValue(
            f"Invalid comparator for {'tag' if is_tag else 'attribute'}: {comparator}"
        )
    if is_tag:
        return Comparison("tag", _unquoted(key), comparator, _text(clause))
    value = _number(clause, key) if key == "version_number" else _text_or_list(clause, comparator)
    return Comparison("attribute", key, comparator, value)


def _text(clause: Clause) -> str:
    value = clause.value
    if isinstance(value, Word) and value.form != "number" and _is_quoted(value.text):
        return value.text[1:-1]
    shown = value.text if isinstance(value, Word) else value
    raise InvalidParameterValue(
        f"Expected a quoted string value for {clause.identifier} (e.g. 'my-value'). Got value {shown}"
    )


def _text_or_list(clause: Clause, comparator: str) -> Value:
    value = clause.value
    if isinstance(value, tuple) is not (comparator in MEMBERSHIP):
        raise InvalidParameterValue(f"A list of values goes with IN and NOT IN, not with '{comparator}'")
    if not isinstance(value, tuple):
        return _text(clause)
    if not all(isinstance(element, str) for element in value):
        raise InvalidParameterValue(f"While parsing a list in the query, expected strings: {value}")
    return value


def _number(clause: Clause, key: str) -> int:
    """An integer, quoted or not."""
    value = clause.value
    text = value.text if isinstance(value, Word) else ""
    if isinstance(value, Word) and value.form != "number":
        text = _text(clause)
    try:
        int(text)
    except ValueError:
        raise InvalidParameterValue(f"Invalid value for numeric attribute '{key}': {text!r}") from None
    return int64(text)


def _orders(
    order_by: Sequence[str], known: Mapping[str, str], name_of: Callable[[str], str]
) -> tuple[Order, ...]:
    orders: list[Order] = []
    for source in order_by:
        sort = parse_order(source)
        name = name_of(sort.identifier)
        if name not in known:
            raise InvalidParameterValue(
                f"Invalid order by key '{name}' specified. Valid keys are {sorted(known)}"
            )
        orders.append(Order("attribute", known[name], sort.ascending))
    if len({order.key for order in orders}) < len(orders):
        raise InvalidParameterValue(f"`order_by` contains duplicate fields: {list(order_by)}")
    return tuple(orders)


def _without_prefix(identifier: str) -> str:
    prefix, dot, key = identifier.partition(".")
    if not dot:
        return _unquoted(identifier)
    if prefix not in ("attribute", "tag", "tags"):
        raise InvalidParameterValue(
            f"Invalid entity type '{prefix}'. Valid entity types are ('attribute', 'tag', 'tags')"
        )
    return _unquoted(key)


def _tag_test(one: Comparison) -> Callable[[RegisteredModel], bool]:
    return keyed(operator.attrgetter("tags"), one)


def _version_test(one: Comparison) -> Callable[[ModelVersion], bool]:
    if one.kind == "tag":
        return keyed(operator.attrgetter("tags"), one)
    read, test = _VERSION_FIELDS[one.key], value_test(one.comparator, one.value)

    def meets(version: ModelVersion) -> bool:
        held = read(version)
        return held is not None and test(held)

    return meets


def _without_prompt_tag(tree: Filter) -> Filter:
    """What a plain search says of the tag counts for nothing: it means models that are no prompts."""
    return tuple(one for one in tree if one.kind != "tag" or one.key != PROMPT_TAG)


def _limited_to(tree: Filter, key: str) -> tuple[str, ...] | None:
    for one in tree:
        if one.kind == "attribute" and one.key == key:
            if one.comparator == "=":
                return (str(one.value),)
            if one.comparator == "IN" and isinstance(one.value, tuple):
                return tuple(dict.fromkeys(map(str, one.value)))
    return None


def _prefix(tree: Filter) -> str:
    """What every name that matches begins with, as far as LIKE tells."""
    found = [
        str(one.value).split("%")[0].split("_")[0]
        for one in tree
        if one.kind == "attribute" and one.key == "name" and one.comparator == "LIKE"
    ]
    return max(found, key=len, default="")


def _column(order: Order) -> Column[Entity]:
    return Column(operator.attrgetter(order.key), order.ascending, text=order.key == "name")


def _is_quoted(text: str) -> bool:
    return len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""


def _unquoted(key: str) -> str:
    """Without quotes, then without backticks."""
    if _is_quoted(key):
        key = key[1:-1]
    return key[1:-1] if len(key) >= 2 and key[0] == key[-1] == "`" else key
