"""The queue of deliveries: what is put on it, what is repeated when, what ends among the dead letters."""

# ruff: noqa: N803 -- boto3's names

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from cairn.domain.webhooks import Webhook
from cairn.errors import TemporarilyUnavailable
from cairn.events import catalogue
from cairn.webhooks.deliver import Deliverer, Delivery, Outcome
from cairn.webhooks.queue import MAX_PAUSE_S, PAUSES_S, Courier, Dispatcher, Remote, pause
from tests.webhooks.receiver import Receiver, status
from tests.webhooks.test_deliver import HOOK, NOW, ONE, SECRET, Held
from tests.webhooks.test_hear import NET, envelope, hook

EVENT = envelope(catalogue.AliasSet(**NET, model_version=3, alias="champion"))
LISTENING = "model_version_alias.created"


class Sqs:
    """A queue as far as it is spoken to here. ``refuses``: how often each message is refused at first."""

    def __init__(self, refuses: int = 0) -> None:
        self.sent: list[tuple[str, str]] = []
        self.sizes: list[int] = []
        self.hidden: list[tuple[str, int]] = []
        self.refuses = refuses

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Mapping[str, Any]:
        self.sizes.append(len(Entries))
        refused = [Entries[-1]] if self.refuses else []
        self.refuses -= len(refused)
        self.sent += [(QueueUrl, entry["MessageBody"]) for entry in Entries if entry not in refused]
        return {"Failed": [{"Id": entry["Id"]} for entry in refused]}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> Mapping[str, Any]:
        self.sent.append((QueueUrl, MessageBody))
        return {}

    def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> object:
        self.hidden.append((ReceiptHandle, VisibilityTimeout))
        return {}


def dispatcher(webhooks: Iterable[Webhook], sqs: Sqs) -> Dispatcher:
    return Dispatcher(lambda: webhooks, sqs, "queue")


def record(body: str, received: int = 1) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(received)}
    return {"messageId": "m1", "receiptHandle": "handle", "body": body, "attributes": attributes}


def test_a_message_for_each_webhook_that_listens() -> None:
    sqs = Sqs()
    webhooks = [hook(number, LISTENING) for number in range(23)]
    assert dispatcher(webhooks, sqs).dispatch(EVENT) == 23
    assert sqs.sizes == [10, 10, 3]
    assert [Delivery.parse(text).webhook_id for _, text in sqs.sent] == [one.webhook_id for one in webhooks]
    assert dispatcher([], sqs).dispatch(EVENT) == 0


def test_large_messages_go_in_smaller_batches() -> None:
    sqs = Sqs()
    prompt = catalogue.RegisteredModelCreated(
        name="n", prompt=False, description="d" * 16_000, tags={"t": "x" * 90_000}
    )
    webhooks = [hook(number, "registered_model.created") for number in range(5)]
    assert dispatcher(webhooks, sqs).dispatch(envelope(prompt)) == 5
    assert sqs.sizes == [2, 2, 1]


def test_what_sqs_refuses_is_sent_again_alone() -> None:
    sqs = Sqs(refuses=2)
    assert dispatcher([hook(number, LISTENING) for number in range(3)], sqs).dispatch(EVENT) == 3
    assert sqs.sizes == [3, 1, 1]
    with pytest.raises(TemporarilyUnavailable):
        dispatcher([hook(1, LISTENING)], Sqs(refuses=3)).dispatch(EVENT)


def test_a_dispatch_that_was_cut_short_repeats_the_same_deliveries() -> None:
    webhooks = [hook(number, LISTENING) for number in range(12)]
    first, again = Sqs(refuses=3), Sqs()
    with pytest.raises(TemporarilyUnavailable):
        dispatcher(webhooks, first).dispatch(EVENT)
    dispatcher(webhooks, again).dispatch(EVENT)
    assert set(first.sent) < set(again.sent)


def courier(outcome: Outcome, sqs: Sqs) -> Courier:
    return Courier(lambda one: outcome, sqs, "queue", "dead", lambda bits: 128)


def test_what_was_delivered_leaves_the_queue() -> None:
    sqs = Sqs()
    assert courier(Outcome(200), sqs).take(record(ONE.message()))
    assert (sqs.sent, sqs.hidden) == ([], [])


@pytest.mark.parametrize(("received", "seconds"), [*enumerate(PAUSES_S, 1), (20, PAUSES_S[-1])])
def test_what_may_pass_is_hidden_for_longer_each_time(received: int, seconds: int) -> None:
    sqs = Sqs()
    failed = Outcome(503, "the receiver answered 503", repeat=True)
    assert not courier(failed, sqs).take(record(ONE.message(), received))
    assert (sqs.sent, sqs.hidden) == ([], [("handle", seconds)])


def test_pauses_are_spread_and_as_long_as_the_receiver_asks() -> None:
    failed = Outcome(429, "no", repeat=True)
    spread = iter((0, 128, 255))
    assert [pause(4, failed, lambda bits: next(spread)) for _ in range(3)] == [540, 600, 659]
    assert pause(1, Outcome(429, "no", repeat=True, wait=90), lambda bits: 128) == 90
    assert pause(1, Outcome(429, "no", repeat=True, wait=1), lambda bits: 128) == 5
    assert pause(1, Outcome(429, "no", repeat=True, wait=10**6), lambda bits: 128) == MAX_PAUSE_S
    assert sum(PAUSES_S) + len(PAUSES_S) * MAX_PAUSE_S < 14 * 86_400, "SQS keeps a message for two weeks"


def test_what_does_not_pass_goes_to_the_dead_letters() -> None:
    sqs = Sqs()
    assert courier(Outcome(404, "the receiver answered 404"), sqs).take(record(ONE.message()))
    assert courier(Outcome(200), sqs).take(record("no delivery"))
    assert sqs.sent == [("dead", ONE.message()), ("dead", "no delivery")]


def test_a_crash_after_the_delivery_delivers_again_under_the_same_id(there: Receiver) -> None:
    """The function dies before the queue hears of it: the message comes again."""
    there.responds = [status(200)]
    deliverer = Deliverer(there.way(), Held(**{HOOK.webhook_id: SECRET}), lambda: NOW)
    taking = Courier(deliverer.send, Sqs(), "queue", "dead", lambda bits: 128)
    for received in (1, 2):
        assert taking.take(record(ONE.message(), received))
    ids = {request.headers["X-MLflow-Delivery-Id"] for request in there.received}
    assert (len(there.received), ids) == (2, {ONE.delivery_id})


class Function:
    """The delivering function, invoked."""

    def __init__(self, outcome: Outcome, error: str | None = None) -> None:
        self.courier = courier(outcome, Sqs())
        self.error = error

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:
        assert FunctionName == "deliver"
        answer = self.courier.test(json.loads(Payload)["test"])
        found: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(answer).encode())}
        return found if self.error is None else {**found, "FunctionError": self.error}


@pytest.mark.parametrize("outcome", [Outcome(200), Outcome(404, "no"), Outcome(None, "no answer")])
def test_a_test_through_the_function(outcome: Outcome) -> None:
    assert Remote(Function(outcome), "deliver").send(ONE) == outcome
    assert Remote(Function(outcome, "Unhandled"), "deliver").send(ONE) == Outcome(
        error="the delivering function failed"
    )
