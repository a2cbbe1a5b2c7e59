"""A delivery: what is sent where, and one attempt at it, signed at that moment.

The id of a delivery is made of the event and the webhook: an event that is told twice, and an attempt that
is repeated, arrive under one id, by which the receiver tells them from new ones.
"""

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from cairn.domain.clock import Clock
from cairn.domain.webhooks import DELIVERY_ID, SIGNATURE, TIMESTAMP, Webhook, signature, target_of
from cairn.errors import InvalidParameterValue
from cairn.webhooks.post import Answer, Undelivered, Way, post

REPEATED = frozenset({429, 500, 502, 503, 504})
"""Statuses after which MLflow sends again (``status_forcelist`` in mlflow/webhooks/delivery.py)."""

_LOG = logging.getLogger(__name__)


class SecretMissing(Exception):
    """There is no secret under this webhook's id."""


class Secrets(Protocol):
    """Where secrets are read."""

    def get(self, webhook_id: str) -> str:
        """Raises SecretMissing."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """``payload`` is the body, to be written as JSON; ``signed``: with the secret of the webhook's id."""

    delivery_id: str
    webhook_id: str
    url: str
    signed: bool
    payload: Mapping[str, Any]

    def message(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, message: str) -> Self:
        """Raises ValueError for what is no delivery."""
        match json.loads(message):
            case {
                "delivery_id": str(delivery_id),
                "webhook_id": str(webhook_id),
                "url": str(url),
                "signed": bool(signed),
                "payload": dict(payload),
                **rest,
            } if not rest:
                return cls(delivery_id, webhook_id, url, signed, payload)
        raise ValueError("the message is no delivery")


def delivery(webhook: Webhook, event_id: str, payload: Mapping[str, Any]) -> Delivery:
    """The same event and webhook give the same id, in the form of MLflow's (a UUID)."""
    told = hashlib.sha256(f"{event_id}\0{webhook.webhook_id}".encode()).digest()
    delivery_id = str(uuid.UUID(bytes=told[:16], version=4))
    return Delivery(delivery_id, webhook.webhook_id, webhook.url, webhook.signed, payload)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attempt: a status, or why there is none. ``repeat``: another attempt may end otherwise, not
    before ``wait`` seconds where the receiver said so."""

    status: int | None = None
    error: str | None = None
    repeat: bool = False
    wait: int | None = None

    @property
    def success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


Send = Callable[[Delivery], Outcome]


class Deliverer:
    """Signs and sends. It never raises for what a receiver does."""

    def __init__(self, way: Way, secrets: Secrets, clock: Clock) -> None:
        self._way = way
        self._secrets = secrets
        self._clock = clock

    def send(self, one: Delivery) -> Outcome:
        """One attempt: 1 GetParameter where it is signed, 1 POST of five seconds at most.

        Without its secret nothing is sent: a receiver that checks no signature would take it.
        """
        outcome = self._send(one)
        told = {"webhook_id": one.webhook_id, "delivery_id": one.delivery_id, "status": outcome.status}
        if outcome.success:
            _LOG.info("delivered", extra=told)
        else:
            # Neither URL nor payload: the one may hold a token, the other is not the log's business.
            _LOG.warning("webhook %s was not delivered: %s", one.webhook_id, outcome.error, extra=told)
        return outcome

    def _send(self, one: Delivery) -> Outcome:
        try:
            target = target_of(one.url)
        except InvalidParameterValue:
            return Outcome(error="the URL is none that webhooks may have")
        body = json.dumps(one.payload)
        timestamp = str(self._clock() // 1000)
        headers = {
            "Content-Type": "application/json",
            DELIVERY_ID: one.delivery_id,
            TIMESTAMP: timestamp,
        }
        if one.signed:
            try:
                secret = self._secrets.get(one.webhook_id)
            except SecretMissing:
                return Outcome(error="the webhook's secret is gone")
            headers[SIGNATURE] = signature(secret, one.delivery_id, timestamp, body)
        try:
            return _outcome(post(self._way, target, headers, body.encode()))
        except Undelivered as fault:
            return Outcome(error=fault.reason, repeat=fault.repeat)


def _outcome(answer: Answer) -> Outcome:
    if 300 <= answer.status < 400:
        return Outcome(answer.status, "the receiver redirects, and redirects are not followed")
    if answer.status >= 400:
        error = f"the receiver answered {answer.status}"
        return Outcome(answer.status, error, answer.status in REPEATED, answer.retry_after)
    return Outcome(answer.status)
