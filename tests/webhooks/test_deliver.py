"""A delivery: its message, its signature, and what becomes of an answer."""

import json
import logging
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities.webhook import VALID_ENTITY_ACTIONS, WebhookAction, WebhookEntity
from mlflow.webhooks import constants
from mlflow.webhooks.delivery import _generate_hmac_signature
from mlflow.webhooks.types import EVENT_TO_PAYLOAD_CLASS

from cairn.domain import webhooks as domain
from cairn.domain.webhooks import EXAMPLES, Webhook, WebhookEvent, payload, signature
from cairn.webhooks.deliver import Deliverer, Delivery, SecretMissing, delivery
from tests.webhooks.receiver import URL, Receiver, Respond, say, status

SECRET = "whsec-do-not-tell"
NOW = 1_700_000_000_123
ALIAS = WebhookEvent("model_version_alias", "created")
HOOK = Webhook("0b1c2d3e-0000-4000-8000-000000000001", "deploy", URL, (ALIAS,), "ACTIVE", 1, 1, signed=True)
ONE = delivery(HOOK, "event-1", payload(ALIAS, EXAMPLES[ALIAS], NOW - 5_000))


class Held:
    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets

    def get(self, webhook_id: str) -> str:
        try:
            return self.secrets[webhook_id]
        except KeyError:
            raise SecretMissing(webhook_id) from None


def deliverer(there: Receiver) -> Deliverer:
    return Deliverer(there.way(), Held(**{HOOK.webhook_id: SECRET}), lambda: NOW)


@given(st.text(min_size=1), st.text(), st.integers(0, 2**40), st.text())
def test_the_signature_is_mlflows(secret: str, delivery_id: str, time: int, body: str) -> None:
    with_mlflow = _generate_hmac_signature(secret, delivery_id, str(time), body)
    assert signature(secret, delivery_id, str(time), body) == with_mlflow


def test_headers_and_events_are_mlflows() -> None:
    assert domain.SIGNATURE == constants.WEBHOOK_SIGNATURE_HEADER
    assert domain.TIMESTAMP == constants.WEBHOOK_TIMESTAMP_HEADER
    assert domain.DELIVERY_ID == constants.WEBHOOK_DELIVERY_ID_HEADER
    theirs = {
        (entity.value, action.value) for entity, some in VALID_ENTITY_ACTIONS.items() for action in some
    }
    assert theirs == set(EXAMPLES)


@pytest.mark.parametrize("event", EXAMPLES, ids=str)
def test_an_example_is_mlflows(event: WebhookEvent) -> None:
    kind: Any = EVENT_TO_PAYLOAD_CLASS[(WebhookEntity(event.entity), WebhookAction(event.action))]
    assert EXAMPLES[event] == kind.example()


def test_what_arrives(there: Receiver) -> None:
    outcome = deliverer(there).send(ONE)
    assert outcome.success
    assert (outcome.status, outcome.error, outcome.repeat) == (200, None, False)
    (request,) = there.received
    body = json.loads(request.body)
    assert (body["entity"], body["action"], body["data"]) == (*ALIAS, EXAMPLES[ALIAS])
    assert datetime.fromisoformat(body["timestamp"]).timestamp() * 1000 == NOW - 5_000
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-MLflow-Delivery-Id"] == ONE.delivery_id
    assert request.headers["X-MLflow-Timestamp"] == "1700000000"
    assert request.headers["X-MLflow-Signature"] == _generate_hmac_signature(
        SECRET, ONE.delivery_id, "1700000000", request.body.decode()
    )


def test_without_a_secret_there_is_no_signature(there: Receiver) -> None:
    plain = Delivery(ONE.delivery_id, "another", URL, False, {})
    assert deliverer(there).send(plain).success
    assert "X-MLflow-Signature" not in there.received[0].headers


def test_without_its_secret_nothing_is_sent(there: Receiver) -> None:
    outcome = deliverer(there).send(Delivery(ONE.delivery_id, "another", URL, True, {}))
    assert (outcome.success, outcome.repeat) == (False, False)
    assert there.connected == []


@pytest.mark.parametrize(
    ("respond", "success", "repeat", "wait"),
    [
        (status(200), True, False, None),
        (status(204), True, False, None),
        (status(301, "Location: https://elsewhere/"), False, False, None),
        (status(400), False, False, None),
        (status(404), False, False, None),
        (status(410), False, False, None),
        (status(429, "Retry-After: 60"), False, True, 60),
        (status(500), False, True, None),
        (status(501), False, False, None),
        (status(502), False, True, None),
        (status(503), False, True, None),
        (status(504), False, True, None),
        (say("nonsense"), False, True, None),
    ],
)
def test_outcomes(there: Receiver, respond: Respond, success: bool, repeat: bool, wait: int | None) -> None:
    there.responds = [respond]
    outcome = deliverer(there).send(ONE)
    assert (outcome.success, outcome.repeat, outcome.wait) == (success, repeat, wait)
    assert success == (outcome.error is None)


def test_a_url_is_looked_at_once_more(there: Receiver) -> None:
    for url in ("http://localhost/", "https://localhost:8443/", "https://a@localhost/"):
        outcome = deliverer(there).send(Delivery("id", HOOK.webhook_id, url, False, {}))
        assert (outcome.success, outcome.repeat) == (False, False)
    assert there.connected == []


def test_the_same_event_has_the_same_id_for_one_webhook() -> None:
    again = delivery(HOOK, "event-1", {})
    other = Webhook("other", "deploy", URL, (ALIAS,), "ACTIVE", 1, 1)
    assert again.delivery_id == ONE.delivery_id
    assert (
        len(
            {
                ONE.delivery_id,
                delivery(HOOK, "event-2", {}).delivery_id,
                delivery(other, "event-1", {}).delivery_id,
            }
        )
        == 3
    )


def test_a_message_comes_back_and_holds_no_secret() -> None:
    assert Delivery.parse(ONE.message()) == ONE
    assert SECRET not in ONE.message()


@pytest.mark.parametrize(
    "message", ["{}", "[]", "null", '{"delivery_id": 1}', ONE.message()[:-1] + ', "more": 1}']
)
def test_what_is_no_delivery(message: str) -> None:
    with pytest.raises(ValueError, match="no delivery"):
        Delivery.parse(message)


def test_neither_secret_nor_url_nor_payload_is_logged(
    there: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    there.responds = [status(200), status(500), say("no")]
    for _ in range(3):
        deliverer(there).send(ONE)
    told = "\n".join(str(vars(record)) for record in caplog.records)
    assert ONE.delivery_id in told
    assert f"webhook {ONE.webhook_id} was not delivered: " in caplog.text
    for hidden in (SECRET, "team=ml", "example_alias", "body"):
        assert hidden not in told.replace("got", "")
