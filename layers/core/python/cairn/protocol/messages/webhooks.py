"""Requests about webhooks. ``webhook_id`` comes from the path."""

from typing import Annotated

from pydantic import FailFast, Field

from cairn.protocol.message import Creation, Message
from cairn.protocol.scalars import Given, Int32, Text, WebhookAction, WebhookEntity, WebhookStatus


class Event(Message):
    entity: WebhookEntity = "ENTITY_UNSPECIFIED"
    action: WebhookAction = "ACTION_UNSPECIFIED"


class CreateWebhook(Creation):
    name: Given
    url: Given
    events: Annotated[list[Event], FailFast()]
    description: Text = ""
    secret: Text = Field(default="", repr=False)
    status: WebhookStatus | None = None


class ListWebhooks(Message):
    max_results: Int32 = 100
    page_token: Text = ""


class GetWebhook(Message):
    webhook_id: Given


class UpdateWebhook(Message):
    """Whether description and secret were given matters: an empty one removes them."""

    webhook_id: Given
    name: Text = ""
    url: Text = ""
    events: Annotated[list[Event], FailFast()] = Field(default_factory=list)
    description: Text | None = None
    secret: Text | None = Field(default=None, repr=False)
    status: WebhookStatus | None = None


class DeleteWebhook(Message):
    webhook_id: Given


class TestWebhook(Message):
    """Without an event the first of the webhook's own is tested."""

    __test__ = False  # no test class, whatever pytest thinks of its name

    webhook_id: Given
    event: Event | None = None
