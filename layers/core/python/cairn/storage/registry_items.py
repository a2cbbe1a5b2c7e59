"""The items of registered models and model versions, and how they are read and written.

Both are an item that holds what every write must know, a description and short tags; a tag that does not
fit lies in an item of its own. Every write of the entity, of a long tag too, raises its sequence number
(``v``) and is conditional on the one that was read: old and new images of a write say what happened, in
which order. What else a write moves along (list entries) lies with the aggregates.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

from cairn.domain.access import Access, Kind
from cairn.domain.registry import ACTIVE_STAGES, ARCHIVED, NONE, ModelVersion
from cairn.errors import InvalidParameterValue, TemporarilyUnavailable
from cairn.storage import keys
from cairn.storage.codec import FORMAT, decode_json, encode_json
from cairn.storage.expr import Absent, Exists, eq
from cairn.storage.table import Check, ConditionFailed, Delete, Item, Key, Put, Query, Table, TransactWrite

INLINE_BYTES = 12_000
"""Of tags and description, as JSON, that an entity's own item holds; with zlib mostly one read unit."""
MAX_LONG_TAGS = 80
"""Long tags that one request may write: a transaction takes 100 items."""
MAX_ALIASES = 1_000

_ATTEMPTS = 200


@dataclass(slots=True)
class Archiving:
    """The stage moves that archived what was in a stage: how many, when the last was, and the lowest
    version that entered the stage since."""

    epoch: int = 0
    time: int = 0
    lowest: int = 0


@dataclass(slots=True)
class ModelInfo:
    """``last`` is the highest number ever given to a version, ``latest`` the highest of each stage;
    ``prompts`` counts the versions that have ever been a prompt's and not ceased to be. ``asked`` is the
    hash of the idempotency key that the model was made with."""

    name: str
    created: int
    updated: int
    renamed: int = 0
    prompt: bool = False
    prompts: int = 0
    last: int = 0
    aliases: dict[str, int] = field(default_factory=dict)
    latest: dict[str, int] = field(default_factory=dict)
    archived: dict[str, Archiving] = field(default_factory=dict)
    asked: str | None = None


@dataclass(slots=True)
class VersionInfo:
    """``epoch`` counts the stage's archiving moves when the version entered it: a later one archives the
    version without writing it. ``pinned``: an item says which versions of its files it is made of."""

    created: int
    updated: int
    source: str
    location: str
    stage: str = NONE
    epoch: int = 0
    prompt: bool = False
    run: str | None = None
    link: str | None = None
    model: str | None = None
    pinned: bool = False


Info = TypeVar("Info", ModelInfo, VersionInfo)


@dataclass(slots=True)
class Entity(Generic[Info]):
    """An entity as it was read, open to be changed. ``apart`` are the keys of long tags. ``told`` is what
    images do not say of the next write, noted for those who follow the table's stream (``cairn.events``).
    """

    key: Key
    info: Info
    sequence: int = 0
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    apart: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The model's id."""
        return self.key.pk.split("#")[1]

    @property
    def number(self) -> int:
        """The version's."""
        return int(self.key.pk.split("#")[2], 16)

    def set_tag(self, key: str, value: str) -> list[TransactWrite]:
        """Note the tag; what is to be written beside the entity."""
        inline = {**self.tags, key: value}
        fits = len(json.dumps([self.description, inline], ensure_ascii=False).encode()) <= INLINE_BYTES
        was_apart = key in self.apart
        if fits:
            self.tags = inline
            if was_apart:
                self.apart.remove(key)
                return [Delete(keys.long_tag(self.key.pk, key))]
            return []
        self.tags.pop(key, None)
        self.told["tag"] = key
        if not was_apart:
            self.apart.append(key)
        where = keys.long_tag(self.key.pk, key)
        return [
            Put(
                {
                    "pk": where.pk,
                    "sk": where.sk,
                    "f": FORMAT,
                    "v": self.sequence + 1,
                    "k": key,
                    "b": encode_json(value),
                }
            )
        ]

    def delete_tag(self, key: str) -> list[TransactWrite]:
        """What is to be written beside the entity."""
        if self.tags.pop(key, None) is None and key in self.apart:
            self.apart.remove(key)
            return [Delete(keys.long_tag(self.key.pk, key))]
        return []

    def has_tag(self, key: str) -> bool:
        return key in self.tags or key in self.apart

    def set_tags(self, tags: Mapping[str, str]) -> list[TransactWrite]:
        """Many at once, of a new entity: the short ones first."""
        beside = [
            write
            for key, value in sorted(tags.items(), key=lambda tag: (len(tag[1]), tag[0]))
            for write in self.set_tag(key, value)
        ]
        if len(beside) > MAX_LONG_TAGS:
            raise InvalidParameterValue(
                f"The tags are more than one request can hold: set the rest later. Of {len(tags)} tags "
                f"{len(beside)} do not fit into {INLINE_BYTES} bytes."
            )
        return beside

    def put(self) -> Put:
        """The next write: on condition that nobody else wrote since."""
        item: dict[str, Any] = {
            "pk": self.key.pk,
            "sk": self.key.sk,
            "f": FORMAT,
            "v": self.sequence + 1,
            "i": json.dumps(asdict(self.info), separators=(",", ":"), ensure_ascii=False),
        }
        if self.description is not None or self.tags:
            item["b"] = encode_json([self.description, self.tags])
        if self.apart:
            item["x"] = list(self.apart)
        if self.told:
            item["w"] = json.dumps(self.told, separators=(",", ":"), ensure_ascii=False)
        return Put(item, Absent() if self.sequence == 0 else self.unchanged)

    @property
    def unchanged(self) -> Any:
        """The condition that the entity is as it was read."""
        return eq("v", self.sequence)


