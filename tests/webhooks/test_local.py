"""A local server's webhooks: from a write to a signed request, with the local server's own threads."""

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature

from cairn.app import build_local, open_outbox
from cairn.http import App, handle
from cairn.local.hooks import delivering
from cairn.local.tell import telling
from tests.api.client import event
from tests.webhooks.receiver import URL, Receiver, status

API = "/api/2.0/mlflow"
EVENTS = [("REGISTERED_MODEL", "CREATED"), ("MODEL_VERSION_ALIAS", "CREATED")]


def call(app: App, method: str, path: str, body: object) -> Any:
    answer = handle(app, event(method, f"{API}/{path}", content=json.dumps(body)))
    assert isinstance(answer.body, bytes)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def until(found: Callable[[], bool]) -> None:
    last = time.monotonic() + 20
    while not found():
        assert time.monotonic() < last, "nothing came"
        time.sleep(0.02)


@pytest.fixture
def app(tmp_path: Path, there: Receiver) -> App:
    paths = [tmp_path / name for name in ("cairn.db", "artifacts", "blobs", "uploads")]
    return build_local(*paths, way=there.way())


def hook(app: App, **more: object) -> None:
    events = [{"entity": entity, "action": action} for entity, action in EVENTS]
    call(app, "POST", "webhooks", {"name": "deploy", "url": URL, "events": events, **more})


def test_an_alias_arrives_signed_and_a_fault_is_repeated(app: App, there: Receiver, tmp_path: Path) -> None:
    there.responds = [status(503), status(200)]
    hook(app, secret="whsec")
    call(app, "POST", "registered-models/create", {"name": "net"})
    version = {"name": "net", "source": "s3://bucket/model"}
    with (
        delivering(app.stores.webhooks, wait=lambda attempts, outcome: 0.01) as hear,
        telling(partial(open_outbox, tmp_path / "cairn.db"), tmp_path / "lock", None, len, hear),
    ):
        until(lambda: len(there.received) == 2)
        call(app, "POST", "model-versions/create", version)
        call(app, "POST", "registered-models/alias", {"name": "net", "alias": "champion", "version": "1"})
        until(lambda: len(there.received) == 3)
    failed, repeated, alias = there.received
    assert failed.headers["X-MLflow-Delivery-Id"] == repeated.headers["X-MLflow-Delivery-Id"]
    assert failed.body == repeated.body
    body = json.loads(alias.body)
    assert (body["entity"], body["action"]) == ("model_version_alias", "created")
    assert body["data"] == {"name": "net", "alias": "champion", "version": "1"}
    assert alias.headers["X-MLflow-Signature"] == _generate_hmac_signature(
        "whsec",
        alias.headers["X-MLflow-Delivery-Id"],
        alias.headers["X-MLflow-Timestamp"],
        alias.body.decode(),
    )


def test_a_receiver_that_stays_away_is_given_up(app: App, there: Receiver, tmp_path: Path) -> None:
    there.responds = [status(500)]
    hook(app)
    call(app, "POST", "registered-models/create", {"name": "net"})
    with (
        delivering(app.stores.webhooks, wait=lambda attempts, outcome: 0) as hear,
        telling(partial(open_outbox, tmp_path / "cairn.db"), tmp_path / "lock", None, len, hear),
    ):
        until(lambda: len(there.received) == 8)
        time.sleep(0.2)
    assert len(there.received) == 8
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("webhooks-")]


def test_the_end_does_not_wait_for_what_is_due_later(app: App, there: Receiver, tmp_path: Path) -> None:
    there.responds = [status(500)]
    hook(app)
    call(app, "POST", "registered-models/create", {"name": "net"})
    began = time.monotonic()
    with (
        delivering(app.stores.webhooks) as hear,
        telling(partial(open_outbox, tmp_path / "cairn.db"), tmp_path / "lock", None, len, hear),
    ):
        until(lambda: len(there.received) == 1)
    assert time.monotonic() - began < 5
