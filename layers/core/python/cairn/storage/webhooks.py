"""Webhooks: one item each, all in one partition, since a deployment has a handful of them.

Who fans an event out reads them all, as a list does: an item has 150 to 1,500 bytes, so that a hundred of
them are some 4 read units. A secret is not among what an item holds, only whether there is one.
"""

import re
from collections.abc import Callable, Iterator

from cairn.domain.webhooks import Webhook, WebhookEvent, webhook_missing
from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, Exists, eq
from cairn.storage.table import ConditionFailed, Delete, Item, Put, Query, Table

_ID = re.compile(r"[0-9a-f-]{36}")
"""Nothing else is looked up: an id in a path may be any text, of any length."""


class Webhooks:
    """The webhooks of a deployment (``services.webhook_ports.WebhookStore``)."""

    def __init__(self, table: Table, pause: Callable[[int], None]) -> None:
        self._table = table
        self._pause = pause

    def create(self, webhook: Webhook) -> Webhook:
        """1 PutItem. An id that is taken is a replay: it is answered as it stands."""
        try:
            self._table.put(Put(_item(webhook, 1), Absent()))
        except ConditionFailed as failed:
            return webhook if failed.item is None else _webhook(failed.item)
        return webhook

    def get(self, webhook_id: str) -> Webhook:
        """1 GetItem. ResourceDoesNotExist for an unknown one."""
        return _webhook(self._get(webhook_id))

    def change(self, webhook_id: str, edit: Callable[[Webhook], Webhook]) -> Webhook:
        """1 GetItem, 1 PutItem; both again where somebody else wrote meanwhile."""
        attempt = 0
        while True:
            item = self._get(webhook_id)
            changed = edit(_webhook(item))
            try:
                self._table.put(Put(_item(changed, item["v"] + 1), eq("v", item["v"])))
            except ConditionFailed:
                attempt += 1
                self._pause(attempt)
            else:
                return changed

    def delete(self, webhook_id: str) -> None:
        """1 DeleteItem. ResourceDoesNotExist for an unknown one."""
        try:
            self._table.delete(Delete(keys.webhook(webhook_id), Exists()))
        except ConditionFailed:
            raise webhook_missing(webhook_id) from None

    def all(self) -> Iterator[Webhook]:
        """1 Query per MB of them, in no order."""
        after: str | None = None
        while True:
            page = self._table.query(Query(keys.WEBHOOKS, after=after))
            yield from map(_webhook, page.items)
            after = page.after
            if after is None:
                return

    def _get(self, webhook_id: str) -> Item:
        item = self._table.get(keys.webhook(webhook_id)) if _ID.fullmatch(webhook_id) else None
        if item is None:
            raise webhook_missing(webhook_id)
        return item


def _item(webhook: Webhook, version: int) -> Item:
    key = keys.webhook(webhook.webhook_id)
    item = {
        "pk": key.pk,
        "sk": key.sk,
        "f": FORMAT,
        "v": version,
        "n": webhook.name,
        "u": webhook.url,
        "e": [str(event) for event in webhook.events],
        "st": webhook.status,
        "c": webhook.creation_timestamp,
        "t": webhook.last_updated_timestamp,
        "s": webhook.signed,
    }
    return item if webhook.description is None else {**item, "d": webhook.description}


def _webhook(item: Item) -> Webhook:
    return Webhook(
        webhook_id=item["sk"],
        name=item["n"],
        url=item["u"],
        events=tuple(map(WebhookEvent.parse, item["e"])),
        status=item["st"],
        creation_timestamp=item["c"],
        last_updated_timestamp=item["t"],
        description=item.get("d"),
        signed=item["s"],
    )
