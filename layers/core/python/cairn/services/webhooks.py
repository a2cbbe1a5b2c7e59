"""Use-cases of webhooks. They belong to the whole deployment, not to an experiment or a model.

A webhook listens only when its secret is there, and its secret is removed before it: what a crash leaves is
a webhook that sends nothing, which can be seen and deleted; never one that sends without the signature that
it should have, and no secret without a webhook.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from cairn.domain import webhooks as rules
from cairn.domain.webhooks import ACTIVE, DISABLED, Webhook, WebhookEvent
from cairn.errors import InvalidParameterValue
from cairn.protocol import render_webhooks as render
from cairn.protocol.messages import webhooks as messages
from cairn.search import cursor
from cairn.search.order import Column, Ordering
from cairn.services.creations import once
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller

_MOST = 1_000
_USUAL = 100
_QUERY = cursor.fingerprint("webhooks")
_NEWEST: Ordering[Webhook] = Ordering(
    (
        Column(lambda one: one.creation_timestamp, ascending=False, text=False),
        Column(lambda one: one.webhook_id, ascending=True, text=True),
    )
)


def create_webhook(stores: Stores, caller: Caller, request: messages.CreateWebhook) -> Result:
    """A webhook, listening from now on unless its status says otherwise."""
    events = _events(request.events)
    rules.validate_name(request.name)
    _check_url(stores, request.url)
    rules.validate_events(events)
    _check_lengths(request.description, request.secret)
    bits = once(stores, caller, request).bits
    now = stores.clock()
    webhook = Webhook(
        webhook_id=str(uuid.UUID(int=bits(128), version=4)),
        name=request.name,
        url=request.url,
        events=events,
        status=request.status or ACTIVE,
        creation_timestamp=now,
        last_updated_timestamp=now,
        description=request.description or None,
        signed=bool(request.secret),
    )
    if request.secret:
        return {"webhook": render.webhook(_create_signed(stores, webhook, request.secret))}
    return {"webhook": render.webhook(stores.webhooks.store.create(webhook))}


def _create_signed(stores: Stores, webhook: Webhook, secret: str) -> Webhook:
    """Disabled until its secret is there. A replay ends what a crash left; what was changed since it leaves
    alone."""
    store = stores.webhooks.store
    held = store.create(replace(webhook, status=DISABLED))
    if _is_changed(held):
        return held
    stores.webhooks.secrets.put(held.webhook_id, secret)
    if held.status == webhook.status:
        return held
    return store.change(
        held.webhook_id, lambda now: now if _is_changed(now) else replace(now, status=webhook.status)
    )


def _is_changed(webhook: Webhook) -> bool:
    return webhook.last_updated_timestamp != webhook.creation_timestamp


def list_webhooks(stores: Stores, caller: Caller, request: messages.ListWebhooks) -> Result:
    """The newest first."""
    most = request.max_results or _USUAL
    if not 1 <= most <= _MOST:
        raise InvalidParameterValue(f"max_results must be between 1 and {_MOST}.")
    after = cursor.decode(_QUERY, request.page_token, _NEWEST)
    found = [(_NEWEST.key(_NEWEST.position(one)), one) for one in stores.webhooks.store.all()]
    if after is not None:
        found = [(key, one) for key, one in found if key > _NEWEST.key(after)]
    page = [one for _, one in sorted(found, key=lambda pair: pair[0])[: most + 1]]
    more = len(page) > most
    return render.webhooks(
        page[:most], cursor.encode(_QUERY, _NEWEST.position(page[most - 1])) if more else None
    )


def get_webhook(stores: Stores, caller: Caller, request: messages.GetWebhook) -> Result:
    return {"webhook": render.webhook(stores.webhooks.store.get(request.webhook_id))}


def update_webhook(stores: Stores, caller: Caller, request: messages.UpdateWebhook) -> Result:
    """What is given; an empty secret is none from now on, an empty description as well (MLflow's rules)."""
    events = _events(request.events)
    webhook = stores.webhooks.store.get(request.webhook_id)
    if request.name:
        rules.validate_name(request.name)
    if request.url:
        _check_url(stores, request.url)
    _check_lengths(request.description, request.secret)
    now = stores.clock()

    def edit(held: Webhook) -> Webhook:
        return replace(
            held,
            name=request.name or held.name,
            url=request.url or held.url,
            events=events or held.events,
            status=request.status or held.status,
            last_updated_timestamp=now,
            description=held.description if request.description is None else request.description or None,
            signed=held.signed if request.secret is None else bool(request.secret),
        )

    if request.secret:
        stores.webhooks.secrets.put(webhook.webhook_id, request.secret)
    changed = stores.webhooks.store.change(webhook.webhook_id, edit)
    if request.secret == "":
        stores.webhooks.secrets.delete(webhook.webhook_id)
    return {"webhook": render.webhook(changed)}


def delete_webhook(stores: Stores, caller: Caller, request: messages.DeleteWebhook) -> Result:
    """With its secret, which goes first: see above."""
    webhook = stores.webhooks.store.get(request.webhook_id)
    stores.webhooks.secrets.delete(webhook.webhook_id)
    stores.webhooks.store.delete(webhook.webhook_id)
    return {}


def test_webhook(stores: Stores, caller: Caller, request: messages.TestWebhook) -> Result:
    """Send MLflow's example of an event, once, and answer with the status, never with the body."""
    event = None if request.event is None else _event(request.event)
    webhook = stores.webhooks.store.get(request.webhook_id)
    event = event or webhook.events[0]
    payload = rules.payload(event, rules.EXAMPLES[event], stores.clock())
    test_id = f"test-{stores.bits(64):016x}"
    return {"result": render.attempt(stores.webhooks.send(webhook, test_id, payload))}


def _events(events: Sequence[messages.Event]) -> tuple[WebhookEvent, ...]:
    """Each once."""
    return tuple(dict.fromkeys(map(_event, events)))


def _event(event: messages.Event) -> WebhookEvent:
    found = WebhookEvent(event.entity.lower(), event.action.lower())
    rules.validate_event(found)
    return found


def _check_url(stores: Stores, url: str) -> None:
    """Its form, and what its host name stands for now. Who delivers looks again, each time."""
    rules.validate_length("URL", url, rules.MAX_URL)
    host = rules.target_of(url).host
    try:
        addresses = stores.webhooks.resolve(host)
    except OSError as error:
        raise InvalidParameterValue(f"Cannot resolve Webhook URL hostname {host!r}: {error}") from None
    rules.check_addresses(host, addresses)


def _check_lengths(description: str | None, secret: str | None) -> None:
    rules.validate_length("description", description, rules.MAX_DESCRIPTION)
    rules.validate_length("secret", secret, rules.MAX_SECRET)
