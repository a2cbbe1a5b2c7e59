"""Each tolerated difference claims its example and nothing beside it, and is documented."""

import json
from pathlib import Path

import pytest

from tests.differential.allowlist import REFUSED_IN_PART, TOLERATED, parts, tolerated
from tests.differential.compare import Answer, read
from tests.differential.operations import Json, Operation
from tests.differential.reference import Reply

API = "/api/2.0/mlflow"
COMPATIBILITY = Path(__file__).parents[2] / "docs" / "compatibility.md"


def _ok(body: Json) -> Answer:
    return read(Reply(200, json.dumps(body).encode()))


def _error(status: int, code: str, message: str = "") -> Answer:
    return read(Reply(status, json.dumps({"error_code": code, "message": message}).encode()))


CRASH = read(Reply(500, b"<!doctype html>"))
INVALID = _error(400, "INVALID_PARAMETER_VALUE")
UNIQUE = _error(400, "BAD_REQUEST", "(sqlite3.IntegrityError) UNIQUE constraint failed: inputs.source_type")
FOREIGN = _error(
    400, "BAD_REQUEST", "FOREIGN KEY constraint failed\n[SQL: INSERT INTO logged_model_metrics"
)
MODEL_MISSING = _error(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'model_id'.")


def _history(*models: str) -> Answer:
    value = json.dumps([{"artifact_path": model} for model in models])
    return _ok({"run": {"data": {"tags": [{"key": "mlflow.log-model.history", "value": value}]}}})


def _post(path: str, body: Json) -> Operation:
    return Operation("POST", f"{API}/{path}", body)


EXAMPLES = {
    "answered instead of crashed": (_post("runs/search", {"max_results": None}), CRASH, _ok({})),
    "a body of wrong types is refused": (
        _post("runs/create", {"experiment_id": "0", "start_time": 1.5}),
        _ok({"run": {}}),
        INVALID,
    ),
    "a negative page of logged models is refused": (
        _post("logged-models/search", {"experiment_ids": ["0"], "max_results": -1}),
        _ok({}),
        INVALID,
    ),
    "the path names the model": (
        Operation("PATCH", f"{API}/logged-models/m-1", {"status": 2}),
        MODEL_MISSING,
        _ok({}),
    ),
    "the sign of zero is kept": (
        Operation("GET", f"{API}/metrics/get-history"),
        _ok({"metrics": [{"value": 0.0}]}),
        _ok({"metrics": [{"value": -0.0}]}),
    ),
    "NaN is a string everywhere": (
        Operation("GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk"),
        _ok({"metrics": [{"value": float("nan")}, {"value": 0.0}]}),
        _ok({"metrics": [{"value": "NaN"}, {"value": -0.0}]}),
    ),
    "a retry is free": (_post("runs/outputs", {"run_id": "r"}), UNIQUE, _ok({})),
    "a model of MLflow 2 is recorded once": (
        Operation("GET", f"{API}/runs/get"),
        _history("a", "b", "a"),
        _history("a", "b"),
    ),
    "the latest versions by number": (
        _post("registered-models/get-latest-versions", {"name": "net"}),
        _ok({"model_versions": [{"version": "2"}, {"version": "1"}]}),
        _ok({"model_versions": [{"version": "1"}, {"version": "2"}]}),
    ),
    "a page of no registered models is refused": (
        Operation("GET", f"{API}/registered-models/search", query=(("max_results", "0"),)),
        _ok({"next_page_token": "t"}),
        INVALID,
    ),
    "a long name of a registered model is refused": (
        _post("registered-models/create", {"name": "n" * 257}),
        _ok({"registered_model": {}}),
        INVALID,
    ),
    "a webhook's event counts once": (
        _post("webhooks", {"name": "deploy"}),
        _error(400, "BAD_REQUEST", "UNIQUE constraint failed: webhook_events.webhook_id"),
        _ok({"webhook": {}}),
    ),
    "a webhook goes to port 443": (
        _post("webhooks", {"url": "https://8.8.8.8:8443/"}),
        _ok({"webhook": {}}),
        INVALID,
    ),
    "a long webhook is refused": (
        _post("webhooks", {"url": "https://8.8.8.8/", "secret": "s" * 1_001}),
        _ok({"webhook": {}}),
        INVALID,
    ),
    "a webhook's test tells the status": (
        _post("webhooks/1/test", {}),
        _ok({"result": {"success": True, "response_status": 200, "response_body": "hello"}}),
        _ok({"result": {"success": True, "response_status": 200}}),
    ),
    "a refused batch writes nothing": (_post("runs/log-batch", {"run_id": "r"}), FOREIGN, INVALID),
}

NEIGHBOURS = (
    (_post("runs/create", {"experiment_id": "0", "start_time": 1}), _ok({"run": {}}), INVALID),
    (_post("runs/update", {"run_id": "r", "status": "FINISHED"}), _ok({}), INVALID),
    (_post("runs/create", {"experiment_id": "0", "start_time": 1.5}), _ok({}), _error(404, "NOT_FOUND")),
    (_post("runs/search", {"max_results": None}), CRASH, _error(503, "TEMPORARILY_UNAVAILABLE")),
    (_post("runs/search", {"max_results": -1}), _ok({}), INVALID),
    (_post("runs/set-tag", {"run_id": "r", "key": "a"}), UNIQUE, _ok({})),
    (Operation("GET", f"{API}/metrics/get-history"), _ok({"value": 0.0}), _ok({"value": -1.0})),
    (Operation("GET", f"{API}/runs/get"), _history("a", "b"), _history("a")),
    (Operation("GET", f"{API}/runs/get"), _ok({"value": float("nan")}), _ok({"value": "NaN"})),
    (Operation("GET", f"{API}/metrics/get-history", query=(("max_results", "3"),)), _ok({}), INVALID),
    (Operation("GET", f"{API}/runs/get"), _history("a"), _history("a", "a")),
    (_post("runs/log-metric", {"run_id": "r"}), FOREIGN, INVALID),
    (_post("registered-models/create", {"name": "n" * 256}), _ok({}), INVALID),
    (
        _post("registered-models/get-latest-versions", {"name": "net"}),
        _ok({"model_versions": [{"version": "2"}]}),
        _ok({"model_versions": [{"version": "1"}]}),
    ),
    (Operation("GET", f"{API}/registered-models/search", query=(("max_results", "3"),)), _ok({}), INVALID),
    (_post("webhooks", {"url": "https://8.8.8.8:443/x?y", "secret": "s" * 1_000}), _ok({}), INVALID),
    (_post("webhooks", {"url": "https://[2606:4700::1]:443/x"}), _ok({}), INVALID),
    (
        _post("webhooks/1/test", {}),
        _ok({"result": {"success": True, "response_status": 200, "response_body": "hello"}}),
        _ok({"result": {"success": True, "response_status": 201}}),
    ),
)


def test_every_entry_has_an_example() -> None:
    assert set(EXAMPLES) == {entry.name for entry in TOLERATED}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_entry_claims_its_example(name: str) -> None:
    assert tolerated(*EXAMPLES[name]) == name


@pytest.mark.parametrize("number", range(len(NEIGHBOURS)))
def test_what_lies_beside_is_claimed_by_none(number: int) -> None:
    assert tolerated(*NEIGHBOURS[number]) is None


def test_a_sequence_ends_where_the_backends_part() -> None:
    operation, expected, got = EXAMPLES[REFUSED_IN_PART.name]
    assert parts(operation, expected, got)
    assert parts(*EXAMPLES["a body of wrong types is refused"])
    assert not parts(_post("runs/log-batch", {"run_id": "r"}), INVALID, INVALID)
    assert not parts(Operation("GET", f"{API}/runs/get"), CRASH, INVALID)


def test_every_entry_is_documented() -> None:
    text = COMPATIBILITY.read_text()
    for entry in TOLERATED:
        assert f"| {entry.name} | {entry.reason} |" in text
