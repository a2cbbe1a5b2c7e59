"""Webhooks as MLflow's response messages (see ``render``). A secret is never among what is answered."""

from collections.abc import Iterable
from typing import Protocol

from cairn.domain.webhooks import Webhook
from cairn.protocol.render import Json, page


class Attempt(Protocol):
    """What came of one delivery."""

    @property
    def success(self) -> bool: ...

    @property
    def status(self) -> int | None: ...

    @property
    def error(self) -> str | None: ...


def webhook(entity: Webhook) -> Json:
    message: Json = {
        "webhook_id": entity.webhook_id,
        "name": entity.name,
        "url": entity.url,
        "events": [
            {"entity": event.entity.upper(), "action": event.action.upper()} for event in entity.events
        ],
    }
    if entity.description:
        message["description"] = entity.description
    message["status"] = entity.status
    message["creation_timestamp"] = entity.creation_timestamp
    message["last_updated_timestamp"] = entity.last_updated_timestamp
    return message


def webhooks(entities: Iterable[Webhook], token: str | None) -> Json:
    return page("webhooks", map(webhook, entities), token)


def attempt(outcome: Attempt) -> Json:
    """MLflow's WebhookTestResult without ``response_body``: a test reads nothing for its caller."""
    message: Json = {"success": outcome.success}
    if outcome.status is not None:
        message["response_status"] = outcome.status
    if outcome.error is not None:
        message["error_message"] = f"Failed to test webhook: {outcome.error}"
    return message
