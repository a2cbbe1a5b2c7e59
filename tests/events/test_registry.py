"""Events of the model registry, of the images that its stores' own writes leave."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.domain.registry import PROMPT_TAG, ModelVersion, RegisteredModel
from cairn.events.catalogue import PLACES
from cairn.services.registry_ports import Registry
from cairn.storage.registry_items import MAX_ALIASES
from cairn.storage.stream import images
from tests.events.flow import Watched, watched
from tests.storage.stores import registry
from tests.upkeep.records import record

FRAUD = {"name": "fraud", "prompt": False}
LONG = "x" * 13_000


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as found:
        yield found


@pytest.fixture
def stores(seen: Watched) -> Registry:
    return registry(seen.table)


def create(stores: Registry, name: str = "fraud", versions: int = 0, **tags: str) -> None:
    stores.models.create(RegisteredModel(name, 1, 1, tags=tags), name.encode().hex().zfill(16)[:16])
    for number in range(versions):
        version(stores, name, number)


def version(stores: Registry, name: str = "fraud", now: int = 1, **tags: str) -> int:
    new = ModelVersion(name, 0, now, now, source="s3://b/x", location="s3://b/x", run_id="r", tags=tags)
    return stores.versions.create(new, None).version


def test_a_model_and_its_versions(seen: Watched, stores: Registry) -> None:
    create(stores, "fraud", team="risk")
    assert version(stores, note="first") == 1
    assert seen.told() == [
        ("Registered Model Created", {**FRAUD, "tags": {"team": "risk"}}),
        (
            "Model Version Created",
            {
                **FRAUD,
                "model_version": 1,
                "source": "s3://b/x",
                "run_id": "r",
                "tags": {"note": "first"},
            },
        ),
    ]


def test_aliases(seen: Watched, stores: Registry) -> None:
    create(stores, versions=2)
    seen.changes()
    for number in (1, 1, 2):
        stores.models.set_alias("fraud", "champion", number)
    stores.models.set_alias("fraud", "old", 1)
    for _ in range(2):
        stores.models.delete_alias("fraud", "old")
    assert seen.told() == [
        ("Model Alias Set", {**FRAUD, "alias": "champion", "model_version": 1}),
        ("Model Alias Set", {**FRAUD, "alias": "champion", "model_version": 2, "previous_version": 1}),
        ("Model Alias Set", {**FRAUD, "alias": "old", "model_version": 1}),
        ("Model Alias Removed", {**FRAUD, "alias": "old", "model_version": 1}),
    ]


def test_a_version_goes_with_its_aliases(seen: Watched, stores: Registry) -> None:
    create(stores, versions=2)
    for alias in ("b", "a"):
        stores.models.set_alias("fraud", alias, 1)
    stores.models.set_alias("fraud", "c", 2)
    stores.versions.set_tag("fraud", 1, "k", "v")
    seen.changes()
    stores.versions.delete("fraud", 1, 9)
    found = seen.events()
    assert [(event.type, event.detail().get("alias")) for event in found] == [
        ("Model Alias Removed", "a"),
        ("Model Alias Removed", "b"),
        ("Model Version Deleted", None),
    ]
    assert len({event.id for event in found}) == 3
    assert found[0].sequence < found[1].sequence
    assert found[0].entity == found[1].entity
    assert found[2].entity == f"{found[0].entity}/versions/1"
    assert found[2].sequence == 3 * PLACES, "behind the version's own: created, tagged"
    stores.models.set_alias("fraud", "d", 2)
    assert [event.type for event in seen.events()] == ["Model Alias Set"], "the deletion is told once"


def test_stages(seen: Watched, stores: Registry) -> None:
    create(stores, versions=3)
    seen.changes()
    for _ in range(2):
        stores.versions.move("fraud", 1, "Production", archive=False, now=5)
    stores.versions.move("fraud", 2, "Production", archive=True, now=6)
    stores.versions.move("fraud", 1, "Staging", archive=True, now=7)
    stores.versions.set_tag("fraud", 1, "k", "v")
    one, two = ({**FRAUD, "model_version": number} for number in (1, 2))
    assert seen.told() == [
        ("Model Stage Moved", {**one, "stage": "Production", "previous_stage": "None"}),
        ("Model Stage Archived", {**two, "stage": "Production", "highest_version": 1}),
        ("Model Stage Moved", {**two, "stage": "Production", "previous_stage": "None"}),
        ("Model Stage Moved", {**one, "stage": "Staging", "previous_stage": "Archived"}),
        ("Model Version Tag Set", {**one, "key": "k", "value": "v"}),
    ]


def test_a_version_that_was_archived_can_come_back_to_its_stage(seen: Watched, stores: Registry) -> None:
    """Its own item says Production all the time."""
    create(stores, versions=2)
    stores.versions.move("fraud", 1, "Production", archive=False, now=5)
    stores.versions.move("fraud", 2, "Production", archive=True, now=6)
    seen.changes()
    stores.versions.move("fraud", 1, "Production", archive=False, now=7)
    moved = {**FRAUD, "model_version": 1, "stage": "Production", "previous_stage": "Archived"}
    assert seen.told() == [("Model Stage Moved", moved)]


def test_tags_short_and_long(seen: Watched, stores: Registry) -> None:
    create(stores, versions=1)
    seen.changes()
    of = {**FRAUD, "model_version": 1}
    for value in ("a", "a", "b", LONG, LONG + "y", "c"):
        stores.versions.set_tag("fraud", 1, "k", value)
    for _ in range(2):
        stores.versions.delete_tag("fraud", 1, "k")
    stores.versions.update("fraud", 1, "described", 7)
    tag = "Model Version Tag Set"
    assert seen.told() == [
        (tag, {**of, "key": "k", "value": "a"}),
        (tag, {**of, "key": "k", "value": "b"}),
        (tag, {**of, "key": "k"}),
        (tag, {**of, "key": "k"}),
        (tag, {**of, "key": "k", "value": "c"}),
        ("Model Version Tag Removed", {**of, "key": "k"}),
    ]
    stores.models.set_tag("fraud", "k", LONG)
    stores.models.set_tag("fraud", "other", "v")
    stores.models.delete_tag("fraud", "k")
    assert seen.told() == [
        ("Registered Model Tag Set", {**FRAUD, "key": "k"}),
        ("Registered Model Tag Set", {**FRAUD, "key": "other", "value": "v"}),
        ("Registered Model Tag Removed", {**FRAUD, "key": "k"}),
    ]


def test_a_renamed_models_versions_have_the_new_name(seen: Watched, stores: Registry) -> None:
    create(stores, versions=1)
    seen.changes()
    stores.models.rename("fraud", "abuse", 5)
    stores.models.rename("abuse", "abuse", 6)
    stores.versions.set_tag("abuse", 1, "k", "v")
    stores.versions.delete("abuse", 1, 7)
    found = seen.events()
    assert [(event.type, event.detail()["name"]) for event in found] == [
        ("Registered Model Renamed", "abuse"),
        ("Model Version Tag Set", "abuse"),
        ("Model Version Deleted", "abuse"),
    ]
    assert found[0].detail()["previous_name"] == "fraud"
    resources = ["registered-models/abuse", "registered-models/fraud"]
    assert found[0].happening.resources == resources


def test_a_model_that_is_deleted_is_one_event_however_many_versions_it_has(
    seen: Watched, stores: Registry
) -> None:
    create(stores, versions=30)
    stores.models.set_alias("fraud", "champion", 3)
    seen.changes()
    stores.models.delete("fraud")
    assert seen.told() == [("Registered Model Deleted", FRAUD)]
    create(stores, "fraud2")
    assert [event.type for event in seen.events()] == ["Registered Model Created"]


def test_prompts(seen: Watched, stores: Registry) -> None:
    create(stores, "greet", 0, **{PROMPT_TAG: "true"})
    text = {PROMPT_TAG: "true", "mlflow.prompt.text": "Hello {{name}}"}
    version(stores, "greet", 1, **text)
    stores.models.set_alias("greet", "live", 1)
    found = seen.events()
    assert [event.type for event in found] == [
        "Registered Model Created",
        "Prompt Version Created",
        "Model Alias Set",
    ]
    assert all(event.detail()["prompt"] for event in found)
    assert found[1].detail()["tags"] == text


def test_sequences_rise_with_every_write_of_an_entity(seen: Watched, stores: Registry) -> None:
    create(stores, versions=2)
    for number in (1, 2, 1):
        stores.models.set_alias("fraud", "champion", number)
        stores.versions.set_tag("fraud", 1, "k", str(number))
    stores.models.delete("fraud")
    last: dict[str, int] = {}
    for event in seen.events():
        assert event.sequence > last.get(event.entity, 0)
        last[event.entity] = event.sequence
    assert len(last) == 3
    assert MAX_ALIASES + 10 < PLACES


def test_the_streams_images_say_the_same(seen: Watched, stores: Registry) -> None:
    create(stores, versions=1)
    stores.versions.set_tag("fraud", 1, "k", LONG)
    stores.versions.delete("fraud", 1, 5)
    for change in seen.changes():
        assert images(record(change.after, change.before))[:3] == change[:3]
