"""Registered models: a name guard, a head, an entry in the list by name; prompts have a list of their own.

A model has an id of its own, under which its versions lie: they do not know its name, so that renaming is
one transaction however many there are. Deleting is one as well: without its head nothing of a model is
found; what is left of it is swept away afterwards, by the request that deleted it or by a later one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Self

from cairn.domain.access import UNDECIDED, Access
from cairn.domain.registry import PROMPT_TAG, ModelVersion, RegisteredModel, model_missing, name_taken
from cairn.domain.registry import version_missing as version_is_missing
from cairn.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, eq
from cairn.storage.registry_items import (
    MAX_ALIASES,
    Entity,
    ModelInfo,
    VersionInfo,
    kind_of,
    list_key,
    list_put,
    locate,
    long_tags,
    mark_needed,
    model_entity,
    model_version,
    stage_of,
    until_it_holds,
    version_entity,
)
from cairn.storage.registry_sweep import AT_ONCE, sweep
from cairn.storage.table import ConditionFailed, Delete, Item, Key, Put, Table, TransactWrite

Edit = Callable[[Entity[ModelInfo], Mapping[Key, Item]], Iterable[TransactWrite]]
"""Changes a model in place; what is to be written beside it."""


class RegisteredModels:
    """All registered models (``services.ports.RegisteredModelStore``)."""

    def __init__(self, table: Table, pause: Callable[[int], None], access: Access = UNDECIDED) -> None:
        self._table = table
        self._pause = pause
        self.access = access

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, self._pause, access)

    def create(self, model: RegisteredModel, model_id: str, asked: str | None = None) -> RegisteredModel:
        """1 TransactWriteItems of 3, 4 with a key, and an item for each long tag. ``model_id`` was never
        given before: what a deleted model left lies under its id until it is swept. ``asked`` is an
        idempotency key's hash: the same again is the model that it made, as it stands and whatever its name
        is now (2 GetItem more, then as ``whole``), until that is deleted."""
        entity, writes = new_model(model, model_id, asked)
        self._demand(entity.info)
        if asked is not None:
            key = keys.model_asked(asked)
            writes.append(Put({"pk": key.pk, "sk": key.sk, "f": FORMAT, "m": model_id}, Absent()))
        try:
            self._table.transact(writes)
        except ConditionFailed:
            made = None if asked is None else self._made_for(asked)
            if made is not None:
                return self.whole([made])[0]
            raise self._taken(model.name, model.tags) from None
        return model

    def get(self, name: str) -> RegisteredModel:
        """1 GetItem, 1 BatchGetItem; 1 BatchGetItem for the latest versions, 1 Query for long tags."""
        model, _ = locate(self._table, self.access, name)
        if model is None:
            raise model_missing(name)
        return self.whole([model])[0]

    def latest_versions(self, name: str) -> tuple[ModelVersion, ...]:
        """The highest version of each stage, with aliases. As ``get``."""
        model, _ = locate(self._table, self.access, name)
        if model is None:
            raise model_missing(name)
        return self._latest([model], with_aliases=True)[model.identity]

    def whole(self, models: list[Entity[ModelInfo]]) -> list[RegisteredModel]:
        """Models with their latest versions: 1 BatchGetItem per 100 of these, and of archiving moves;
        1 Query for the long tags of each that has some."""
        latest = self._latest(models, with_aliases=False)
        tags = long_tags(self._table, models)
        return [
            registered_model(model, latest[model.identity], tags.get(model.key.pk, {})) for model in models
        ]

    def update(self, name: str, description: str, now: int) -> RegisteredModel:
        """1 GetItem, 1 BatchGetItem, 1 TransactWriteItems of 2; then as ``get``."""

        def edit(model: Entity[ModelInfo], _: Mapping[Key, Item]) -> list[TransactWrite]:
            model.description, model.info.updated = description, now
            return [list_put(model)]

        return self.whole([self._change(name, edit)])[0]

    def rename(self, name: str, new_name: str, now: int) -> RegisteredModel:
        """1 GetItem, 1 BatchGetItem, 1 TransactWriteItems of at most 7, whatever the number of versions;
        then as ``get``. Every version counts as updated now (MLflow's rule)."""

        def edit(model: Entity[ModelInfo], _: Mapping[Key, Item]) -> list[TransactWrite]:
            info, writes = model.info, list[TransactWrite]()
            self.access.demand(kind_of(info), new_name)
            if info.last:
                bump = keys.renamed_by_update(now, model.identity)
                writes.append(Put({"pk": bump.pk, "sk": bump.sk, "f": FORMAT}))
                if info.renamed not in (0, now):
                    writes.append(Delete(keys.renamed_by_update(info.renamed, model.identity)))
                info.renamed = now
            info.updated = now
            if new_name != name:
                old = list_key(model)
                info.name = new_name
                writes += [
                    Delete(keys.model_name_guard(name), eq("m", model.identity)),
                    _guard(new_name, model.identity),
                ]
                if old != list_key(model):  # two long names may have one key
                    writes.append(Delete(old))
            return [*writes, list_put(model)]

        return self.whole([self._change(name, edit, self._renaming_to(new_name))])[0]

    def delete(self, name: str) -> None:
        """1 GetItem, 1 BatchGetItem, 1 TransactWriteItems of 4, or 5; then what ``sweep`` costs."""

        def attempt() -> str:
            model, _ = locate(self._table, self.access, name)
            if model is None:
                raise model_missing(name)
            self._demand(model.info)
            left, asked = keys.deleted_model(model.identity), model.info.asked
            self._table.transact(
                [
                    *([] if asked is None else [Delete(keys.model_asked(asked))]),
                    Delete(model.key, model.unchanged),
                    Delete(keys.model_name_guard(name)),
                    Delete(list_key(model)),
                    Put({"pk": left.pk, "sk": left.sk, "f": FORMAT, "t": model.info.renamed}),
                ]
            )
            return model.identity

        until_it_holds(attempt, self._pause)
        self.sweep()

    def set_tag(self, name: str, key: str, value: str) -> None:
        """1 GetItem, 1 BatchGetItem, 1 PutItem (more for a long tag, and where a prompt becomes none)."""

        def edit(model: Entity[ModelInfo], _: Mapping[Key, Item]) -> list[TransactWrite]:
            return self._marked(model, key, value, model.set_tag(key, value))

        self._change(name, edit)

    def delete_tag(self, name: str, key: str) -> None:
        """As ``set_tag``; what is not there is deleted already (MLflow's rule)."""

        def edit(model: Entity[ModelInfo], _: Mapping[Key, Item]) -> list[TransactWrite]:
            return self._marked(model, key, None, model.delete_tag(key))

        self._change(name, edit)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """1 GetItem, 1 BatchGetItem, 1 PutItem. A version that is deleted meanwhile starts it over."""

        def edit(model: Entity[ModelInfo], found: Mapping[Key, Item]) -> list[TransactWrite]:
            if not found:
                raise version_is_missing(name, version)
            model.info.aliases[alias] = version
            if len(model.info.aliases) > MAX_ALIASES:
                raise InvalidParameterValue(f"A registered model can have at most {MAX_ALIASES} aliases.")
            return []

        if not 0 < version < 2**32:
            raise version_is_missing(name, version)
        missing = version_is_missing(name, version)
        self._change(name, edit, beside=lambda model: [keys.version_head(model, version)], missing=missing)

    def delete_alias(self, name: str, alias: str) -> None:
        """1 GetItem, 1 BatchGetItem, 1 PutItem; what is not there is deleted already (MLflow's rule)."""

        def edit(model: Entity[ModelInfo], _: Mapping[Key, Item]) -> list[TransactWrite]:
            model.info.aliases.pop(alias, None)
            return []

        self._change(name, edit)

    def sweep(self, limit: int = AT_ONCE) -> int:
        """Remove what deleted models left behind (``registry_sweep``)."""
        return sweep(self._table, limit)

    def _change(
        self,
        name: str,
        edit: Edit,
        refuse: Callable[[ConditionFailed], None] = lambda _: None,
        *,
        beside: Callable[[str], list[Key]] = lambda _: [],
        missing: ResourceDoesNotExist | None = None,
    ) -> Entity[ModelInfo]:
        def attempt() -> Entity[ModelInfo]:
            model, found = locate(self._table, self.access, name, beside)
            if model is None:
                raise missing or model_missing(name)
            self._demand(model.info)
            put_along = list(edit(model, found))
            try:
                if put_along:
                    self._table.transact([model.put(), *put_along])
                else:
                    self._table.put(model.put())
            except ConditionFailed as failed:
                refuse(failed)
                raise
            return replace(model, sequence=model.sequence + 1)

        return until_it_holds(attempt, self._pause)

    def _marked(
        self, model: Entity[ModelInfo], key: str, value: str | None, beside: list[TransactWrite]
    ) -> list[TransactWrite]:
        """A model that becomes a prompt, or ceases to be one, changes its list."""
        if key != PROMPT_TAG or model.info.prompt == (value == "true"):
            return beside
        old = list_key(model)
        model.info.prompt = value == "true"
        self._demand(model.info)
        return [*beside, Delete(old), list_put(model)]

    def _demand(self, model: ModelInfo) -> None:
        self.access.demand(kind_of(model), model.name)

    def _renaming_to(self, new_name: str) -> Callable[[ConditionFailed], None]:
        def refuse(failed: ConditionFailed) -> None:
            if failed.key == keys.model_name_guard(new_name):
                raise ResourceAlreadyExists(f"Registered Model (name={new_name}) already exists.")

        return refuse

    def _latest(
        self, models: list[Entity[ModelInfo]], *, with_aliases: bool
    ) -> dict[str, tuple[ModelVersion, ...]]:
        """Of each model by its id, by number. A version that was moved or deleted since the model was read
        is left out where it no longer is what the model says of it."""
        wanted = {
            keys.version_head(model.identity, number): (model, stage)
            for model in models
            for stage, number in model.info.latest.items()
        }
        items = self._table.batch_get(list(wanted))
        found = {key: version_entity(item) for key, item in items.items()}
        kept = {
            key: version
            for key, version in found.items()
            if stage_of(wanted[key][0].info, version.info) == wanted[key][1]
        }
        marks = self._marks((wanted[key][0], version) for key, version in kept.items())
        tags = long_tags(self._table, kept.values())
        latest: dict[str, list[ModelVersion]] = {model.identity: [] for model in models}
        for key, version in sorted(kept.items()):
            model = wanted[key][0]
            texts = tags.get(key.pk, {})
            latest[model.identity].append(
                model_version(model, version, texts, marks, with_aliases=with_aliases)
            )
        return {model: tuple(versions) for model, versions in latest.items()}

    def _marks(self, versions: Iterable[tuple[Entity[ModelInfo], Entity[VersionInfo]]]) -> dict[Key, Item]:
        needed = {mark_needed(model, version.info) for model, version in versions}
        return self._table.batch_get([key for key in needed if key is not None])

    def _made_for(self, asked: str) -> Entity[ModelInfo] | None:
        """The model that an idempotency key made; None where it made none, or a deletion came between."""
        item = self._table.get(keys.model_asked(asked))
        head = None if item is None else self._table.get(keys.registered_head(item["m"]))
        made = None if head is None else model_entity(head)
        sees = made is not None and self.access.sees(kind_of(made.info), made.info.name)
        return made if sees else None

    def _taken(self, name: str, tags: Mapping[str, str]) -> Exception:
        """Why a name cannot be given."""
        model, _ = locate(self._table, self.access, name)
        held = {} if model is None else dict.fromkeys([*model.tags, *model.apart], "")
        return name_taken(name, held, tags)


def new_model(
    model: RegisteredModel, model_id: str, asked: str | None = None
) -> tuple[Entity[ModelInfo], list[TransactWrite]]:
    """A model, and what is written for it."""
    info = ModelInfo(model.name, model.creation_timestamp, model.last_updated_timestamp, asked=asked)
    info.prompt = model.tags.get(PROMPT_TAG) == "true"
    entity = Entity(keys.registered_head(model_id), info, description=model.description)
    beside = entity.set_tags(model.tags)
    return entity, [_guard(model.name, model_id), entity.put(), list_put(entity), *beside]


def registered_model(
    model: Entity[ModelInfo], latest: tuple[ModelVersion, ...], long: Mapping[str, str]
) -> RegisteredModel:
    info = model.info
    return RegisteredModel(
        info.name,
        info.created,
        info.updated,
        model.description,
        {**model.tags, **long},
        info.aliases,
        latest,
    )


def _guard(name: str, model_id: str) -> Put:
    key = keys.model_name_guard(name)
    return Put({"pk": key.pk, "sk": key.sk, "f": FORMAT, "m": model_id}, Absent())
