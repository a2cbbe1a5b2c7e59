"""Proto-JSON: what a message's fields take, in any of the spellings that MLflow's parser takes."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import InvalidParameterValue
from cairn.protocol.message import Message
from cairn.protocol.messages.experiments import SearchExperiments
from cairn.protocol.messages.metrics import GetMetricHistory
from cairn.protocol.messages.models import FinalizeLoggedModel, SearchLoggedModels
from cairn.protocol.messages.runs import (
    CreateRun,
    DeleteRun,
    GetRun,
    LogBatch,
    LogInputs,
    LogMetric,
    SearchRuns,
    UpdateRun,
)
from cairn.protocol.parse import M, parse_body, parse_query

SEE = " See the API docs for more information about request parameters."
MAX = 2**63 - 1
METRIC = {"run_id": "r", "key": "k", "value": 1, "timestamp": 1}


def body(kind: type[M], fields: object, **given_fields: str) -> M:
    content = fields if isinstance(fields, str) else json.dumps(fields)
    return parse_body(kind, content.encode(), given_fields)


def refusal(kind: type[Message], fields: object) -> str:
    with pytest.raises(InvalidParameterValue) as raised:
        body(kind, fields)
    return raised.value.message


@pytest.mark.parametrize(
    ("given_value", "read"),
    [(5, 5), ("5", 5), (5.0, 5), ("5.0", 5), ("1e3", 1000), (-(2**63), -(2**63)), (str(2**63 - 1), MAX)],
)
def test_an_int64_is_a_number_or_a_numeric_string(given_value: object, read: int) -> None:
    assert body(LogMetric, {**METRIC, "step": given_value}).step == read


@pytest.mark.parametrize(
    "wrong", [5.5, "5.5", "x", " 5", "", True, [], {}, 2**63, -(2**63) - 1, "1e400", "NaN"]
)
def test_an_int64_is_nothing_else(wrong: object) -> None:
    assert refusal(LogMetric, {**METRIC, "step": wrong}) == (
        f"Invalid value {json.dumps(wrong)} for parameter 'step' supplied: "
        f" Hint: Value was of type '{type(wrong).__name__}'.{SEE}"
    )


@pytest.mark.parametrize(
    ("token", "read"),
    [
        ("1", 1.0),
        ("-0.5", -0.5),
        ('"1e3"', 1000.0),
        ('"NaN"', math.nan),
        ("NaN", math.nan),
        ('"Infinity"', math.inf),
        ("Infinity", math.inf),
        ('"-Infinity"', -math.inf),
        ("-Infinity", -math.inf),
        ("true", 1.0),
    ],
)
def test_a_double_is_a_number_or_names_one_that_is_none(token: str, read: float) -> None:
    metric = body(LogMetric, f'{{"run_id": "r", "key": "k", "timestamp": 1, "value": {token}}}')
    assert metric.value == read or (math.isnan(metric.value) and math.isnan(read))


@pytest.mark.parametrize("wrong", ["x", "nan", [1], {"a": 1}, 10**400])
def test_a_double_is_nothing_else(wrong: object) -> None:
    assert refusal(LogMetric, {**METRIC, "value": wrong}).startswith("Invalid value ")


@pytest.mark.parametrize("given_value", ["FINISHED", 3, "3"])
def test_an_enum_is_a_name_or_a_number(given_value: object) -> None:
    assert body(UpdateRun, {"run_id": "r", "status": given_value}).status == "FINISHED"


@pytest.mark.parametrize("wrong", ["finished", "", 9, -1, [], {}, "3.0"])
def test_an_enum_is_nothing_else(wrong: object) -> None:
    assert "'status'" in refusal(UpdateRun, {"run_id": "r", "status": wrong})
    assert "'view_type'" in refusal(SearchExperiments, {"view_type": wrong})


def test_null_is_unset() -> None:
    update = body(UpdateRun, {"run_id": "r", "run_uuid": None, "status": None, "run_name": None})
    assert (update.status, update.run_name, update.run_uuid) == (None, None, "")
    batch = body(LogBatch, {"run_id": "r", "metrics": None, "params": [{"key": "p", "value": None}]})
    assert batch.metrics == []
    assert batch.params[0].value == ""
    inputs = body(LogInputs, {"run_id": "r", "datasets": [{"dataset": {"name": None}, "tags": None}]})
    assert inputs.datasets[0].dataset.name == ""


def test_null_is_nothing_that_a_list_holds() -> None:
    assert "'metrics[1]'" in refusal(
        LogBatch, {"run_id": "r", "metrics": [{"key": "k", "value": 1, "timestamp": 1}, None]}
    )
    assert "'order_by[0]'" in refusal(SearchRuns, {"order_by": [None]})


@pytest.mark.parametrize("empty", [{}, {"run_id": None}, {"run_id": ""}])
def test_a_required_field_is_missing_when_empty(empty: dict[str, Any]) -> None:
    assert refusal(DeleteRun, empty) == f"Missing value for required parameter 'run_id'.{SEE}"


@pytest.mark.parametrize(
    ("batch", "field"),
    [
        ({"metrics": [{}]}, "metrics[0].key"),
        ({"metrics": [{"key": "k", "timestamp": 1}]}, "metrics[0].value"),
        ({"metrics": [{"key": "k", "value": "", "timestamp": 1}]}, "metrics[0].value"),
        ({"metrics": [{"key": "k", "value": 1}]}, "metrics[0].timestamp"),
        ({"params": [{"key": "p"}, {"value": "v"}]}, "params[1].key"),
        ({"tags": [{"key": ""}]}, "tags[0].key"),
    ],
)
def test_an_entry_of_a_batch_names_what_it_lacks(batch: dict[str, Any], field: str) -> None:
    assert refusal(LogBatch, {"run_id": "r", **batch}) == (
        f"Missing value for required parameter '{field}'.{SEE}"
    )


def _use(dataset: object) -> dict[str, Any]:
    return {"run_id": "r", "datasets": [{"dataset": dataset}]}


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (LogBatch, {"run_id": "r", "metrics": {}}, "metrics"),
        (LogBatch, {"run_id": "r", "metrics": [3]}, "metrics[0]"),
        (LogBatch, {"run_id": "r", "tags": [{"key": "k", "value": 5}]}, "tags[0].value"),
        (LogInputs, _use(5), "datasets[0].dataset"),
        (LogInputs, _use({"schema": 5}), "datasets[0].dataset.schema"),
        (LogInputs, _use({"sourceType": 5}), "datasets[0].dataset.source_type"),
        (
            SearchLoggedModels,
            {"experiment_ids": ["1"], "order_by": [{"ascending": "x"}]},
            "order_by[0].ascending",
        ),
    ],
)
def test_a_wrong_type_is_named_by_its_path(kind: type[Message], fields: object, field: str) -> None:
    assert f" for parameter '{field}' supplied:  Hint: Value was of type '" in refusal(kind, fields)


def test_a_long_value_is_not_repeated_whole() -> None:
    assert len(refusal(LogBatch, {"run_id": "r", "metrics": "x" * 100_000})) < 1_000


def test_both_spellings_are_read_but_not_at_once() -> None:
    metric = body(LogMetric, {"runId": "r", "key": "k", "value": 1, "timestamp": 1, "modelId": "m"})
    assert (metric.run_id, metric.model_id) == ("r", "m")
    both = {"run_id": "r", "metrics": [{**METRIC, "model_id": "m", "modelId": "m"}]}
    assert refusal(LogBatch, both) == (
        "Request specifies both 'model_id' and 'modelId'; provide only one of them."
    )


def test_unknown_fields_are_ignored() -> None:
    assert body(DeleteRun, {"run_id": "r", "colour": {"deep": [None, "red"]}}).run_id == "r"


@pytest.mark.parametrize("fields", [{"run_uuid": "r"}, {"runUuid": "r"}, {"run_id": None, "run_uuid": "r"}])
def test_run_uuid_stands_in_for_run_id(fields: dict[str, Any]) -> None:
    assert body(GetRun, fields).run_id == "r"


def test_run_id_comes_before_run_uuid() -> None:
    assert body(GetRun, {"run_id": "a", "run_uuid": "b"}).run_id == "a"
    assert refusal(GetRun, {"run_id": "", "run_uuid": "b"}).startswith("Missing value")
    assert refusal(DeleteRun, {"run_uuid": "b"}).startswith("Missing value"), "no such field there"


def test_a_query_gives_lists_and_single_values() -> None:
    query = {"order_by": ["name", "creation_time DESC"], "max_results": ["5", "6"], "view_type": ["ALL"]}
    search = parse_query(SearchExperiments, query, {})
    assert search.order_by == ["name", "creation_time DESC"]
    assert (search.max_results, search.view_type) == (5, "ALL")
    assert parse_query(GetMetricHistory, {"run_id": ["r"], "metric_key": ["m"]}, {}).max_results is None


def test_a_query_knows_a_fields_own_name_alone() -> None:
    with pytest.raises(InvalidParameterValue, match="Missing value for required parameter 'run_id'"):
        parse_query(GetRun, {"runId": ["r"]}, {})
    assert parse_query(GetRun, {"run_uuid": ["r"], "run_id": []}, {}).run_id == "r"


def test_a_query_is_unicode() -> None:
    with pytest.raises(InvalidParameterValue, match="'run_id'"):
        parse_query(GetRun, {"run_id": ["a\udcff"]}, {})


@pytest.mark.parametrize(("text", "read"), [("true", True), ("FALSE", False), ("True", True)])
def test_a_querys_booleans_are_words(text: str, read: bool) -> None:
    class Flagged(Message):
        flag: bool = False

    assert parse_query(Flagged, {"flag": [text]}, {}).flag is read
    with pytest.raises(InvalidParameterValue, match="Invalid boolean value: 1, must be"):
        parse_query(Flagged, {"flag": ["1"]}, {})


def test_a_path_fills_and_binds_a_field() -> None:
    assert body(FinalizeLoggedModel, {"status": 2}, model_id="m").model_id == "m"
    assert body(FinalizeLoggedModel, {"modelId": "m", "status": 2}, model_id="m").model_id == "m"
    with pytest.raises(InvalidParameterValue, match="'model_id'"):
        body(FinalizeLoggedModel, {"modelId": "x", "status": 2}, model_id="m")


def test_an_empty_body_is_an_empty_object() -> None:
    for empty in (b"", b"  \n", b"null", b"{}", b'"{}"', b'"null"'):
        assert parse_body(CreateRun, empty, {}) == CreateRun()


@given(st.integers(-(2**63), 2**63 - 1), st.floats(), st.text())
def test_whatever_a_client_logs_is_read_as_it_was(step: int, value: float, text: str) -> None:
    fields = {**METRIC, "step": step, "value": value, "dataset_name": text}
    if any("\ud800" <= character <= "\udfff" for character in text):
        refusal(LogMetric, fields)
        return
    metric = body(LogMetric, fields)
    assert (metric.step, metric.dataset_name) == (step, text)
    assert metric.value == value or (math.isnan(metric.value) and math.isnan(value))
