"""What the UI asks for on every page, and its uploads, beside MLflow's own server."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cairn.protocol.messages.ui import Anything
from cairn.protocol.routes import Route
from cairn.protocol.ui_routes import UI_ROUTES
from tests.differential.cairn import Cairn, on_sqlite
from tests.differential.operations import Request
from tests.differential.reference import Mlflow, Moment, mlflow_backend

NOW = Moment(1_700_000_000_000, 5, "fox")
UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"
QUEUE = "/ajax-api/3.0/mlflow/review-queues/get-or-create-user"
RUN = f"{0:016x}{5:016x}"

OTHERWISE = {
    "POST /api/3.0/mlflow/ui-telemetry": "MLflow takes reports; the UI is told to stop here",
    "POST /api/3.0/mlflow/traces/metrics": "MLflow counts to 0; the UI draws an empty chart of either",
    "GET /api/2.0/mlflow/users/current": "only MLflow with accounts has it",
    "GET /api/3.0/mlflow/assistant/config": "in FastAPI, beside this application",
    "GET /api/3.0/mlflow/assistant/providers": "in FastAPI, beside this application",
    "GET /api/3.0/mlflow/mcp-servers": "in FastAPI, beside this application",
    "GET /api/3.0/mlflow/review-queues/list": 'MLflow adds an empty "next_page_token"',
    "GET /api/3.0/mlflow/label-schemas/list": 'MLflow adds an empty "next_page_token"',
}
ASKED: dict[str, Any] = {
    "/api/3.0/mlflow/traces/search": {"locations": [], "max_results": 5},
    "/api/3.0/mlflow/traces/metrics": {
        "experiment_ids": ["0"],
        "view_type": "TRACES",
        "metric_name": "trace_count",
        "aggregations": [{"aggregation_type": "COUNT"}],
    },
    "/api/3.0/mlflow/datasets/search": {"experiment_ids": ["0"]},
    "/api/3.0/mlflow/scorers/list": {"experiment_id": "0"},
    "/api/3.0/mlflow/scorers/online-configs": {"scorer_ids": "7"},
}


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mlflow, Cairn]]:
    with ExitStack() as stack:
        reference = mlflow_backend(tmp_path_factory.mktemp("mlflow"))
        cairn = stack.enter_context(on_sqlite(tmp_path_factory.mktemp("sqlite")))
        for backend in (reference, cairn):
            backend.reset(NOW.now)
            made = Request("POST", "/api/2.0/mlflow/runs/create", (), b'{"experiment_id": "0"}')
            assert backend.call(made, NOW).status == 200
        yield reference, cairn


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize(
    "route",
    [route for route in UI_ROUTES if route.request is Anything and named(route) not in OTHERWISE],
    ids=named,
)
def test_an_unused_feature_answers_as_mlflow_does(route: Route, backends: tuple[Mlflow, Cairn]) -> None:
    asked = ASKED.get(route.path, {})
    path = route.path.replace("/api/", "/ajax-api/")
    if route.method == "GET":
        request = Request("GET", path, tuple(asked.items()), None)
    else:
        request = Request("POST", path, (), json.dumps(asked).encode())
    theirs, ours = (backend.call(request, NOW) for backend in backends)
    assert (ours.status, json.loads(ours.body)) == (theirs.status, json.loads(theirs.body))
    assert ours.status == 200


@pytest.mark.parametrize("name", OTHERWISE)
def test_the_others_are_empty(name: str, backends: tuple[Mlflow, Cairn]) -> None:
    method, path = name.split()
    reply = backends[1].call(Request(method, path, (), b"{}" if method == "POST" else None), NOW)
    assert reply.status == 200
    answer = json.loads(reply.body)
    assert answer == {"status": "disabled"} or not any(answer.values())


@pytest.mark.parametrize(
    "asked",
    [
        {"experiment_id": "0", "user": " Default "},
        {"experiment_id": "0", "user": "ada"},
        {"experiment_id": "0"},
        {"user": "ada"},
        {"experiment_id": "99", "user": "ada"},
    ],
    ids=str,
)
def test_the_queue_of_a_users_reviews_is_mlflows_but_for_its_id_and_times(
    asked: dict[str, str], backends: tuple[Mlflow, Cairn]
) -> None:
    request = Request("POST", QUEUE, (), json.dumps(asked).encode())
    theirs, ours = (backend.call(request, NOW) for backend in backends)
    assert ours.status == theirs.status
    told, said = json.loads(theirs.body), json.loads(ours.body)
    if theirs.status == 200:
        told, said = told["review_queue"], said["review_queue"]
        assert told.keys() == said.keys()
        for own in ("queue_id", "creation_time_ms", "last_update_time_ms"):
            assert type(told.pop(own)) is type(said.pop(own))
        assert said == told
        again = json.loads(backends[1].call(request, NOW).body)
        assert again == json.loads(ours.body)
    else:
        assert said["error_code"] == told["error_code"]


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"path": "a.txt"}, b"x"),
        ({"run_uuid": RUN}, b"x"),
        ({"run_uuid": RUN, "path": "../a.txt"}, b"x"),
        ({"run_uuid": RUN, "path": "/a.txt"}, b"x"),
        ({"run_uuid": RUN, "path": "a.txt"}, b""),
        ({"run_uuid": RUN, "path": "a.txt"}, bytes(10 * 2**20 + 1)),
        ({"run_uuid": "0" * 32, "path": "a.txt"}, b"x"),
    ],
)
def test_an_upload_is_refused_as_mlflow_does(
    query: dict[str, str], body: bytes, backends: tuple[Mlflow, Cairn]
) -> None:
    theirs, ours = (
        backend.call(Request("POST", UPLOAD, tuple(query.items()), body), NOW) for backend in backends
    )
    told = json.loads(theirs.body)
    assert (ours.status, json.loads(ours.body)) == (
        theirs.status,
        {"error_code": told["error_code"], "message": told["message"]},
    )


def test_an_upload_is_an_artifact_of_its_run(backends: tuple[Mlflow, Cairn]) -> None:
    cairn = backends[1]
    query = {"run_uuid": RUN, "path": "eval/table.json"}
    assert cairn.call(Request("POST", UPLOAD, tuple(query.items()), b'{"a": 1}'), NOW).body == b"{}"
    assert cairn.call(Request("GET", "/get-artifact", tuple(query.items()), None), NOW).body == b'{"a": 1}'
