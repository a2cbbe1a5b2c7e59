"""The functions and the stores of AWS, on moto: a secret's parameter, an event's way through the queue."""

import importlib
import io
import json
import logging
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cairn import app
from cairn.http import App, handle
from cairn.settings import Settings
from cairn.sharing.authorize import everything
from cairn.sharing.fronts import local_front
from cairn.storage.dynamodb import create_table
from cairn.webhooks.deliver import SecretMissing
from cairn.webhooks.secrets import ParameterSecrets
from tests.api.client import event
from tests.upkeep.test_handlers import Context
from tests.webhooks.receiver import PUBLIC, URL, Receiver, status
from tests.webhooks.test_hear import CASES, envelope

REGION = "us-east-1"
SECRET = "whsec-do-not-tell"
HOOK_ID = "0b1c2d3e-0000-4000-8000-000000000001"
ALIAS = next(happening for happening, name, _ in CASES if name == "model_version_alias.created")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Queues, a table, and the environment of a deployed function."""
    with mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        sqs = boto3.client("sqs", region_name=REGION)
        create_table(boto3.client("dynamodb", region_name=REGION), "cairn")
        variables = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "CAIRN_TABLE": "cairn",
            "CAIRN_BUCKET": "bucket",
            "CAIRN_SECRETS_PATH": "/cairn/test/webhooks",
            "CAIRN_DELIVER_FUNCTION": "deliver",
            "CAIRN_DELIVERIES": sqs.create_queue(QueueName="deliveries")["QueueUrl"],
            "CAIRN_DELIVERIES_FAILED": sqs.create_queue(QueueName="failed")["QueueUrl"],
            "POWERTOOLS_SERVICE_NAME": "test",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield variables


def function(name: str) -> ModuleType:
    return importlib.reload(importlib.import_module(f"functions.{name}.handler"))


def received(queue: str) -> list[dict[str, Any]]:
    """The queue's messages as Lambda gives them to a function."""
    sqs = boto3.client("sqs", region_name=REGION)
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])
    return [
        {
            "messageId": one["MessageId"],
            "receiptHandle": one["ReceiptHandle"],
            "body": one["Body"],
            "attributes": one["Attributes"],
        }
        for one in found.get("Messages", ())
    ]


def deployed() -> App:
    """The API's function, for a local caller."""
    made = app.build(Settings.from_environment())
    return App(made.stores, local_front, everything, max_body=made.max_body)


def hook(api: App, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("cairn.webhooks.post.resolve", lambda host: [PUBLIC])
    events = [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}]
    body = {"name": "deploy", "url": URL, "events": events, "secret": SECRET}
    answer = handle(api, event("POST", "/api/2.0/mlflow/webhooks", content=json.dumps(body)))
    assert isinstance(answer.body, bytes)
    assert answer.status == 200, answer.body
    made: str = json.loads(answer.body)["webhook"]["webhook_id"]
    return made


def test_a_secret_is_a_secure_string(aws: dict[str, str]) -> None:
    ssm = boto3.client("ssm", region_name=REGION)
    secrets = ParameterSecrets(ssm, "/cairn/test/webhooks/")
    secrets.put(HOOK_ID, SECRET)
    secrets.put(HOOK_ID, SECRET + "2")
    assert secrets.get(HOOK_ID) == SECRET + "2"
    (found,) = ssm.describe_parameters()["Parameters"]
    assert (found["Name"], found["Type"]) == (f"/cairn/test/webhooks/{HOOK_ID}", "SecureString")
    assert found["KeyId"] == "alias/aws/ssm"
    ParameterSecrets(ssm, "/cairn/test/webhooks", "arn:key").put(HOOK_ID, SECRET)
    assert ssm.describe_parameters()["Parameters"][0]["KeyId"] == "arn:key"
    secrets.delete(HOOK_ID)
    secrets.delete(HOOK_ID)
    for name in (HOOK_ID, "../other", ""):
        with pytest.raises(SecretMissing):
            secrets.get(name)


def test_from_an_event_to_a_signed_request(
    aws: dict[str, str],
    there: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    made = hook(deployed(), monkeypatch)
    function("webhooks").handler(envelope(ALIAS), Context())
    (record,) = received(aws["CAIRN_DELIVERIES"])
    there.responds = [status(503), status(200), status(404)]
    monkeypatch.setattr(app, "_way", there.way)
    deliver = function("deliver")
    assert deliver.handler({"Records": [record]}, Context()) == {
        "batchItemFailures": [{"itemIdentifier": record["messageId"]}]
    }
    assert received(aws["CAIRN_DELIVERIES"]) == [], "hidden for a while"
    for _ in range(2):
        assert deliver.handler({"Records": [record]}, Context()) == {"batchItemFailures": []}
    assert [one["body"] for one in received(aws["CAIRN_DELIVERIES_FAILED"])] == [record["body"]]
    assert len({request.headers["X-MLflow-Delivery-Id"] for request in there.received}) == 1
    assert all("X-MLflow-Signature" in request.headers for request in there.received)
    logged = capsys.readouterr().out + "\n".join(str(vars(one)) for one in caplog.records)
    assert made in logged
    table = boto3.client("dynamodb", region_name=REGION).scan(TableName="cairn")["Items"]
    for place in (logged, record["body"], str(table)):
        assert SECRET not in place


def test_a_test_invokes_the_function_that_delivers(
    aws: dict[str, str], there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = deployed()
    made = hook(api, monkeypatch)
    monkeypatch.setattr(app, "_way", there.way)
    deliver = function("deliver")
    invoked: list[str] = []

    class Lambda:
        def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
            invoked.append(FunctionName)
            answer = deliver.handler(json.loads(Payload), Context())
            return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    client = boto3.client

    def made_client(name: str, **more: Any) -> Any:
        return Lambda() if name == "lambda" else client(name, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(boto3, "client", made_client)
    answer = handle(api, event("POST", f"/api/2.0/mlflow/webhooks/{made}/test", content="{}"))
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {"result": {"success": True, "response_status": 200}}
    assert invoked == ["deliver"]
    assert len(there.received) == 1
