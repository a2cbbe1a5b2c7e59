"""The HTTP edge: routes, callers, bodies, answers, and what goes wrong beyond a use-case."""

import base64
import gzip
import io
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import pytest

from cairn import http
from cairn.domain.entities import Experiment
from cairn.http import Answer, handle, raw_methods, to_lambda
from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import served_paths
from cairn.services import server
from cairn.sharing.fronts import deployed_front
from cairn.storage.experiments import Experiments
from tests.api.client import JSON, V2, Client, event


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("GET", f"{V2}/experiments/nowhere"),
        ("GET", "/api/3.0/mlflow/experiments/get"),
        ("PUT", f"{V2}/experiments/get"),
        ("GET", f"{V2}/experiments/get/"),
        ("GET", ""),
        ("BREW", "/health"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/"),
    ],
)
def test_an_unknown_endpoint_has_the_code_that_clients_fall_back_on(
    client: Client, method: str, path: str
) -> None:
    assert client.send(event(method, path)).error == (404, "ENDPOINT_NOT_FOUND")


def test_every_api_route_is_served_for_browsers_too() -> None:
    for route in ROUTES:
        concrete = route.path.replace("{", "").replace("+}", "").replace("}", "")
        for path in served_paths(replace(route, path=concrete)):
            assert route.method in raw_methods(path), path


def test_only_uploads_have_bodies_of_bytes() -> None:
    raw = {(r.method, r.path) for r in ROUTES if r.has_raw_body}
    assert raw == {
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/{artifact_path+}"),
        ("POST", "/api/2.0/mlflow/upload-artifact"),
    }


def test_health_version_and_server_info_are_for_anyone(client: Client) -> None:
    for path, content in (("/health", b"OK"), ("/version", b"3.17.2")):
        reply = client.send(event("GET", path, identity={}, headers={}))
        assert (reply.status, reply.content) == (200, content)
        assert reply.headers["Content-Type"].startswith("text/plain")
    for prefix in ("api", "ajax-api"):
        reply = client.send(event("GET", f"/{prefix}/3.0/mlflow/server-info", identity={}))
        assert reply.json == server.info(multipart=False)
    assert version("mlflow") == server.MLFLOW_VERSION


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"user": ""},
        {"user": "local:"},
        {"user": "ada"},
        {"user": None},
        {"user": 5},
        {"userArn": "arn:aws:iam::123456789012:user/ada"},
    ],
)
def test_a_local_server_knows_only_its_own_user(client: Client, identity: Mapping[str, object]) -> None:
    request = event("GET", f"{V2}/experiments/get", query={"experiment_id": ["0"]}, identity=identity)
    assert client.send(request).error == (401, "UNAUTHENTICATED")


def test_a_local_name_is_nobody_in_aws(client: Client) -> None:
    app = replace(client.app, front_of=deployed_front)
    request = event("GET", f"{V2}/experiments/get", query={"experiment_id": ["0"]})
    assert handle(app, request).status == 401
    request["requestContext"]["identity"] = {"userArn": "arn:aws:iam::123456789012:user/team/ada"}
    assert handle(app, request).status == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Bad Request. Content-Type header is missing."),
        (
            {"Content-Type": ["text/plain"]},
            "Bad Request. Content-Type must be one of ['application/json'].",
        ),
    ],
)
def test_a_post_has_mlflows_content_type(
    client: Client, headers: Mapping[str, list[str]], message: str
) -> None:
    refused = client.post("experiments/create", {"name": "a"}, headers=headers)
    assert refused.error == (400, "INVALID_PARAMETER_VALUE")
    assert refused.json["message"] == message


def test_a_content_type_may_have_parameters(client: Client) -> None:
    headers = {"content-type": ["application/json; charset=utf-8"]}
    assert client.post("experiments/create", {"name": "a"}, headers=headers).status == 200


def test_a_body_may_be_encoded_twice_or_as_base64(client: Client) -> None:
    twice = json.dumps(json.dumps({"name": "twice"}))
    assert client.post("experiments/create", twice).status == 200
    request = event("POST", f"{V2}/experiments/create")
    request["body"] = base64.b64encode(b'{"name": "base64"}').decode()
    request["isBase64Encoded"] = True
    assert client.send(request).status == 200
    request["body"] = "no base64!"
    assert client.send(request).error == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    "content",
    ["{", "nope", "[]", "5", '"x"', '{"name": "\\ud800"}', "\ud800", '{"name": 1}{}', "[" * 10_000],
)
def test_a_body_that_is_no_message_is_refused(client: Client, content: str) -> None:
    before = client.dump()
    assert client.post("experiments/create", content).error == (400, "INVALID_PARAMETER_VALUE")
    assert client.dump() == before


def test_one_field_in_two_spellings_is_refused(client: Client) -> None:
    refused = client.post("experiments/delete", {"experiment_id": "1", "experimentId": "2"})
    assert refused.error == (400, "INVALID_PARAMETER_VALUE")
    assert refused.json["message"] == (
        "Request specifies both 'experiment_id' and 'experimentId'; provide only one of them."
    )


def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(client: Client) -> None:
    app = replace(client.app, max_body=1_000)
    large = event("POST", f"{V2}/experiments/create", content=json.dumps({"name": "x" * 1_000}))
    assert handle(app, large).status == 413
    stream = io.BytesIO(b" " * 10_000)
    refused = handle(app, event("POST", f"{V2}/experiments/create"), stream)
    assert refused.status == 413
    assert json.loads(bytes(refused.body))["error_code"] == "BAD_REQUEST"  # type: ignore[arg-type]
    assert stream.tell() == 1_001


