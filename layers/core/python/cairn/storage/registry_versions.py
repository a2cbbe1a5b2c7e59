"""Searches of model versions: from which lists the rows come, and in which order.

A renaming, and a stage move that archives, stand as one entry each in the list by update: there all
versions are found that it touched last, whose own entries are passed over.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from cairn.domain.registry import ModelVersion
from cairn.errors import InvalidParameterValue
from cairn.search.order import VALUE, Column, Position
from cairn.search.plan import LAST
from cairn.search.registry import VersionSearch
from cairn.search.tree import Scalar
from cairn.storage import keys
from cairn.storage.registry_items import (
    Entity,
    VersionEntry,
    VersionInfo,
    entry_of,
    long_tags,
    mark_needed,
    model_version,
    read_entry,
    stage_of,
    updated_of,
    version_entity,
)
from cairn.storage.registry_reader import Model, Reader, names
from cairn.storage.table import Item, Key, Query

_BATCH = 100
_STRIDE = 200  # entries by update that are read together, each perhaps of another model
_AHEAD = 25  # models whose names are next, read together

Version = Entity[VersionInfo]


@dataclass(slots=True)
class Row:
    """A version that a list showed: enough of it to sort, and the rest where that was read already."""

    model: Model
    entry: VersionEntry
    light: ModelVersion
    version: Version | None = None


class Versions:
    """The rows of a search of versions, and what becomes of them. ``paused``: the walk met so many entries
    that stand for nothing that it stopped, before this position."""

    def __init__(self, reader: Reader, search: VersionSearch) -> None:
        self._reader = reader
        self._search = search
        self.paused: Position | None = None

    def rows(self) -> Iterator[Row]:
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

    def matching(self, rows: Sequence[Row]) -> Iterator[ModelVersion]:
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
        entities = [
            model_version(model, version, tags.get(version.key.pk, {}), marks) for model, version in whole
        ]
        search.look(entities)
        yield from filter(search.meets, entities)

    def _sees(self, model: Model) -> bool:
        hidden = model.info.prompts > 0 and not self._search.prompts
        return not hidden and self._search.of_name(model.info.name)

    def _sorted(self, rows: Iterable[Row]) -> Iterator[Row]:
        ordering = self._search.ordering
        return iter(sorted(rows, key=lambda row: ordering.key(ordering.position(row.light))))

    def _of_model(self, model: Model, low: int | None = None, high: int | None = None) -> list[Row]:
        """All versions of a model, or those of a range of numbers."""
        if not self._sees(model):
            return []
        query = Query(keys.registered_partition(model.identity), prefix=keys.VERSION_PREFIX)
        if low is not None and high is not None:
            first, last = (keys.version_entry(model.identity, number).sk for number in (high, low))
            query = Query(query.pk, low=first, high=last)
        entries = [read_entry(item) for item in self._reader.every(query)]
        marks = self._marks((model, entry) for entry in entries)
        return [Row(model, entry, _light(model, entry, marks)) for entry in entries]

    def _marks(self, versions: Iterable[tuple[Model, VersionInfo | VersionEntry]]) -> dict[Key, Item]:
        needed = {mark_needed(model, version) for model, version in versions}
        return self._reader.batch([key for key in needed if key is not None])

    def _of_runs(self, run_ids: Sequence[str]) -> list[Row]:
        places = []
        for run_id in run_ids:
            for item in self._reader.every(Query(keys.versions_of_run(run_id))):
                model, _, number = item["sk"].partition("#")
                places.append((model, int(number, 16)))
        return self._read(places)

    def _read(self, places: Sequence[tuple[str, int]]) -> list[Row]:
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
            Row(model, entry, _light(model, entry, marks), version)
            for model, version in versions
            for entry in (entry_of(version),)
        ]

    def _by_name(self) -> Iterator[Row]:
        """1 BatchGetItem of some models, 1 Query for each that has versions; pauses before a model."""
        search, reader = self._search, self._reader
        start = None if search.after is None else str(search.after[0][1])
        walk = names(reader, (False, True), "", search.ascending, start, search.expected)
        wanted = (item for item in walk if search.of_name(item["n"]))
        while batch := list(islice(wanted, _AHEAD)):
            reader.load(item["sk"][-16:] for item in batch)
            for number, item in enumerate(batch):
                if number and reader.is_spent:
                    self.paused = self._edge(item["n"])
                    return
                model = reader.models[item["sk"][-16:]]
                if model is not None and model.info.latest:
                    yield from self._sorted(self._of_model(model))

    def _all(self) -> list[Row]:
        """Everything there is, where no list gives the order."""
        places = []
        query = Query(keys.VERSIONS_BY_CREATION)
        for page in self._reader.pages(query):
            places += [_place(item) for item in page]
            if self._reader.is_spent or len(places) > self._reader.budget.bounds.units:
                raise InvalidParameterValue(
                    "There are too many model versions to order them by number alone. Filter by name or "
                    "run_id, or order by name or time first."
                )
        return self._read(places)

    def _by_time(self) -> Iterator[Row]:
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
        passed = False  # a time, at least: the next request begins behind it
        for page in reader.pages(query, search.expected + 10, _STRIDE if by_update else _BATCH):
            reader.load(map(_model_of, page))
            items = [*waiting, *page]
            # the last group may go on behind the page's edge
            last = _time_of(items[-1]) if items else ""
            whole = [item for item in items if _time_of(item) != last]
            waiting = [item for item in items if _time_of(item) == last]
            yield from self._groups(whole, by_update)
            passed = passed or bool(whole)
            if reader.is_spent and passed:
                self.paused = self._edge(keys.from_ascending(last))
                return
        yield from self._groups(waiting, by_update)

    def _groups(self, items: Sequence[Item], by_update: bool) -> Iterator[Row]:
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

    def _updated_at(self, time: int, items: Sequence[Item], marks: dict[Key, Item]) -> Iterator[Row]:
        """Entries count for the versions that this time touched last: others stand elsewhere. (Which of two
        writers' clocks was ahead does not matter.)"""
        rows: dict[tuple[str, int], Row] = {}
        for item in items:
            model = self._reader.models[_model_of(item)]
            if model is None or not self._sees(model):
                continue
            if "n" in item:
                entry = read_entry(item)
                found = [Row(model, entry, _light(model, entry, marks))]
            elif "h" in item:
                found = self._of_model(model, item["l"], item["h"])
            else:
                found = self._of_model(model)
            for row in found:
                if row.light.last_updated_timestamp == time:
                    rows[row.model.identity, row.entry.number] = row
        return self._sorted(rows.values())

    def _edge(self, value: str | int) -> Position:
        """Before all rows of a name, or of a time, whatever they are ordered by then."""
        rest = (_first(column) for column in self._search.ordering.columns[1:])
        return ((VALUE, value), *rest)


def _light(model: Model, entry: VersionEntry, marks: dict[Key, Item]) -> ModelVersion:
    return ModelVersion(
        model.info.name,
        entry.number,
        entry.created,
        updated_of(model, entry, marks),
        stage_of(model.info, entry),
    )


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


def _first(column: Column[ModelVersion]) -> tuple[int, Scalar]:
    """What comes before every value of a column."""
    if column.text:
        return VALUE, "" if column.ascending else LAST * 64
    return VALUE, keys.MIN_INT64 if column.ascending else keys.MAX_INT64
