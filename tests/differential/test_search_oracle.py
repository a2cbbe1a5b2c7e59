"""Cairn's search against MLflow's SQL store in one process: same entities, generated filters and orders.

MLflow's answer is the law: what it finds, in its order, and what it refuses. Where MLflow fails with a 500
Cairn answers 400. ``ORACLE_EXAMPLES`` multiplies the number of examples (1 by default).
"""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, currently_in_test_context, event, given, settings
from hypothesis import strategies as st
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.search_logged_model_utils import parse_filter_string
from mlflow.utils.search_utils import SearchUtils

from cairn.errors import InvalidParameterValue
from cairn.protocol.messages.experiments import SearchExperiments
from cairn.protocol.messages.models import SearchLoggedModels
from cairn.protocol.messages.runs import SearchRuns
from cairn.search import fields, logged_models
from cairn.search.match import run_filter
from cairn.services.search import search_experiments, search_logged_models, search_runs
from cairn.sharing.caller import Caller
from tests.differential import oracle_queries as queries
from tests.differential.oracle_store import Universe, make

_MORE = int(os.environ.get("ORACLE_EXAMPLES", "1"))
_CALLER = Caller("aws", "0", "local", "tester")
_VIEWS = {"ACTIVE_ONLY": ViewType.ACTIVE_ONLY, "DELETED_ONLY": ViewType.DELETED_ONLY, "ALL": ViewType.ALL}
_views = st.sampled_from(tuple(_VIEWS))
_sizes = st.sampled_from((1, 2, 7, 1000, 1000))
_experiment_ids = st.lists(st.sampled_from(("0", "1", "2", "3", "77", "01")), min_size=1, max_size=5)

Json = Mapping[str, Any]
Refused = type[Exception]


def _examples(count: int) -> Any:
    return settings(
        max_examples=count * _MORE,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        print_blob=True,
    )


@pytest.fixture(scope="module")
def universe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Universe]:
    folder: Path = tmp_path_factory.mktemp("oracle")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = make(folder, seed=20, runs=70, models=40)
    yield made
    made.close()