def model_entity(item: Item) -> Entity[ModelInfo]:
    held = json.loads(item["i"])
    held["archived"] = {stage: Archiving(**moves) for stage, moves in held["archived"].items()}
    return _entity(item, ModelInfo(**held))


def version_entity(item: Item) -> Entity[VersionInfo]:
    return _entity(item, VersionInfo(**json.loads(item["i"])))


def _entity(item: Item, info: Info) -> Entity[Info]:
    description, tags = decode_json(item["b"]) if "b" in item else (None, {})
    return Entity(Key(item["pk"], item["sk"]), info, item["v"], description, tags, list(item.get("x", ())))


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """What lists say of a version: enough to place it, and to find its other entries. ``run`` is a hash."""

    number: int
    stage: str
    epoch: int
    created: int
    updated: int
    run: str | None
    prompt: bool

    def item(self, key: Key) -> dict[str, Any]:
        item: dict[str, Any] = {
            "pk": key.pk,
            "sk": key.sk,
            "f": FORMAT,
            "n": self.number,
            "s": self.stage,
            "e": self.epoch,
            "c": self.created,
            "u": self.updated,
        }
        if self.run is not None:
            item["r"] = self.run
        if self.prompt:
            item["p"] = True
        return item


def entry_of(version: Entity[VersionInfo]) -> VersionEntry:
    info = version.info
    run = keys.versions_of_run(info.run) if info.run else None
    return VersionEntry(
        version.number, info.stage, info.epoch, info.created, info.updated, run, info.prompt
    )


def read_entry(item: Item) -> VersionEntry:
    return VersionEntry(
        item["n"], item["s"], item["e"], item["c"], item["u"], item.get("r"), bool(item.get("p"))
    )


def archived_by(model: ModelInfo, stage: str, epoch: int) -> int | None:
    """Which archiving move of its stage archived a version that entered it in this epoch, if one did."""
    moves = model.archived.get(stage) if stage in ACTIVE_STAGES else None
    return epoch + 1 if moves is not None and moves.epoch > epoch else None


def stage_of(model: ModelInfo, version: VersionInfo | VersionEntry) -> str:
    """A version's stage, archiving moves counted."""
    return ARCHIVED if archived_by(model, version.stage, version.epoch) is not None else version.stage


def mark_needed(model: Entity[ModelInfo], version: VersionInfo | VersionEntry) -> Key | None:
    """The item that says when the version was archived, where the model itself does not."""
    by = archived_by(model.info, version.stage, version.epoch)
    if by is None or by == model.info.archived[version.stage].epoch:
        return None
    return keys.archiving(model.identity, version.stage, by)


