"""The composition roots: a deployed function's and a local server's, on DynamoDB and S3."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from cairn.app import build, build_local_aws
from cairn.domain.access import DEPLOYMENT
from cairn.entrance import build_authorizer, build_doors
from cairn.http import App, handle, to_lambda
from cairn.settings import Settings
from cairn.sharing.authorizer import Refused
from tests.api.client import V2, event

SETTINGS = Settings.from_environment(
    {
        "CAIRN_TABLE": "runs",
        "CAIRN_BUCKET": "bytes",
        "AWS_REGION": "eu-west-1",
        "CAIRN_ACCOUNT": "123456789012",
    }
)
SIGNED = {"userArn": "arn:aws:iam::123456789012:user/ada"}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """A function's application, on the table and bucket that a local server made."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        build_local_aws(SETTINGS)
        build_local_aws(SETTINGS)  # what is there stays as it is
        yield build(SETTINGS)


def _send(app: App, request: dict[str, Any]) -> dict[str, Any]:
    return to_lambda(handle(app, request))


def test_a_function_serves_signed_callers_from_dynamodb_and_s3(deployed: App) -> None:
    request = event("GET", f"{V2}/experiments/get", query={"experiment_id": ["0"]}, identity=SIGNED)
    answer = _send(deployed, request)
    assert answer["statusCode"] == 200
    assert '"artifact_location":"s3://bytes/artifacts/0"' in answer["body"]
    request["requestContext"]["identity"] = {"user": "local:ada"}
    assert _send(deployed, request)["statusCode"] == 401


def test_a_function_lets_browsers_in_where_it_is_told_to(deployed: App) -> None:
    request = event("POST", "/api/3.0/cairn/sessions/code", content="{}", identity=SIGNED)
    assert _send(deployed, request)["statusCode"] == 404
    told = build(SETTINGS.model_copy(update={"ui": True}))
    assert json.loads(_send(told, request)["body"])["code"].startswith("cairn-code_")


def test_functions_know_the_distribution_that_the_deployer_named(deployed: App) -> None:
    cdn = "https://d111111abcdef8.cloudfront.net"
    settings = SETTINGS.model_copy(update={"ui": True, "ui_origin": cdn})
    request = event("POST", "/api/3.0/cairn/sessions/code", content="{}", identity=SIGNED)
    assert json.loads(_send(build(settings), request)["body"])["ui"] == f"{cdn}/ui"
    authorizer, doors = build_authorizer(settings), build_doors(settings, b"")
    for origin, denied in ((cdn, False), ("https://evil.example", True)):
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
        asked = {
            "httpMethod": "POST",
            "path": "/ui/session/close",
            "resource": "/ui/session/{action}",
            "pathParameters": {"action": "close"},
            "headers": {**headers, "Cookie": "__Host-cairn=nobody's"},
            "requestContext": {"domainName": "abc123.execute-api.eu-west-1.amazonaws.com"},
        }
        assert doors.answer(asked)["statusCode"] == (403 if denied else 200)
        question = {**asked, "type": "REQUEST", "methodArn": "arn"}
        if denied:
            assert authorizer.answer(question)["principalId"] == "another site"
        else:
            with pytest.raises(Refused):
                authorizer.answer(question)


def test_a_function_announces_parts_and_presigned_urls(deployed: App) -> None:
    answer = _send(deployed, event("GET", "/api/3.0/mlflow/server-info", identity={}))
    assert '"multipart_uploads_enabled":true' in answer["body"]


def test_a_function_says_where_artifacts_lie(deployed: App) -> None:
    """The client's plugin asks, to tell this server's bucket from any other."""
    answer = _send(deployed, event("GET", "/api/3.0/mlflow/server-info", identity={}))
    root = json.loads(answer["body"])["cairn_artifact_root"]
    assert deployed.stores.scoped(DEPLOYMENT).experiments.get("0").artifact_location.startswith(f"{root}/")


def test_a_function_carries_no_large_file(deployed: App) -> None:
    request = event("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/a.bin", identity=SIGNED)
    request["body"] = "x" * 4_600_000
    assert _send(deployed, request)["statusCode"] == 413
    request["body"] = "x" * 1_000
    assert _send(deployed, request)["statusCode"] == 200
