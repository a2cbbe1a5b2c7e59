"""Searches of registered models and model versions (``search.registry`` says what they mean).

Models are walked in the list by name, or all of its small entries are read and sorted. Versions of given
names, or of given runs, are read from the entries of these and sorted; otherwise the list of all versions
is walked by the time of update or creation, or the models by name and the versions of each. Entries are
hints: whatever is answered was read from the entities themselves. A search ends early, with the position
that it has reached, before it has spent more than its budget.

A renaming, and a stage move that archives, stand as one entry each in the list by update: there all
versions are found that it touched last, whose own entries are passed over.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Any, TypeVar

from cairn.domain.registry import ModelVersion, RegisteredModel
from cairn.errors import InvalidParameterValue
from cairn.search.order import Ordering
from cairn.search.plan import LAST, Pause
from cairn.search.registry import ModelSearch, VersionSearch
from cairn.storage import keys
from cairn.storage.limits import item_size
from cairn.storage.registered_models import RegisteredModels, registered_model
from cairn.storage.registry_items import (
    Entity,
    ModelInfo,
    VersionEntry,
    VersionInfo,
    entry_of,
    long_tags,
    mark_needed,
    model_entity,
    model_version,
    read_entry,
    stage_of,
    updated_of,
    version_entity,
)
from cairn.storage.table import Item, Key, Query, Table

READ_UNITS = 3_400
"""A search stops here; one more batch of 100 stays below the promised 4,000."""

_BATCH = 100
_MORE = 25  # entities that are read at least where a batch did not fill the page
_PAGE = 1_000

Model = Entity[ModelInfo]
Version = Entity[VersionInfo]
Found = TypeVar("Found")


@dataclass(slots=True)
class _Row:
    """A version that a list showed: enough of it to sort, and the rest where that was read already."""

    model: Model
    entry: VersionEntry
    light: ModelVersion
    version: Version | None = None


@dataclass(slots=True)
class _Size:
    """How many to read next: what the page still lacks, and more where not everything matches."""

    expected: int
    read: int = 0
    matched: int = 0

    def next(self) -> int:
        lacking = max(self.expected - self.matched, 1)
        return min(_BATCH, lacking if self.matched == self.read else max(lacking, _MORE))

    def count(self, read: int, matched: int) -> None:
        self.read += read
        self.matched += matched


@dataclass(slots=True)
class _Reader:
    """A table and what a search may still read of it, in read units."""

    table: Table
    units: float = READ_UNITS
    models: dict[str, Model | None] = field(default_factory=dict)

    @property
    def is_spent(self) -> bool:
        return self.units <= 0

    def batch(self, wanted: Sequence[Key]) -> dict[Key, Item]:
        found = self.table.batch_get(wanted)
        self.units -= sum(-(-item_size(item) // 4_096) for item in found.values())
        self.units -= len(set(wanted)) - len(found)
        return found

    def pages(self, query: Query, first: int = _PAGE, then: int | None = None) -> Iterator[Sequence[Item]]:
        """The items of a query, page by page; the later pages have ``then`` items at most."""
        query = replace(query, limit=min(max(first, 10), _PAGE))
        while True:
            page = self.table.query(query)
            self.units -= max(1, -(-sum(map(item_size, page.items)) // 4_096))
            yield page.items
            if page.after is None:
                return
            query = replace(query, after=page.after, limit=then)

    def every(self, query: Query) -> list[Item]:
        return [item for page in self.pages(replace(query, limit=None)) for item in page]

    def load(self, model_ids: Iterable[str]) -> None:
        """Read the models that are not known yet."""
        new = [model for model in dict.fromkeys(model_ids) if model not in self.models]
        found = self.batch([keys.registered_head(model) for model in new])
        for model in new:
            item = found.get(keys.registered_head(model))
            self.models[model] = None if item is None else model_entity(item)

    def named(self, names: Iterable[str]) -> list[Model]:
        """The models of these names, those that there are."""
        guards = self.batch([keys.model_name_guard(name) for name in names])
        model_ids = [item["m"] for item in guards.values()]
        self.load(model_ids)
        return [model for one in model_ids if (model := self.models[one]) is not None]


class RegistryIndex:
    """Searches on a table (``services.ports.RegistryIndex``)."""

    def __init__(self, table: Table, models: RegisteredModels, units: float = READ_UNITS) -> None:
        self._table = table
        self._models = models
        self._units = units

    def search_models(self, search: ModelSearch) -> Iterator[RegisteredModel | Pause]:
        """1 Query per 1,000 names walked (less at first), or per MB of names where the order is by time; 1
        BatchGetItem per 99 models; 1 per 100 of their latest versions."""
        reader = _Reader(self._table, self._units)
        lights = _after(search.ordering, search.after, self._names(reader, search))
        size = _Size(search.expected)
        while chunk := list(islice(lights, size.next())):
            reader.load(model for model, light in chunk)
            models = [found for model, _ in chunk if (found := reader.models[model]) is not None]
            tags = long_tags(self._table, models)
            matching = [
                model
                for model in models
                if search.meets(registered_model(model, (), tags.get(model.key.pk, {})))
            ]
            reader.units -= sum(len(model.info.latest) for model in matching)
            size.count(len(chunk), len(matching))
            yield from self._models.whole(matching)
            if reader.is_spent:
                yield Pause(search.ordering.position(chunk[-1][1]))
                return

    def search_versions(self, search: VersionSearch) -> Iterator[ModelVersion | Pause]:
        """1 BatchGetItem of names, or 1 Query per run; 1 Query per MB of a name's entries; without names
        and runs 1 Query per 1,000 entries walked (less at first); 1 BatchGetItem per 99 models and 99
        versions."""
        reader = _Reader(self._table, self._units)
        walk = _Versions(reader, search)
        rows = _after(search.ordering, search.after, ((row, row.light) for row in walk.rows()))
        last: ModelVersion | None = None
        size = _Size(search.expected)
        while chunk := list(islice(rows, size.next())):
            found = list(walk.matching([row for row, _ in chunk]))
            size.count(len(chunk), len(found))
            yield from found
            last = chunk[-1][1]
            if reader.is_spent or walk.paused is not None:
                break
        if walk.paused is not None:
            yield Pause(search.ordering.position(walk.paused))
        elif reader.is_spent and last is not None:
            yield Pause(search.ordering.position(last))

    def _names(self, reader: _Reader, search: ModelSearch) -> Iterator[tuple[str, RegisteredModel]]:
        """Ids and what sorts them, in order."""
        if search.names is not None:
            found = [(one.identity, _light_model(one.info.name, one.info.updated))
                     for one in reader.named(search.names)]  # fmt: skip
            yield from sorted(found, key=lambda row: search.ordering.key(search.ordering.position(row[1])))
            return
        if search.by_name:
            start = None if search.after is None else str(search.after[0][1])
            for item in names(
                reader, search.prompts, search.prefix, search.ascending, start, search.expected
            ):
                if search.of_name(item["n"]):
                    yield item["sk"][-16:], _light_model(item["n"], item["u"])
            return
        items = [
            item
            for prompts in search.prompts
            for item in reader.every(_named_like(prompts, search.prefix))
            if search.of_name(item["n"])
        ]
        lights = [(item["sk"][-16:], _light_model(item["n"], item["u"])) for item in items]
        yield from sorted(lights, key=lambda row: search.ordering.key(search.ordering.position(row[1])))


def names(
    reader: _Reader,
    prompts: Sequence[bool],
    prefix: str,
    ascending: bool,
    start: str | None,
    expected: int,
) -> Iterator[Item]:
    """Entries of the list by name, from a name on, in order. Long names are cut in keys: those of one
    beginning are sorted here."""
    walks = [_walked(reader, _named_like(one, prefix), ascending, start, expected) for one in prompts]
    if len(walks) == 1:
        yield from walks[0]
        return
    yield from sorted((item for walk in walks for item in walk), key=_name_of, reverse=not ascending)


def _walked(
    reader: _Reader, query: Query, ascending: bool, start: str | None, expected: int
) -> Iterator[Item]:
    if start is not None:
        edge = keys.name_prefix(start)
        bounded = replace(query, low=max(query.low or "", edge)) if ascending else None
        query = bounded or replace(query, high=min(query.high or LAST, edge + LAST))
    query = replace(query, forward=ascending)
    items = (item for page in reader.pages(query, expected + 10) for item in page)
    for _, group in groupby(items, lambda item: item["sk"][:-16]):
        yield from sorted(group, key=_name_of, reverse=not ascending)


def _name_of(item: Item) -> str:
    name: str = item["n"]
    return name


def _named_like(prompts: bool, prefix: str) -> Query:
    low = keys.name_prefix(prefix) if prefix else None
    return Query(keys.model_list(prompts=prompts), low=low, high=None if low is None else low + LAST)


class _Versions:
    """The rows of a search of versions, and what becomes of them. ``paused``: the walk met so many entries
    that stand for nothing that it stopped, before this."""

    def __init__(self, reader: _Reader, search: VersionSearch) -> None:
        self._reader = reader
        self._search = search
        self.paused: ModelVersion | None = None

    def rows(self) -> Iterator[_Row]:
        search = self._search
        if search.names is not None:
            models = self._reader.named(search.names)
            return self._sorted([row for model in models for row in self._of_model(model)])
        if search.run_ids is not None:
            return self._sorted(self._of_runs(search.run_ids))
        if search.walk == "name":
            return self._by_name()
        if search.walk == "version":
            return self._sorted(self._all())
        return self._by_time()

    def matching(self, rows: Sequence[_Row]) -> Iterator[ModelVersion]:
        search = self._search
        rows = [row for row in rows if self._sees(row.model)]
        unread = [row for row in rows if row.version is None]
        found = self._reader.batch(
            [keys.version_head(row.model.identity, row.entry.number) for row in unread]
        )
        for row in unread:
            item = found.get(keys.version_head(row.model.identity, row.entry.number))
            row.version = None if item is None else version_entity(item)
        whole = [(row.model, row.version) for row in rows if row.version is not None]
        marks = self._marks((model, version.info) for model, version in whole)
        tags = long_tags(self._reader.table, [version for _, version in whole])
        for model, version in whole:
            entity = model_version(model, version, tags.get(version.key.pk, {}), marks)
            if search.meets(entity):
                yield entity

    def _sees(self, model: Model) -> bool:
        hidden = model.info.prompts > 0 and not self._search.prompts
        return not hidden and self._search.of_name(model.info.name)

    def _sorted(self, rows: Iterable[_Row]) -> Iterator[_Row]:
        ordering = self._search.ordering
        return iter(sorted(rows, key=lambda row: ordering.key(ordering.position(row.light))))

    def _of_model(self, model: Model, low: int | None = None, high: int | None = None) -> list[_Row]:
        """All versions of a model, or those of a range of numbers."""
        if not self._sees(model):
            return []
        query = Query(keys.registered_partition(model.identity), prefix=keys.VERSION_PREFIX)
        if low is not None and high is not None:
            first, last = (keys.version_entry(model.identity, number).sk for number in (high, low))
            query = Query(query.pk, low=first, high=last)
        entries = [read_entry(item) for item in self._reader.every(query)]
        marks = self._marks((model, entry) for entry in entries)
        return [_Row(model, entry, _light(model, entry, marks)) for entry in entries]

    def _marks(self, versions: Iterable[tuple[Model, VersionInfo | VersionEntry]]) -> dict[Key, Item]:
        needed = {mark_needed(model, version) for model, version in versions}
        return self._reader.batch([key for key in needed if key is not None])

    def _of_runs(self, run_ids: Sequence[str]) -> list[_Row]:
        places = []
        for run_id in run_ids:
            for item in self._reader.every(Query(keys.versions_of_run(run_id))):
                model, _, number = item["sk"].partition("#")
                places.append((model, int(number, 16)))
        return self._read(places)

    def _read(self, places: Sequence[tuple[str, int]]) -> list[_Row]:
        """Rows of versions by model id and number."""
        self._reader.load(model for model, _ in places)
        known = [
            (found, number) for model, number in places if (found := self._reader.models[model]) is not None
        ]
        seen = [(model, number) for model, number in known if self._sees(model)]
        items = self._reader.batch([keys.version_head(model.identity, number) for model, number in seen])
        versions = [
            (model, version_entity(items[key]))
            for model, number in seen
            if (key := keys.version_head(model.identity, number)) in items
        ]
        marks = self._marks((model, version.info) for model, version in versions)
        return [
            _Row(model, entry, _light(model, entry, marks), version)
            for model, version in versions
            for entry in (entry_of(version),)
        ]

    def _by_name(self) -> Iterator[_Row]:
        search = self._search
        start = None if search.after is None else str(search.after[0][1])
        for item in names(self._reader, (False, True), "", search.ascending, start, search.expected):
            if search.of_name(item["n"]):
                self._reader.load([item["sk"][-16:]])
                model = self._reader.models[item["sk"][-16:]]
                yield from self._sorted(self._of_model(model)) if model is not None else ()
            if self._reader.is_spent:
                self.paused = self._edge(item["n"], 0)
                return

    def _all(self) -> list[_Row]:
        """Everything there is, where no list gives the order."""
        places = []
        query = Query(keys.VERSIONS_BY_CREATION)
        for page in self._reader.pages(query):
            places += [_place(item) for item in page]
            if self._reader.is_spent or len(places) > READ_UNITS:
                raise InvalidParameterValue(
                    "There are too many model versions to order them by number alone. Filter by name or "
                    "run_id, or order by name or time first."
                )
        return self._read(places)

    def _by_time(self) -> Iterator[_Row]:
        """Groups of one time each, in the order of the search."""
        search, reader = self._search, self._reader
        by_update = search.walk == "last_updated_timestamp"
        query = Query(
            keys.VERSIONS_BY_UPDATE if by_update else keys.VERSIONS_BY_CREATION, forward=search.ascending
        )
        if search.after is not None:
            edge = keys.ascending(int(search.after[0][1]))
            query = replace(query, low=edge) if search.ascending else replace(query, high=edge + LAST)
        waiting: list[Item] = []
        for page in reader.pages(query, search.expected + 10, _PAGE if by_update else _BATCH):
            reader.load(map(_model_of, page))
            items = [*waiting, *page]
            # the last group may go on behind the page's edge
            last = _time_of(items[-1]) if items else ""
            whole = [item for item in items if _time_of(item) != last]
            waiting = [item for item in items if _time_of(item) == last]
            yield from self._groups(whole, by_update)
            if reader.is_spent and waiting:
                self.paused = self._edge(None, keys.from_ascending(last))
                return
        yield from self._groups(waiting, by_update)

    def _groups(self, items: Sequence[Item], by_update: bool) -> Iterator[_Row]:
        """The rows of entries that come in the order of their times; those of one time are sorted."""
        if by_update:
            own = [
                (self._reader.models[_model_of(item)], read_entry(item)) for item in items if "n" in item
            ]
            marks = self._marks((model, entry) for model, entry in own if model is not None)
            for time, group in groupby(items, _time_of):
                yield from self._updated_at(keys.from_ascending(time), list(group), marks)
            return
        rows = self._read([_place(item) for item in items])
        for _, made in groupby(rows, lambda row: row.light.creation_timestamp):
            yield from self._sorted(made)

    def _updated_at(self, time: int, items: Sequence[Item], marks: dict[Key, Item]) -> Iterator[_Row]:
        """Entries count for the versions that this time touched last: others stand elsewhere. (Which of two
        writers' clocks was ahead does not matter.)"""
        rows: dict[tuple[str, int], _Row] = {}
        for item in items:
            model = self._reader.models[_model_of(item)]
            if model is None or not self._sees(model):
                continue
            if "n" in item:
                entry = read_entry(item)
                found = [_Row(model, entry, _light(model, entry, marks))]
            elif "h" in item:
                found = self._of_model(model, item["l"], item["h"])
            else:
                found = self._of_model(model)
            for row in found:
                if row.light.last_updated_timestamp == time:
                    rows[row.model.identity, row.entry.number] = row
        return self._sorted(rows.values())

    def _edge(self, name: str | None, time: int) -> ModelVersion:
        """A version that would come first among those of a name, or of a time."""
        columns = self._search.ordering.columns
        descends = any(column.text and not column.ascending for column in columns)
        return ModelVersion(name or (LAST * 64 if descends else ""), 2**32, time, time)


def _after(
    ordering: Ordering[Any], after: Any, rows: Iterable[tuple[Found, Any]]
) -> Iterator[tuple[Found, Any]]:
    """The rows behind a position; they come in order."""
    if after is None:
        return iter(rows)
    floor = ordering.key(after)
    return (row for row in rows if ordering.key(ordering.position(row[1])) > floor)


def _light(model: Model, entry: VersionEntry, marks: dict[Key, Item]) -> ModelVersion:
    return ModelVersion(
        model.info.name,
        entry.number,
        entry.created,
        updated_of(model, entry, marks),
        stage_of(model.info, entry),
    )


def _light_model(name: str, updated: int) -> RegisteredModel:
    return RegisteredModel(name, 0, updated)


def _time_of(item: Item) -> str:
    time: str = item["sk"][:16]
    return time


def _model_of(item: Item) -> str:
    model: str = item["sk"].split("#")[1]
    return model


def _place(item: Item) -> tuple[str, int]:
    """Model id and number of an entry in a list of versions."""
    _, model, number = item["sk"].split("#")
    return model, int(number, 16)
