"""From Cairn's events to MLflow's webhooks: names, payloads, and who listens."""

import json
from dataclasses import replace
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from mlflow.entities.webhook import WebhookAction, WebhookEntity
from mlflow.prompt import constants
from mlflow.webhooks.types import EVENT_TO_PAYLOAD_CLASS

from cairn.domain.webhooks import Webhook, WebhookEvent
from cairn.events import catalogue
from cairn.events.catalogue import CATALOGUE, Event, Happening
from cairn.webhooks import hear
from cairn.webhooks.hear import HEARD, deliveries, heard

TIME = 1_700_000_000_000
TAGS = {
    "team": "ml",
    "mlflow.prompt.is_prompt": "true",
    "mlflow.prompt.text": "Hi {{x}}",
    "_mlflow_prompt_type": "text",
}
OWN = {"team": "ml"}
NET: dict[str, Any] = {"name": "net", "prompt": False}
HI: dict[str, Any] = {"name": "hi", "prompt": True}
TAG: dict[str, Any] = {"key": "k", "value": "v"}

CASES: list[tuple[Happening, str, dict[str, Any]]] = [
    (
        catalogue.RegisteredModelCreated(**NET, tags=OWN),
        "registered_model.created",
        {"name": "net", "tags": OWN, "description": ""},
    ),
    (
        catalogue.RegisteredModelCreated(**HI, tags=TAGS, description="greets"),
        "prompt.created",
        {"name": "hi", "tags": OWN | {"mlflow.prompt.text": "Hi {{x}}"}, "description": "greets"},
    ),
    (
        catalogue.ModelVersionCreated(**NET, model_version=3, source="s3://b/m", run_id="r1", tags=OWN),
        "model_version.created",
        {
            "name": "net",
            "version": "3",
            "source": "s3://b/m",
            "run_id": "r1",
            "tags": OWN,
            "description": None,
        },
    ),
    (
        catalogue.PromptVersionCreated(**HI, model_version=1, source="x", tags=TAGS),
        "prompt_version.created",
        {"name": "hi", "version": "1", "template": "Hi {{x}}", "tags": OWN, "description": None},
    ),
    (
        catalogue.AliasSet(**NET, model_version=3, alias="champion", previous_version=2),
        "model_version_alias.created",
        {"name": "net", "alias": "champion", "version": "3"},
    ),
    (
        catalogue.AliasSet(**HI, model_version=1, alias="live"),
        "prompt_alias.created",
        {"name": "hi", "alias": "live", "version": "1"},
    ),
    (
        catalogue.AliasRemoved(**NET, model_version=3, alias="champion"),
        "model_version_alias.deleted",
        {"name": "net", "alias": "champion"},
    ),
    (
        catalogue.AliasRemoved(**HI, model_version=3, alias="live"),
        "prompt_alias.deleted",
        {"name": "hi", "alias": "live"},
    ),
    (
        catalogue.VersionTagSet(**NET, model_version=3, **TAG),
        "model_version_tag.set",
        {"name": "net", "version": "3", **TAG},
    ),
    (
        catalogue.VersionTagSet(**HI, model_version=3, **TAG),
        "prompt_version_tag.set",
        {"name": "hi", "version": "3", **TAG},
    ),
    (
        catalogue.VersionTagRemoved(**NET, model_version=3, key="k"),
        "model_version_tag.deleted",
        {"name": "net", "version": "3", "key": "k"},
    ),
    (
        catalogue.VersionTagRemoved(**HI, model_version=3, key="k"),
        "prompt_version_tag.deleted",
        {"name": "hi", "version": "3", "key": "k"},
    ),
    (catalogue.RegisteredModelTagSet(**HI, **TAG), "prompt_tag.set", {"name": "hi", **TAG}),
    (catalogue.RegisteredModelTagRemoved(**HI, key="k"), "prompt_tag.deleted", {"name": "hi", "key": "k"}),
]
IDS = [name for _, name, _ in CASES]


def envelope(happening: Happening) -> dict[str, Any]:
    """As EventBridge gives it: nothing but JSON."""
    told: dict[str, Any] = json.loads(
        json.dumps(Event(happening, "registered-models/1", 7, TIME).envelope())
    )
    return told


def hook(number: int, *events: str, status: str = "ACTIVE") -> Webhook:
    of = tuple(map(WebhookEvent.parse, events))
    return Webhook(f"id-{number}", "deploy", f"https://host-{number}.example/", of, status, 1, 1)


def fits(value: object, kind: Any) -> bool:
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(
            isinstance(part, str) for pair in value.items() for part in pair
        )
    kinds = get_args(kind) or (kind,)
    return isinstance(value, kinds)


@pytest.mark.parametrize(("happening", "name", "data"), CASES, ids=IDS)
def test_an_event_in_mlflows_words(happening: Happening, name: str, data: dict[str, Any]) -> None:
    found = heard(envelope(happening))
    assert found is not None
    assert str(found.event) == name
    assert found.payload == {
        "entity": name.split(".")[0],
        "action": name.split(".")[1],
        "timestamp": "2023-11-14T22:13:20+00:00",
        "data": data,
    }
    entity, action = WebhookEntity(found.event.entity), WebhookAction(found.event.action)
    hints = get_type_hints(EVENT_TO_PAYLOAD_CLASS[(entity, action)])
    assert list(hints) == list(data)
    assert all(fits(data[field], kind) for field, kind in hints.items())


def test_what_mlflow_has_no_webhook_for() -> None:
    moved = catalogue.StageMoved(**NET, model_version=1, stage="Production", previous_stage="None")
    assert heard(envelope(moved)) is None
    assert heard(envelope(catalogue.ExperimentCreated(experiment_id="1"))) is None
    assert heard(envelope(catalogue.RegisteredModelTagSet(**NET, **TAG))) is None
    types = {happening.type for happening in CATALOGUE}
    told = {happening.type for happening, _, _ in CASES}
    assert told == types & set(HEARD), "a type that is heard wants a case here"


def test_tags_are_named_as_mlflow_names_them() -> None:
    assert constants.PROMPT_TEXT_TAG_KEY == hear._TEXT_TAG
    assert {constants.IS_PROMPT_TAG_KEY, constants.PROMPT_TYPE_TAG_KEY} == hear._OWN_TAGS


def test_a_delivery_for_each_that_listens() -> None:
    event = envelope(catalogue.AliasSet(**NET, model_version=3, alias="champion"))
    webhooks = [
        hook(1, "model_version_alias.created", "prompt.created"),
        hook(2, "model_version_alias.deleted"),
        hook(3, "model_version_alias.created", status="DISABLED"),
        replace(hook(4, "model_version_alias.created"), signed=True),
    ]
    found = list(deliveries(event, webhooks))
    assert [(one.webhook_id, one.url, one.signed) for one in found] == [
        ("id-1", "https://host-1.example/", False),
        ("id-4", "https://host-4.example/", True),
    ]
    assert list(deliveries(event, webhooks)) == found, "again the same ids"
    assert len({one.delivery_id for one in found}) == 2