def _with_large_answer(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    experiment = Experiment("0", "Default", "s3://b/0", "active", 1, 1, {"note": '"' * 50_000})
    monkeypatch.setattr(Experiments, "get", lambda self, experiment_id: experiment)
    return event("GET", f"{V2}/experiments/get", query={"experiment_id": ["0"]}, headers={})


def test_an_answer_over_the_limit_is_compressed_for_who_takes_that(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = _with_large_answer(monkeypatch)
    request["multiValueHeaders"] = {"Accept-Encoding": ["gzip, deflate"]}
    answer = handle(replace(client.app, max_answer=100_000), request)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert isinstance(answer.body, bytes)
    assert len(json.loads(gzip.decompress(answer.body))["experiment"]["tags"][0]["value"]) == 50_000
    assert to_lambda(answer)["isBase64Encoded"] is True


def test_an_answer_over_the_limit_is_a_clear_refusal_otherwise(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = _with_large_answer(monkeypatch)
    answer = handle(replace(client.app, max_answer=100_000), request)
    assert answer.status == 400
    assert b"Ask for less at once" in bytes(answer.body)  # type: ignore[arg-type]
    assert handle(client.app, request).status == 200, "no limit, no refusal"


def test_the_unexpected_is_an_internal_error_that_tells_only_its_id(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(Experiments, "get", broken)
    with caplog.at_level(logging.ERROR, logger=http.__name__):
        failed = client.get("experiments/get", experiment_id="0")
    assert failed.error == (500, "INTERNAL_ERROR")
    assert "request-1" in failed.json["message"]
    assert "swordfish" not in failed.json["message"]
    (record,) = caplog.records
    assert record.exc_info is not None
    assert vars(record)["request_id"] == "request-1"


@pytest.mark.parametrize("broken", [{}, {"httpMethod": "GET"}, {"httpMethod": "GET", "path": None}])
def test_an_event_of_another_kind_is_answered_too(client: Client, broken: dict[str, Any]) -> None:
    assert client.send(broken).error == (500, "INTERNAL_ERROR")


def test_a_lambda_answer_is_text_or_base64() -> None:
    assert to_lambda(Answer(200, {"Content-Type": "application/json"}, b"{}")) == {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": "{}",
        "isBase64Encoded": False,
    }
    streamed = to_lambda(Answer(200, {"Content-Type": "text/plain"}, iter([b"\xff", b"\x00"])))
    assert (streamed["body"], streamed["isBase64Encoded"]) == ("/wA=", True)


def test_an_idempotency_key_makes_a_create_happen_once(client: Client) -> None:
    experiment_id = client.experiment()
    headers = {**JSON, "Idempotency-Key": ["training-7"]}
    first = client.post("runs/create", {"experiment_id": experiment_id}, headers=headers).json
    again = client.post("runs/create", {"experiment_id": experiment_id}, headers=headers).json
    other = client.post("runs/create", {"experiment_id": experiment_id}, headers=JSON).json
    assert first == again
    assert other["run"]["info"]["run_id"] != first["run"]["info"]["run_id"]


def test_a_bodys_own_idempotency_key_counts_for_nothing(client: Client) -> None:
    body = {"experiment_id": client.experiment(), "idempotency_key": "k", "idempotencyKey": "k"}
    assert client.post("runs/create", body).status == 400, "two spellings"
    del body["idempotencyKey"]
    first, again = (client.post("runs/create", body).json["run"]["info"]["run_id"] for _ in range(2))
    assert first != again


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "ключ"])
def test_an_idempotency_key_is_short_plain_text(client: Client, key: str) -> None:
    headers = {**JSON, "Idempotency-Key": [key]}
    refused = client.post("experiments/create", {"name": "a"}, headers=headers)
    assert refused.error == (400, "INVALID_PARAMETER_VALUE")


def test_a_query_may_come_with_single_values_only(client: Client) -> None:
    request = event("GET", f"{V2}/experiments/get")
    request["queryStringParameters"] = {"experiment_id": "0"}
    assert client.send(request).status == 200


def test_what_the_path_says_holds(client: Client) -> None:
    model_id = client.model(client.experiment())
    request = event(
        "PATCH",
        f"{V2}/logged-models/{model_id}",
        content=json.dumps({"model_id": "m-another", "status": "LOGGED_MODEL_READY"}),
    )
    assert client.send(request).error == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/runs%2Fdelete"),
        ("POST", "/api/2.0/mlflow/runs/%64elete"),
        ("POST", "/ajax%2Dapi/2.0/mlflow/runs/delete"),
        ("PATCH", "/api/2.0/mlflow/logged-models/m-1%2Ftags"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifact%73/x"),
    ],
)
def test_a_route_is_spelled_as_it_is(client: Client, method: str, path: str) -> None:
    """An identity policy denies a path as it is sent."""
    assert client.send(event(method, path, content="{}")).error == (404, "ENDPOINT_NOT_FOUND")


def test_what_a_client_names_in_a_path_may_be_encoded(client: Client) -> None:
    stored = "/api/2.0/mlflow-artifacts/artifacts/a%20b/%63"
    assert client.send(event("PUT", stored, content="x", headers={})).status == 200
    assert client.send(event("GET", stored.replace("%63", "c"), headers={})).content == b"x"
