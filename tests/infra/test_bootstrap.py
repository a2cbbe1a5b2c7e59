"""The function that CloudFormation calls at deploy: it always answers, and makes the experiment once."""

import importlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

CONTEXT = SimpleNamespace(
    function_name="bootstrap",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:111111111111:function:bootstrap",
    aws_request_id="request",
    log_stream_name="stream-1",
)


@pytest.fixture
def answers() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A ResponseURL, and what was put there."""
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(body | {"Content-Type": self.headers["Content-Type"]})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/answer?signature=x", received
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("CAIRN_TABLE", "CAIRN_BUCKET", "AWS_REGION", "POWERTOOLS_SERVICE_NAME"):
        monkeypatch.setenv(name, "us-east-1")
    return importlib.import_module("functions.bootstrap.handler")


def event(kind: str, url: str, **more: str) -> dict[str, Any]:
    ids = {"StackId": "stack", "RequestId": "1", "LogicalResourceId": "DefaultExperiment"}
    return {"RequestType": kind, "ResponseURL": url, **ids, **more}


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_deployment_makes_the_experiment_and_says_so(
    kind: str,
    bootstrap: ModuleType,
    answers: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []
    monkeypatch.setattr(bootstrap, "build", lambda settings: settings.table)
    monkeypatch.setattr(bootstrap, "ensure_default", made.append)
    url, received = answers
    bootstrap.handler(event(kind, url, PhysicalResourceId="default-experiment"), CONTEXT)
    assert made == ["us-east-1"]
    (answer,) = received
    assert answer == {
        "Status": "SUCCESS",
        "Reason": "The experiment is there.",
        "StackId": "stack",
        "RequestId": "1",
        "LogicalResourceId": "DefaultExperiment",
        "PhysicalResourceId": "default-experiment",
        "Content-Type": "",
    }


def test_a_failure_fails_the_deployment_and_names_the_log(
    bootstrap: ModuleType,
    answers: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(app: object) -> None:
        raise PermissionError("not authorized to perform: dynamodb:PutItem")

    monkeypatch.setattr(bootstrap, "build", lambda settings: None)
    monkeypatch.setattr(bootstrap, "ensure_default", denied)
    url, received = answers
    bootstrap.handler(event("Create", url), CONTEXT)
    (answer,) = received
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == (
        "PermissionError: not authorized to perform: dynamodb:PutItem; see the log stream stream-1"
    )


def test_a_deletion_touches_no_data(
    bootstrap: ModuleType,
    answers: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("the data outlives the API's stack")

    monkeypatch.setattr(bootstrap, "build", never)
    monkeypatch.setattr(bootstrap, "ensure_default", never)
    url, received = answers
    bootstrap.handler(event("Delete", url, PhysicalResourceId="kept-id"), CONTEXT)
    assert [(a["Status"], a["PhysicalResourceId"]) for a in received] == [("SUCCESS", "kept-id")]
