"""Deliveries and the SQS queue that carries and repeats them.

``Dispatcher`` puts a delivery on the queue for each webhook that listens to an event, ``Courier`` takes one
off and sends it. What fails in a way that may pass is left to the queue, which shows it again after a pause
that grows; what failed for good, or often enough, goes to the dead letters. A standard queue: a delivery
may come twice, under its one id.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from cairn.domain.webhooks import Webhook
from cairn.errors import TemporarilyUnavailable
from cairn.ids import RandomBits
from cairn.webhooks.deliver import Delivery, Outcome, Send
from cairn.webhooks.hear import deliveries

PAUSES_S = (5, 30, 120, 600, 1_800, 3_600, 7_200)
"""Seconds between attempts: eight of them within four hours. MLflow's three repeats come within 7 s, from a
thread that its server's end ends; these outlast a receiver's deployment."""
MAX_PAUSE_S = 10_800
"""What Retry-After may ask for at most; SQS hides a message for 12 hours in all."""

_BATCH = 10
_BATCH_BYTES = 240 * 1024
"""SQS took 256 KB a request for years, and emulators do; an event alone has that much at most."""
_ATTEMPTS = 3
_LOG = logging.getLogger(__name__)


class Sqs(Protocol):
    """Of boto3's SQS client, what is used here."""

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Mapping[str, Any]: ...  # noqa: N803
    def send_message(self, *, QueueUrl: str, MessageBody: str) -> Mapping[str, Any]: ...  # noqa: N803
    def change_message_visibility(
        self,
        *,
        QueueUrl: str,  # noqa: N803 -- boto3's names
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> object: ...


class Dispatcher:
    """``webhooks`` lists all of the deployment's."""

    def __init__(self, webhooks: Callable[[], Iterable[Webhook]], sqs: Sqs, queue: str) -> None:
        self._webhooks = webhooks
        self._sqs = sqs
        self._queue = queue

    def dispatch(self, envelope: Mapping[str, Any]) -> int:
        """How many deliveries of an event were put on the queue: 1 Query, 1 SendMessageBatch per 10.

        Raises TemporarilyUnavailable where SQS took some of them three times in vain. Who repeats the event
        then sends some of them twice, under the same ids.
        """
        messages = [one.message() for one in deliveries(envelope, self._webhooks())]
        for batch in _batches(messages):
            self._send([{"Id": str(n), "MessageBody": text} for n, text in enumerate(batch)])
        return len(messages)

    def _send(self, entries: list[Mapping[str, Any]]) -> None:
        for _ in range(_ATTEMPTS):
            answer = self._sqs.send_message_batch(QueueUrl=self._queue, Entries=entries)
            failed = {failure["Id"] for failure in answer.get("Failed", ())}
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                return
        raise TemporarilyUnavailable(f"The queue did not take {len(entries)} deliveries.")


def _batches(messages: Iterable[str]) -> Iterable[list[str]]:
    batch: list[str] = []
    size = 0
    for message in messages:
        length = len(message.encode())
        if batch and (len(batch) == _BATCH or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch


class Courier:
    """Sends what the queue gives, by ``send``."""

    def __init__(self, send: Send, sqs: Sqs, queue: str, dead_letters: str, bits: RandomBits) -> None:
        self._send = send
        self._sqs = sqs
        self._queue = queue
        self._dead_letters = dead_letters
        self._bits = bits

    def take(self, record: Mapping[str, Any]) -> bool:
        """Try to deliver a record of an SQS event. True where it is done with and may leave the queue:
        delivered, or put among the dead letters. False: the queue shows it again.

        1 ChangeMessageVisibility after a fault that may pass, 1 SendMessage after one that does not.
        """
        try:
            one = Delivery.parse(record["body"])
        except ValueError:
            _LOG.error("a message that is no delivery", extra={"message_id": record["messageId"]})
            return self._bury(record["body"])
        outcome = self._send(one)
        if outcome.success:
            return True
        if not outcome.repeat:
            return self._bury(record["body"])
        self._sqs.change_message_visibility(
            QueueUrl=self._queue,
            ReceiptHandle=record["receiptHandle"],
            VisibilityTimeout=pause(
                int(record["attributes"]["ApproximateReceiveCount"]), outcome, self._bits
            ),
        )
        return False

    def test(self, message: str) -> dict[str, Any]:
        """One attempt for who waits for it; its outcome as ``Remote`` reads it."""
        outcome = self._send(Delivery.parse(message))
        return {"status": outcome.status, "error": outcome.error}

    def _bury(self, body: str) -> bool:
        self._sqs.send_message(QueueUrl=self._dead_letters, MessageBody=body)
        return True


def pause(attempts: int, outcome: Outcome, bits: RandomBits) -> int:
    """Seconds until the next attempt, after so many: as long as the receiver asks, else a growing pause,
    give or take a tenth, so that what failed together does not come back together."""
    usual = PAUSES_S[min(max(attempts, 1), len(PAUSES_S)) - 1]
    spread = usual * (bits(8) - 128) // 1280
    return max(usual + spread, min(outcome.wait or 0, MAX_PAUSE_S))


class Invoke(Protocol):
    """Of boto3's Lambda client, what is used here."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]: ...  # noqa: N803


class Remote:
    """Sends through the delivering function, and waits for what it says."""

    def __init__(self, client: Invoke, function: str) -> None:
        self._client = client
        self._function = function

    def send(self, one: Delivery) -> Outcome:
        """1 Invoke, ten seconds at most. A function that fails is an outcome too: its own log says why."""
        answer = self._client.invoke(
            FunctionName=self._function, Payload=json.dumps({"test": one.message()}).encode()
        )
        if "FunctionError" in answer:
            return Outcome(error="the delivering function failed")
        said = json.loads(answer["Payload"].read())
        return Outcome(said["status"], said["error"])
