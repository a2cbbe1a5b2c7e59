"""What changes of registered models and their versions say; prompts are registered models.

Most lies in the difference of the images. What does not (a version's model goes by a name that the version
does not know, a stage that was archived, a version that is gone) the write itself has noted
(``registry_items.Entity.told``). A version's item that is removed says nothing: a deletion of the version
alone is noted with its model, a deletion of the model sweeps its versions away later.
"""

import json
from collections.abc import Iterator
from typing import Any

from cairn.events.catalogue import (
    AliasRemoved,
    AliasSet,
    Happening,
    ModelVersionCreated,
    ModelVersionDeleted,
    PromptVersionCreated,
    RegisteredModelCreated,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
    RegisteredModelTagRemoved,
    RegisteredModelTagSet,
    StageArchived,
    StageMoved,
    Told,
    VersionTagRemoved,
    VersionTagSet,
)
from cairn.storage.registry_items import Entity, ModelInfo, VersionInfo, model_entity, version_entity
from cairn.storage.table import Item, Key


def model_changes(_: Key, before: Item | None, after: Item | None) -> Iterator[Told]:
    old = None if before is None else model_entity(before)
    new = None if after is None else model_entity(after)
    held = new or old
    if held is None:
        return
    entity = f"models/{held.identity}"
    name, prompt = held.info.name, held.info.prompt
    if new is None:
        yield entity, held.sequence + 1, [RegisteredModelDeleted(name=name, prompt=prompt)]
    elif old is None:
        created = RegisteredModelCreated(
            name=name, prompt=prompt, description=new.description, tags=new.tags or None
        )
        yield entity, new.sequence, [created]
    else:
        told = _told(after)
        yield entity, new.sequence, list(_of_model(old, new, told))
        if "deleted" in told:
            number, sequence = told["deleted"]
            gone = ModelVersionDeleted(name=name, prompt=prompt, model_version=number)
            yield f"{entity}/versions/{number}", sequence, [gone]


def _of_model(old: Entity[ModelInfo], new: Entity[ModelInfo], told: dict[str, Any]) -> Iterator[Happening]:
    name, prompt = new.info.name, new.info.prompt
    if old.info.name != name:
        yield RegisteredModelRenamed(name=name, prompt=prompt, previous_name=old.info.name)
    if "archived" in told:
        stage, highest, number = told["archived"]
        yield StageArchived(
            name=name, prompt=prompt, model_version=number, stage=stage, highest_version=highest
        )
    for key, value in _tags_set(old, new, told):
        yield RegisteredModelTagSet(name=name, prompt=prompt, key=key, value=value)
    for key in _tags_removed(old, new):
        yield RegisteredModelTagRemoved(name=name, prompt=prompt, key=key)
    was, now = old.info.aliases, new.info.aliases
    for alias in sorted(was.keys() - now.keys()):
        yield AliasRemoved(name=name, prompt=prompt, alias=alias, model_version=was[alias])
    for alias, number in sorted(now.items()):
        if was.get(alias) != number:
            yield AliasSet(
                name=name,
                prompt=prompt,
                alias=alias,
                model_version=number,
                previous_version=was.get(alias),
            )


def version_changes(_: Key, before: Item | None, after: Item | None) -> Iterator[Told]:
    if after is None:
        return
    new, told = version_entity(after), _told(after)
    entity = f"models/{new.identity}/versions/{new.number}"
    if before is not None:
        yield entity, new.sequence, list(_of_version(version_entity(before), new, told))
        return
    of = PromptVersionCreated if new.info.prompt else ModelVersionCreated
    created = of(
        name=told["name"],
        prompt=new.info.prompt,
        model_version=new.number,
        source=new.info.source,
        run_id=new.info.run or None,
        model_id=new.info.model or None,
        description=new.description,
        tags=new.tags or None,
    )
    yield entity, new.sequence, [created]


def _of_version(
    old: Entity[VersionInfo], new: Entity[VersionInfo], told: dict[str, Any]
) -> Iterator[Happening]:
    name, prompt, number = told["name"], new.info.prompt, new.number
    stage = new.info.stage
    if told.get("stage", stage) != stage:
        yield StageMoved(
            name=name, prompt=prompt, model_version=number, stage=stage, previous_stage=told["stage"]
        )
    for key, value in _tags_set(old, new, told):
        yield VersionTagSet(name=name, prompt=prompt, model_version=number, key=key, value=value)
    for key in _tags_removed(old, new):
        yield VersionTagRemoved(name=name, prompt=prompt, model_version=number, key=key)


def _tags_set(old: Entity[Any], new: Entity[Any], told: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Tags with a value that they had not; of a long one the value lies elsewhere."""
    for key, value in sorted(new.tags.items()):
        if old.tags.get(key) != value:
            yield key, value
    for key in sorted(new.apart):
        if key not in old.apart or told.get("tag") == key:
            yield key, None


def _tags_removed(old: Entity[Any], new: Entity[Any]) -> list[str]:
    return sorted({*old.tags, *old.apart} - {*new.tags, *new.apart})


def _told(item: Item | None) -> dict[str, Any]:
    """What the write noted; nothing where there was nothing to note."""
    return dict(json.loads(item["w"])) if item is not None and "w" in item else {}