def _reference(search: Callable[[], Any]) -> tuple[list[Any], str]:
    """What MLflow finds, and what it fails with: nothing, "400", or "500"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return list(search()), ""
        except MlflowException as error:
            return [], "400" if error.error_code == "INVALID_PARAMETER_VALUE" else "500"
        except Exception:  # noqa: BLE001 (whatever it is, its server answers 500)
            return [], "500"


def _pages(search: Callable[[str], Json], name: str) -> tuple[list[Json], str]:
    """What Cairn finds over all its pages, and whether it refuses."""
    found: list[Json] = []
    token = ""
    try:
        while True:
            page = search(token)
            found += page.get(name, [])
            token = page.get("next_page_token", "")
            if not token:
                return found, ""
            assert page[name], "an empty page with a token"
    except InvalidParameterValue:
        return [], "400"


def _agree(ours: tuple[list[str], str], theirs: tuple[list[str], str]) -> None:
    if currently_in_test_context():
        event(f"MLflow answers {theirs[1] or '200'}{' with rows' if theirs[0] else ''}")
    if theirs[1]:
        assert ours[1] == "400", f"MLflow refuses ({theirs[1]}), Cairn does not"
    else:
        assert ours[1] == "", "Cairn refuses what MLflow answers"
        assert ours[0] == theirs[0]


def _tolerated(text: str, keys: list[str]) -> bool:
    """Whether Cairn refuses on purpose what MLflow takes for something else than it says; see
    ``test_tolerated_refusals`` for each case."""
    return any(re.search(r"[^/\w.\- :]|\s", key) for key in keys) or bool(_ODD_LIST.search(text))


# A list in parentheses of its own, and a string with Python's prefix.
_ODD_LIST = re.compile(r"\(\s*\(|\b[rRuU]['\"]|\)\s*\)")


@_examples(600)
@given(queries.run_filters, queries.run_orders, _views, _experiment_ids, _sizes)
def test_runs(
    universe: Universe, text: str, order_by: list[str], view: str, experiment_ids: list[str], size: int
) -> None:
    _compare_runs(universe, text, order_by, view, experiment_ids, size)


def _compare_runs(
    universe: Universe, text: str, order_by: list[str], view: str, experiment_ids: list[str], size: int
) -> None:
    found, failure = _reference(
        lambda: universe.reference.search_runs(experiment_ids, text, _VIEWS[view], 1000, order_by)
    )
    stores = universe.stores()

    def search(token: str) -> Json:
        request = SearchRuns(
            experiment_ids=experiment_ids,
            filter=text,
            run_view_type=view,
            max_results=size,
            order_by=order_by,
            page_token=token,
        )
        return search_runs(stores, _CALLER, request)

    ours, refusal = _pages(search, "runs")
    _agree(
        ([run["info"]["run_id"] for run in ours], refusal), ([run.info.run_id for run in found], failure)
    )


_NUMERIC = ("=", "!=", "<", "<=", ">", ">=")
_TEXTUAL = ("=", "!=", "LIKE", "ILIKE")
_ALONE = [
    *(f"metrics.x {each} {value}" for each in _NUMERIC for value in ("0", "1", "-1")),
    *(
        f"{name} {each} {value}"
        for name in ("start_time", "end_time")
        for each in _NUMERIC
        for value in (1, 1.0)
    ),
    *(f"params.x {each} '{value}'" for each in _TEXTUAL for value in ("a", "", "%É%", "a_b")),
    *(f"run_name {each} '{value}'" for each in _TEXTUAL for value in ("a", "%")),
    *(f"dataset.{key} {each} 'd1'" for key in ("name", "digest", "context") for each in _TEXTUAL),
    *(f"{kind}.x {each}" for kind in ("params", "tags") for each in ("IS NULL", "IS NOT NULL")),
]


@pytest.mark.parametrize("text", _ALONE)
def test_each_comparator_alone(universe: Universe, text: str) -> None:
    """What random filters of many clauses hit rarely: one clause over all runs."""
    _compare_runs(universe, text, ["metrics.x DESC"], "ALL", ["0", "1", "2", "3"], 1000)


@_examples(400)
@given(queries.experiment_filters, queries.experiment_orders, _views, _sizes)
def test_experiments(universe: Universe, text: str, order_by: list[str], view: str, size: int) -> None:
    found, failure = _reference(
        lambda: universe.reference.search_experiments(_VIEWS[view], 1000, text, order_by)
    )
    stores = universe.stores()

    def search(token: str) -> Json:
        request = SearchExperiments(
            filter=text, view_type=view, max_results=size, order_by=order_by, page_token=token
        )
        return search_experiments(stores, _CALLER, request)

    ours, refusal = _pages(search, "experiments")
    _agree(
        ([one["experiment_id"] for one in ours], refusal), ([one.experiment_id for one in found], failure)
    )


@_examples(500)
@given(queries.model_filters, queries.model_orders, queries.model_datasets, _experiment_ids, _sizes)
def test_logged_models(
    universe: Universe,
    text: str,
    orders: list[tuple[str, bool, tuple[str, str | None] | None]],
    datasets: list[tuple[str, str | None]],
    experiment_ids: list[str],
    size: int,
) -> None:
    order_by = [
        {
            "field_name": name,
            "ascending": ascending,
            "dataset_name": dataset[0] if dataset else None,
            "dataset_digest": dataset[1] if dataset else None,
        }
        for name, ascending, dataset in orders
    ]
    on = [{"dataset_name": name, "dataset_digest": digest} for name, digest in datasets]
    found, failure = _reference(
        lambda: universe.reference.search_logged_models(
            experiment_ids, text or None, on or None, 1000, order_by or None
        )
    )
    stores = universe.stores()

    def search(token: str) -> Json:
        request = SearchLoggedModels.model_validate(
            {
                "experiment_ids": experiment_ids,
                "filter": text,
                "datasets": [{key: value for key, value in one.items() if value} for one in on],
                "max_results": size,
                "order_by": [
                    {key: value for key, value in one.items() if value is not None} for one in order_by
                ],
                "page_token": token,
            }
        )
        return search_logged_models(stores, _CALLER, request)

    ours, refusal = _pages(search, "models")
    _agree(([one["info"]["model_id"] for one in ours], refusal), ([one.model_id for one in found], failure))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        # No AND before IS NULL: MLflow takes the clause before it for a part of the key.
        ("params.a='x' tags.b IS NULL", [("parameter", "a='x' tags.b", "IS NULL", None)]),
        # A direction behind an identifier becomes a part of the key.
        ("metrics.a DESC > 1", [("metric", "a DESC", ">", 1.0)]),
        # Names that no key of MLflow's can have.
        ("params.* = 'x'", [("parameter", "*", "=", "x")]),
        ("params.[a] = 'x'", [("parameter", "[a]", "=", "x")]),
        # Lists as only Python writes them.
        ("run_id IN (('a'))", [("attribute", "run_id", "IN", ("a",))]),
        ("run_id IN (u'a')", [("attribute", "run_id", "IN", ("a",))]),
    ],
)
def test_tolerated_refusals(text: str, read: list[Any]) -> None:
    """MLflow takes these for something that nobody means; Cairn refuses them and says where."""
    assert _as_mlflow_reads(text) == read
    with pytest.raises(InvalidParameterValue):
        fields.read_filter(fields.RUNS, text)


_NAMED_FAILURES = {
    "run_id = ('a')": "a list with = is more than SQL can bind",
    "start_time > 9223372036854775808": "more than 64 bits",
    "run_id IN (a)": "an element that is no literal",
    f"params.x LIKE '{'a' * 50_001}'": "a pattern longer than SQLite takes",
}


@pytest.mark.parametrize("text", _NAMED_FAILURES, ids=_NAMED_FAILURES.values())
def test_where_mlflow_fails_cairn_refuses(universe: Universe, text: str) -> None:
    """MLflow answers 500, which its clients repeat seven times; Cairn answers 400."""
    _, failure = _reference(
        lambda: universe.reference.search_runs(["0", "1", "2"], text, ViewType.ALL, 10, [])
    )
    assert failure == "500"
    with pytest.raises(InvalidParameterValue):
        run_filter(fields.read_filter(fields.RUNS, text))


def _as_mlflow_reads(text: str) -> list[tuple[str, str, str, Any]]:
    """A filter of runs as MLflow's parser understands it, with the checks of its SQL clauses."""
    read = []
    for clause in SearchUtils.parse_search_filter(text):
        kind, key = clause["type"], SearchUtils.translate_key_alias(clause["key"])
        comparator, value = clause["comparator"].upper(), clause["value"]
        (
            SearchUtils.is_attribute(kind, key, comparator)
            or SearchUtils.is_metric(kind, comparator)
            or SearchUtils.is_param(kind, comparator)
            or SearchUtils.is_tag(kind, comparator)
            or SearchUtils.is_dataset(kind, comparator)
        )
        if kind == "metric":
            value = float(value)
        if isinstance(value, tuple) and comparator not in ("IN", "NOT IN"):
            raise ValueError("SQL has no such comparison")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise OverflowError("SQLite has no such integer")
        read.append((kind, key, comparator, value))
    return read


@_examples(1000)
@given(queries.broken(queries.run_filters))
def test_broken_run_filters(text: str) -> None:
    theirs, failure = _reference(lambda: _as_mlflow_reads(text))
    try:
        ours = [
            ("parameter" if found.kind == "param" else found.kind, found.key, found.comparator, found.value)
            for found in fields.read_filter(fields.RUNS, text)
        ]
        refusal = ""
    except InvalidParameterValue:
        ours, refusal = [], "400"
    if refusal and not failure and _tolerated(text, [clause[1] for clause in theirs]):
        event("tolerated refusal")
        return
    event(f"MLflow {'refuses' if failure else 'accepts'}")
    assert (ours, refusal) == (theirs, "400" if failure else "")


@_examples(700)
@given(queries.broken(queries.model_filters))
def test_broken_model_filters(text: str) -> None:
    theirs, failure = _reference(lambda: parse_filter_string(text))
    try:
        ours = logged_models.read_filter(text)
        refusal = ""
    except InvalidParameterValue:
        ours, refusal = (), "400"
    if refusal and not failure and _tolerated(text, [clause.entity.key for clause in theirs]):
        event("tolerated refusal")
        return
    if not refusal:
        assert not failure
        assert len(ours) == len(theirs)
