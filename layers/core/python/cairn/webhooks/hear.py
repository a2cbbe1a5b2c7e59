"""From Cairn's events to MLflow's, and to the webhooks that listen to them. Pure.

An event is taken as a rule's target gets it from EventBridge (``cairn.events.catalogue``), on AWS and here.
MLflow has webhooks for some of Cairn's events, under two names each: one for models, one for prompts.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cairn.domain.webhooks import ACTIVE, Webhook, WebhookEvent, payload
from cairn.webhooks.deliver import Delivery, delivery

_TEXT_TAG = "mlflow.prompt.text"
_OWN_TAGS = frozenset({"mlflow.prompt.is_prompt", "_mlflow_prompt_type"})
"""Tags of a prompt that MLflow leaves out of payloads (``IS_PROMPT_TAG_KEY``, ``PROMPT_TYPE_TAG_KEY``)."""

_EVENTS: Mapping[str, tuple[WebhookEvent | None, WebhookEvent | None]] = {
    "Registered Model Created": (
        WebhookEvent("registered_model", "created"),
        WebhookEvent("prompt", "created"),
    ),
    "Model Version Created": (WebhookEvent("model_version", "created"), None),
    "Prompt Version Created": (None, WebhookEvent("prompt_version", "created")),
    "Model Alias Set": (
        WebhookEvent("model_version_alias", "created"),
        WebhookEvent("prompt_alias", "created"),
    ),
    "Model Alias Removed": (
        WebhookEvent("model_version_alias", "deleted"),
        WebhookEvent("prompt_alias", "deleted"),
    ),
    "Model Version Tag Set": (
        WebhookEvent("model_version_tag", "set"),
        WebhookEvent("prompt_version_tag", "set"),
    ),
    "Model Version Tag Removed": (
        WebhookEvent("model_version_tag", "deleted"),
        WebhookEvent("prompt_version_tag", "deleted"),
    ),
    "Registered Model Tag Set": (None, WebhookEvent("prompt_tag", "set")),
    "Registered Model Tag Removed": (None, WebhookEvent("prompt_tag", "deleted")),
}
"""By detail-type: what MLflow calls it for a model, and for a prompt; None for what it does not tell of."""

HEARD = tuple(_EVENTS)
"""The detail-types that a rule has to match."""


class Heard(NamedTuple):
    """MLflow's event, the body that tells of it, and the id of Cairn's event."""

    event: WebhookEvent
    payload: Mapping[str, Any]
    event_id: str


def heard(envelope: Mapping[str, Any]) -> Heard | None:
    """What MLflow says of an event; None where it has no webhooks for it. Raises KeyError for what is no
    event of Cairn's."""
    names = _EVENTS.get(envelope["detail-type"])
    if names is None:
        return None
    detail = envelope["detail"]
    event = names[bool(detail["prompt"])]
    if event is None:
        return None
    return Heard(event, payload(event, _data(event, detail), detail["time"]), detail["id"])


def listening(webhooks: Iterable[Webhook], event: WebhookEvent) -> Iterator[Webhook]:
    """Those that are active and ask for the event."""
    return (one for one in webhooks if one.status == ACTIVE and event in one.events)


def deliveries(envelope: Mapping[str, Any], webhooks: Iterable[Webhook]) -> Iterator[Delivery]:
    """One for each webhook that listens; again the same for the same event and webhooks."""
    found = heard(envelope)
    if found is not None:
        for webhook in listening(webhooks, found.event):
            yield delivery(webhook, found.event_id, found.payload)


def _data(event: WebhookEvent, detail: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of MLflow's payload (mlflow/webhooks/types.py), in its order."""
    data: dict[str, Any] = {"name": detail["name"]}
    match event.entity:
        case "registered_model" | "prompt":
            return {**data, **_described(event, detail)}
        case "model_version":
            data |= {
                "version": _version(detail),
                "source": detail["source"],
                "run_id": detail.get("run_id"),
            }
            return {**data, **_described(event, detail)}
        case "prompt_version":
            tags = detail.get("tags") or {}
            data |= {"version": _version(detail), "template": tags.get(_TEXT_TAG)}
            return {**data, **_described(event, detail)}
        case "model_version_alias" | "prompt_alias":
            data["alias"] = detail["alias"]
            return data if event.action == "deleted" else {**data, "version": _version(detail)}
        case "model_version_tag" | "prompt_version_tag":
            data["version"] = _version(detail)
    data["key"] = detail["key"]
    return data if event.action == "deleted" else {**data, "value": detail.get("value") or ""}


def _version(detail: Mapping[str, Any]) -> str:
    return str(detail["model_version"])


def _described(event: WebhookEvent, detail: Mapping[str, Any]) -> dict[str, Any]:
    tags = dict(detail.get("tags") or {})
    if event.entity.startswith("prompt"):
        tags = {key: value for key, value in tags.items() if key not in _OWN_TAGS}
    if event.entity == "prompt_version":
        tags.pop(_TEXT_TAG, None)
    # MLflow's own: of a model "" where there is none, of a version null.
    none = None if event.entity.endswith("version") else ""
    return {"tags": tags, "description": detail.get("description") or none}
