"""Whether an entity meets a filter: the filter is compiled once into a list of tests.

Meaning is that of MLflow's SQL on SQLite: what is missing meets no comparison but IS NULL; text compares by
its UTF-8 bytes (which is Python's order of code points); a metric that is NaN meets ``!=`` alone.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cairn.domain.entities import Experiment, Run
from cairn.errors import InvalidParameterValue
from cairn.ids import experiment_number
from cairn.search.like import ilike, like
from cairn.search.tree import Comparison, Filter, Value

Entity = TypeVar("Entity")
Test = Callable[[Any], bool]
"""Whether a value that is there meets a comparison."""

RUN_NAME_TAG = "mlflow.runName"
_CONTEXT_TAG = "mlflow.data.context"
_GREATEST_ID = 2**63

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def value_test(comparator: str, value: Value) -> Test:
    """A comparator and its right side as a test of the left one."""
    if comparator in ("LIKE", "ILIKE"):
        return like(str(value)) if comparator == "LIKE" else ilike(str(value))
    if comparator in ("IN", "NOT IN"):
        values = frozenset(value if isinstance(value, tuple) else (value,))
        return values.__contains__ if comparator == "IN" else lambda held: held not in values
    compare = _OPERATORS[comparator]
    return lambda held: compare(held, value)


def run_filter(tree: Filter) -> Callable[[Run], bool]:
    """A filter of ``fields.RUNS`` as a test of runs."""
    return _all([_run_test(comparison) for comparison in tree])


def experiment_filter(tree: Filter) -> Callable[[Experiment], bool]:
    """A filter of ``fields.EXPERIMENTS`` as a test of experiments."""
    return _all([_experiment_test(comparison) for comparison in tree])


def _all(tests: list[Callable[[Entity], bool]]) -> Callable[[Entity], bool]:
    if len(tests) == 1:
        return tests[0]

    def meets(entity: Entity) -> bool:
        for test in tests:  # noqa: SIM110 (all() with a generator takes twice as long)
            if not test(entity):
                return False
        return True

    return meets


def keyed(read: Callable[[Entity], Mapping[str, str]], comparison: Comparison) -> Callable[[Entity], bool]:
    """A test of params or tags, which ``read`` gives."""
    key = comparison.key
    if comparison.comparator == "IS NULL":
        return lambda entity: key not in read(entity)
    if comparison.comparator == "IS NOT NULL":
        return lambda entity: key in read(entity)
    test = value_test(comparison.comparator, comparison.value)

    def meets(entity: Entity) -> bool:
        held = read(entity).get(key)
        return held is not None and test(held)

    return meets


_PARAMS: Callable[[Run], Mapping[str, str]] = operator.attrgetter("params")
_TAGS: Callable[[Any], Mapping[str, str]] = operator.attrgetter("tags")


def _run_test(comparison: Comparison) -> Callable[[Run], bool]:
    match comparison.kind:
        case "metric":
            return _metric_test(comparison)
        case "param":
            return keyed(_PARAMS, comparison)
        case "tag":
            return keyed(_TAGS, comparison)
        case "dataset":
            return _dataset_test(comparison)
        case "attribute":
            if comparison.key == "run_name":
                # MLflow filters by the tag, and orders by the column: they differ once the tag is deleted.
                by_tag = Comparison("tag", RUN_NAME_TAG, comparison.comparator, comparison.value)
                return keyed(_TAGS, by_tag)
            test = value_test(comparison.comparator, comparison.value)
            return _attribute_test(f"info.{comparison.key}", test)


def _attribute_test(path: str, test: Test) -> Callable[[Any], bool]:
    read = operator.attrgetter(path)

    def meets(entity: object) -> bool:
        held = read(entity)
        return held is not None and test(held)

    return meets


def _metric_test(comparison: Comparison) -> Callable[[Run], bool]:
    key, test = comparison.key, value_test(comparison.comparator, comparison.value)
    nan_meets = comparison.comparator == "!="

    def meets(run: Run) -> bool:
        latest = run.metrics.get(key)
        if latest is None:
            return False
        value = latest.value
        return test(value) if value == value else nan_meets  # NaN is not itself

    return meets


def _dataset_test(comparison: Comparison) -> Callable[[Run], bool]:
    """Any dataset of the run may meet the comparison; another one may meet the next."""
    test = value_test(comparison.comparator, comparison.value)
    if comparison.key == "context":
        return lambda run: any(
            test(used.tags[_CONTEXT_TAG]) for used in run.dataset_inputs if _CONTEXT_TAG in used.tags
        )
    read = operator.attrgetter(comparison.key)
    return lambda run: any(test(read(used)) for used in run.dataset_inputs)


def _experiment_test(comparison: Comparison) -> Callable[[Experiment], bool]:
    if comparison.kind == "tag":
        return keyed(_TAGS, comparison)
    value = comparison.value
    if comparison.key == "experiment_id":
        wanted = value if isinstance(value, tuple) else (value,)
        ids = frozenset(_experiment_id(str(text)) for text in wanted)
        inside = comparison.comparator in ("=", "IN")
        return lambda experiment: (experiment_number(experiment.experiment_id) in ids) is inside
    return _attribute_test(comparison.key, value_test(comparison.comparator, value))


def _experiment_id(text: str) -> int:
    number = experiment_number(text)
    if not -_GREATEST_ID <= number < _GREATEST_ID:
        raise InvalidParameterValue(f"Invalid experiment ID '{text}'. It does not fit into 64 bits.")
    return number