def updated_of(
    model: Entity[ModelInfo], version: VersionInfo | VersionEntry, marks: Mapping[Key, Item]
) -> int:
    """When a version was last updated: a renaming of its model and an archiving move count."""
    updated = max(version.updated, model.info.renamed)
    if archived_by(model.info, version.stage, version.epoch) is None:
        return updated
    needed = mark_needed(model, version)
    if needed is None:
        return max(updated, model.info.archived[version.stage].time)
    return max(updated, marks[needed]["t"] if needed in marks else 0)


def model_version(
    model: Entity[ModelInfo],
    version: Entity[VersionInfo],
    long_tags: Mapping[str, str],
    marks: Mapping[Key, Item],
    *,
    with_aliases: bool = False,
) -> ModelVersion:
    info, number = version.info, version.number
    aliases = model.info.aliases if with_aliases else {}
    return ModelVersion(
        name=model.info.name,
        version=number,
        creation_timestamp=info.created,
        last_updated_timestamp=updated_of(model, info, marks),
        current_stage=stage_of(model.info, info),
        source=info.source,
        location=info.location,
        run_id=info.run,
        run_link=info.link,
        model_id=info.model,
        description=version.description,
        tags={**version.tags, **long_tags},
        aliases=tuple(alias for alias, of in aliases.items() if of == number),
    )


def long_tags(table: Table, entities: Iterable[Entity[Any]]) -> dict[str, dict[str, str]]:
    """The long tags of those that have any, by partition: 1 Query each."""
    found: dict[str, dict[str, str]] = {}
    for entity in entities:
        if entity.apart:
            query = Query(entity.key.pk, prefix=keys.LONG_TAG_PREFIX)
            items = {item["k"]: item for item in every(table, query)}
            found[entity.key.pk] = {
                key: decode_json(items[key]["b"]) for key in entity.apart if key in items
            }
    return found


def every(table: Table, query: Query) -> Iterable[Item]:
    """All items of a query: 1 request per MB."""
    while True:
        page = table.query(query)
        yield from page.items
        if page.after is None:
            return
        query = Query(query.pk, query.low, query.high, query.prefix, query.forward, query.limit, page.after)


def still_there(model: Entity[ModelInfo]) -> Check:
    """That the model was not deleted: its versions are swept away then."""
    return Check(model.key, Exists())


def list_key(model: Entity[ModelInfo]) -> Key:
    return keys.model_by_name(model.info.name, model.identity, prompts=model.info.prompt)


def list_put(model: Entity[ModelInfo]) -> Put:
    """The model's entry in the list by name."""
    key = list_key(model)
    return Put({"pk": key.pk, "sk": key.sk, "f": FORMAT, "n": model.info.name, "u": model.info.updated})


Answer = TypeVar("Answer")


def until_it_holds(attempt: Callable[[], Answer], pause: Callable[[int], None]) -> Answer:
    """What an attempt answers that met no conflict; after a conflict it starts over."""
    for number in range(_ATTEMPTS):
        try:
            return attempt()
        except ConditionFailed:
            pause(number)
    raise TemporarilyUnavailable("Too many writers at once changed the same registered model. Try again.")


def kind_of(model: ModelInfo) -> Kind:
    return "prompts" if model.prompt else "models"


def locate(
    table: Table, access: Access, name: str, beside: Callable[[str], Sequence[Key]] = lambda _: ()
) -> tuple[Entity[ModelInfo] | None, dict[Key, Item]]:
    """A registered model by name, and the items that ``beside`` names for its id; None as well where it is
    not to be seen.

    1 GetItem of the name, 1 BatchGetItem; both again where the model was renamed in between.
    """
    may_be_seen = access.sees("models", name) or access.sees("prompts", name)
    for _ in range(_ATTEMPTS):
        guard = table.get(keys.model_name_guard(name))
        if guard is None or not may_be_seen:
            return None, {}
        head = keys.registered_head(guard["m"])
        found = table.batch_get([head, *beside(guard["m"])])
        item = found.pop(head, None)
        model = None if item is None else model_entity(item)
        if model is not None and model.info.name == name:
            return (model, found) if access.sees(kind_of(model.info), name) else (None, {})
    raise TemporarilyUnavailable(f"Registered Model with name={name} is being renamed. Try again.")
