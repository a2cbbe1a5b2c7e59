"""Model versions: an item each, and entries in the lists of its model, its run, and all versions.

A version's number is taken from the model's head and written with it: numbers never repeat, and a create
that failed leaves none behind. Which version is the highest of each stage lies in the head too, so that
every change of a stage writes it; a move that archives what is in a stage counts up the stage's archiving
moves there, and so archives any number of versions without touching one (``registry_items.stage_of``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Self

from cairn.domain.access import UNDECIDED, Access
from cairn.domain.registry import (
    ACTIVE_STAGES,
    ARCHIVED,
    NONE,
    PROMPT_TAG,
    ModelVersion,
    model_missing,
    version_missing,
)
from cairn.errors import InvalidParameterValue
from cairn.storage import keys
from cairn.storage.codec import FORMAT, decode_json, encode_json
from cairn.storage.expr import Absent, eq
from cairn.storage.registry_items import (
    MAX_LONG_TAGS,
    Archiving,
    Entity,
    ModelInfo,
    VersionEntry,
    VersionInfo,
    entry_of,
    kind_of,
    list_put,
    locate,
    long_tags,
    mark_needed,
    model_version,
    read_entry,
    stage_of,
    still_there,
    until_it_holds,
    version_entity,
)
from cairn.storage.table import ConditionFailed, Delete, Item, Key, Put, Query, Table, TransactWrite

_WALKED_AT_ONCE = 100
_PINNED_BYTES = 300_000  # of all pins of a version: an item has room for 400 KB
_MAX_VERSIONS = 2**32 - 1

Model = Entity[ModelInfo]
Version = Entity[VersionInfo]


class ModelVersions:
    """The versions of all registered models (``services.ports.ModelVersionStore``)."""

    def __init__(self, table: Table, pause: Callable[[int], None], access: Access = UNDECIDED) -> None:
        self._table = table
        self._pause = pause
        self._access = access

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, self._pause, access)

    def create(
        self, version: ModelVersion, asked: str | None, pins: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """The version with its number, the model's next one. ``asked`` is an idempotency key's hash: the
        same again is the version that it made, until that is deleted.

        1 GetItem, 1 BatchGetItem, 1 TransactWriteItems of 6 (7 with a run, and with a key), and an item for
        each long tag, and for ``pins``: the artifact store's version of each file, by path. The same key
        again: 1 GetItem more, then as ``get``.
        """
        name = version.name

        def attempt() -> ModelVersion:
            def beside(model: str) -> list[Key]:
                return [] if asked is None else [keys.version_asked(model, asked)]

            model, found = locate(self._table, self._access, name, beside)
            if model is None:
                raise model_missing(name)
            self._demand(model)
            made = next((item["n"] for item in found.values()), None)
            if made is not None:
                head = self._table.get(keys.version_head(model.identity, made))
                if head is not None:
                    return self._whole(model, version_entity(head))
            entity, writes = new_version(model, version, pins)
            if asked is not None:
                key = keys.version_asked(model.identity, asked)
                item = {"pk": key.pk, "sk": key.sk, "f": FORMAT, "n": entity.number}
                writes.append(Put(item, Absent() if made is None else eq("n", made)))
            self._table.transact(writes)
            return replace(version, version=entity.number)

        return until_it_holds(attempt, self._pause)

    def get(self, name: str, number: int) -> ModelVersion:
        """1 GetItem, 1 BatchGetItem; 1 GetItem where an older archiving move counts, 1 Query for long
        tags."""
        model, version = self._read(name, number)
        return self._whole(model, version)

    def pinned(self, name: str, number: int) -> tuple[ModelVersion, Mapping[str, str]]:
        """With the artifact store's version of each of its files, by path: as ``get``, 1 BatchGetItem more
        where there are some."""
        model, version = self._read(name, number)
        at = keys.version_pins(model.identity, number)
        item = self._table.batch_get([at]).get(at) if version.info.pinned else None
        return self._whole(model, version), {} if item is None else decode_json(item["b"])

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """None where the model has no such alias. 1 GetItem, 1 BatchGetItem, 1 GetItem; more as ``get``."""

        def attempt() -> ModelVersion | None:
            model, _ = locate(self._table, self._access, name)
            if model is None:
                raise model_missing(name)
            number = model.info.aliases.get(alias)
            if number is None:
                return None
            item = self._table.get(keys.version_head(model.identity, number))
            if item is None:  # deleted, and its alias with it, after the model was read
                raise ConditionFailed(model.key, None)
            return self._whole(model, version_entity(item))

        return until_it_holds(attempt, self._pause)

    def update(self, name: str, number: int, description: str | None, now: int) -> ModelVersion:
        """1 GetItem, 1 BatchGetItem, 1 TransactWriteItems of 5."""

        def edit(model: Model, version: Version) -> list[TransactWrite]:
            version.description, version.info.updated = description, now
            return [still_there(model)]

        return self._change(name, number, edit)

    def set_tag(self, name: str, number: int, key: str, value: str) -> None:
        """1 GetItem, 1 BatchGetItem, 1 TransactWriteItems of 2 (more for a long tag, or for a prompt's)."""

        def edit(model: Model, version: Version) -> list[TransactWrite]:
            return _mark_prompt(model, version, key, value, version.set_tag(key, value))

        self._change(name, number, edit)

    def delete_tag(self, name: str, number: int, key: str) -> None:
        """As ``set_tag``; what is not there is deleted already (MLflow's rule)."""

        def edit(model: Model, version: Version) -> list[TransactWrite]:
            return _mark_prompt(model, version, key, None, version.delete_tag(key))

        self._change(name, number, edit)

    def move(self, name: str, number: int, stage: str, *, archive: bool, now: int) -> ModelVersion:
        """To another stage, whose other versions may be archived with it, all or none.

        1 GetItem, 1 BatchGetItem, 1 TransactWriteItems of at most 9, whatever the number of versions
        archived; 1 Query per 100 versions passed over, to find the one that is now the highest of a stage.
        """

        def edit(model: Model, version: Version) -> list[TransactWrite]:
            version.told["stage"] = stage_of(model.info, version.info)
            self._leave(model, version)
            writes = _archive(model, stage, number, now) if archive else []
            _enter(model.info, version, stage)
            version.info.updated = model.info.updated = now
            return [model.put(), list_put(model), *writes]

        return self._change(name, number, edit)

    def delete(self, name: str, number: int, now: int) -> None:
        """With the aliases that name it. 1 GetItem, 1 BatchGetItem, 1 TransactWriteItems of at most 7;
        Queries as in ``move``. Its number is not given again."""

        def attempt() -> None:
            model, version = self._read(name, number)
            self._demand(model)
            self._leave(model, version)
            aliases = model.info.aliases
            model.info.aliases = {alias: of for alias, of in aliases.items() if of != number}
            model.info.updated = now
            model.told["deleted"] = [number, version.sequence + 1]
            apart = [keys.long_tag(version.key.pk, key) for key in version.apart]
            self._table.transact(
                [
                    model.put(),
                    list_put(model),
                    Delete(version.key, version.unchanged),
                    *([Delete(keys.version_pins(model.identity, number))] if version.info.pinned else []),
                    *(Delete(key) for key in _entries(model.identity, entry_of(version))),
                    *(Delete(key) for key in apart[:MAX_LONG_TAGS]),
                ]
            )
            self._table.batch_write([Delete(key) for key in apart[MAX_LONG_TAGS:]])

        until_it_holds(attempt, self._pause)

    def _read(self, name: str, number: int) -> tuple[Model, Version]:
        if not 0 < number <= _MAX_VERSIONS:
            raise version_missing(name, number)
        model, found = locate(
            self._table, self._access, name, lambda model: [keys.version_head(model, number)]
        )
        if model is None or not found:
            raise version_missing(name, number)
        return model, version_entity(next(iter(found.values())))

    def _whole(self, model: Model, version: Version) -> ModelVersion:
        marks: Mapping[Key, Item] = {}
        needed = mark_needed(model, version.info)
        if needed is not None:
            marks = self._table.batch_get([needed])
        tags = long_tags(self._table, [version]).get(version.key.pk, {})
        return model_version(model, version, tags, marks, with_aliases=True)

    def _change(
        self, name: str, number: int, edit: Callable[[Model, Version], list[TransactWrite]]
    ) -> ModelVersion:
        """Write what an edit makes of a version and, where it says so, of its model."""

        def attempt() -> ModelVersion:
            model, version = self._read(name, number)
            self._demand(model)
            before = entry_of(version)
            version.told["name"] = model.info.name
            writes = [*edit(model, version), version.put()]
            writes += _moved(model.identity, before, entry_of(version))
            self._table.transact(writes)
            return self._whole(model, version)

        return until_it_holds(attempt, self._pause)

    def _demand(self, model: Model) -> None:
        self._access.demand(kind_of(model.info), model.info.name)

    def _leave(self, model: Model, version: Version) -> None:
        """Take a version out of its stage: the next lower one may become the stage's highest."""
        latest, stage = model.info.latest, stage_of(model.info, version.info)
        if latest.get(stage) == version.number:
            below = next(self._below(model, stage, version.number), None)
            if below is None:
                del latest[stage]
            else:
                latest[stage] = below.number

    def _below(self, model: Model, stage: str, number: int) -> Iterator[VersionEntry]:
        """The versions of a stage that are lower than this, highest first."""
        after = keys.version_entry(model.identity, number)
        query = Query(after.pk, prefix=keys.VERSION_PREFIX, limit=_WALKED_AT_ONCE, after=after.sk)
        while True:
            page = self._table.query(query)
            entries = map(read_entry, page.items)
            yield from (entry for entry in entries if stage_of(model.info, entry) == stage)
            if page.after is None:
                return
            query = replace(query, after=page.after)


def new_version(
    model: Model, version: ModelVersion, pins: Mapping[str, str] | None = None
) -> tuple[Version, list[TransactWrite]]:
    """A version with the model's next number, and all that is written for it."""
    info, created = model.info, version.creation_timestamp
    if info.last >= _MAX_VERSIONS:
        raise InvalidParameterValue(f"Registered Model with name={info.name} takes no more versions.")
    info.last += 1
    info.latest[NONE] = info.last
    info.updated = created
    entity = Entity(
        keys.version_head(model.identity, info.last),
        VersionInfo(
            created=created,
            updated=created,
            source=version.source,
            location=version.location,
            run=version.run_id,
            link=version.run_link,
            model=version.model_id,
            prompt=version.tags.get(PROMPT_TAG) == "true",
        ),
        description=version.description,
        told={"name": info.name},
    )
    info.prompts += entity.info.prompt
    beside = entity.set_tags(version.tags)
    packed = encode_json(dict(pins)) if pins else b""
    if packed and len(packed) <= _PINNED_BYTES:
        at = keys.version_pins(model.identity, entity.number)
        beside.append(Put({"pk": at.pk, "sk": at.sk, "f": FORMAT, "b": packed}))
        entity.info.pinned = True
    entry = entry_of(entity)
    puts: list[TransactWrite] = [Put(entry.item(key)) for key in _entries(model.identity, entry)]
    return entity, [model.put(), list_put(model), entity.put(), *puts, *beside]


def _entries(model: str, entry: VersionEntry) -> list[Key]:
    """Every list that a version stands in."""
    found = [
        keys.version_entry(model, entry.number),
        keys.version_by_update(entry.updated, model, entry.number),
        keys.version_by_creation(entry.created, model, entry.number),
    ]
    if entry.run is not None:
        found.append(Key(entry.run, keys.version_of_run(model, entry.number)))
    return found


def _moved(model: str, before: VersionEntry, after: VersionEntry) -> list[TransactWrite]:
    """What a change moves in the lists: the entries by number and by update, of which others say no more
    than that there is a version."""
    if before == after:
        return []
    own = keys.version_entry(model, after.number)
    old = keys.version_by_update(before.updated, model, before.number)
    new = keys.version_by_update(after.updated, model, after.number)
    writes: list[TransactWrite] = [Put(after.item(own)), Put(after.item(new))]
    return writes if old == new else [*writes, Delete(old)]


def _archive(model: Model, stage: str, number: int, now: int) -> Sequence[TransactWrite]:
    """Archive what is in a stage, the highest of which is known; nothing where nothing is."""
    latest = model.info.latest
    highest = latest.pop(stage, None)
    if highest is None:
        return []
    moves = model.info.archived[stage]
    moves = Archiving(moves.epoch + 1, now, moves.lowest)
    mark = keys.archiving(model.identity, stage, moves.epoch)
    bump = keys.archived_by_update(now, model.identity, stage, moves.epoch)
    reach = {"l": moves.lowest, "h": highest}
    model.info.archived[stage] = Archiving(moves.epoch, now, number)
    latest[ARCHIVED] = max(latest.get(ARCHIVED, 0), highest)
    model.told["archived"] = [stage, highest, number]
    return [
        Put({"pk": mark.pk, "sk": mark.sk, "f": FORMAT, "t": now}),
        Put({"pk": bump.pk, "sk": bump.sk, "f": FORMAT, "s": stage, "e": moves.epoch, **reach}),
    ]


def _enter(model: ModelInfo, version: Version, stage: str) -> None:
    version.info.stage, version.info.epoch = stage, 0
    if stage in ACTIVE_STAGES:
        moves = model.archived.setdefault(stage, Archiving(lowest=version.number))
        moves.lowest = min(moves.lowest, version.number)
        version.info.epoch = moves.epoch
    model.latest[stage] = max(model.latest.get(stage, 0), version.number)


def _mark_prompt(
    model: Model, version: Version, key: str, value: str | None, beside: list[TransactWrite]
) -> list[TransactWrite]:
    """A version that becomes a prompt's, or ceases to be, is counted by its model (MLflow's searches leave
    out every version of a name of which one is a prompt's)."""
    now_prompt = value == "true"
    if key != PROMPT_TAG or version.info.prompt == now_prompt:
        return [*beside, still_there(model)]
    version.info.prompt = now_prompt
    model.info.prompts += 1 if now_prompt else -1
    return [*beside, model.put()]
