"""The list of all experiments, twice: short entries, and detailed ones with locations and small tags.

Entries are written in one transaction with the experiment's head or tag, so they never differ from it. A
search in the default order walks the detailed list and costs its page. Any other order needs a pass over
everything: over the short list, whose entries are a third as large, where few rows are shown of many and
the filter names no tag. A pass that spends its budget goes on by token, in which the best rows travel.
"""

import heapq
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from cairn.domain.access import Access
from cairn.domain.entities import Experiment
from cairn.errors import InvalidParameterValue
from cairn.search.cursor import RESUMED
from cairn.search.experiments import ExperimentSearch
from cairn.search.order import Position, SortKey
from cairn.search.plan import Pause
from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, Exists, Remove, Set
from cairn.storage.granted import experiment_entries
from cairn.storage.limits import item_size
from cairn.storage.meter import read_units
from cairn.storage.table import Item, Key, Put, Query, Table, Update

READ_UNITS = 1_000
"""A search stops here: some 50,000 short entries, whose decoding takes a function about a second. What it
reads last (a page of 1 MB, or 100 tags of 80 KB) keeps it below the promised 4,000."""

_TAG = "#"  # + key: an attribute of a detailed entry; True for a value that is too long for it
_MORE = "m"  # there are tags that the entry does not name
_TAG_BYTES = 100  # of a value in an entry
_TAGS_BYTES = 320  # of all tags in an entry: a pass over the detailed list pays them for every experiment
_TAGS_AT_ONCE = 100  # values that one BatchGetItem reads
_STRIDE = 500  # entries of each shard that a walk reads ahead at most
_SHOWN = 50  # rows that are filled together
_HELD = 50  # best rows that travel in a token
_SHORTER = 34  # 4 KB hold so many more short entries than detailed ones (about 76 and 200 bytes)
_Row = tuple[SortKey, Item, Experiment]
_POSITION = re.compile("[0-9a-f]{32}")


def entry_puts(experiment: str, shown: Experiment) -> list[Put]:
    """A new experiment's two entries."""
    short = {"f": FORMAT, "n": shown.name, "s": shown.lifecycle_stage, "u": shown.last_update_time}
    detailed: dict[str, Any] = {**short, "l": shown.artifact_location}
    for tag, value in shown.tags.items():
        _keep(detailed, tag, value)
    puts = []
    for kind, attributes in ((keys.LISTED, short), (keys.DETAILED, detailed)):
        key = keys.experiment_list_entry(kind, experiment, shown.creation_time)
        puts.append(Put({"pk": key.pk, "sk": key.sk, **attributes}, Absent()))
    return puts


def entry_updates(experiment: str, created: int, changes: Mapping[str, str | int]) -> list[Update]:
    """Changes of ``n`` (name), ``s`` (stage) and ``u`` (updated) in both entries."""
    actions = tuple(Set(name, value) for name, value in changes.items())
    return [
        Update(keys.experiment_list_entry(kind, experiment, created), actions, Exists())
        for kind in (keys.LISTED, keys.DETAILED)
    ]


def tag_update(entry: Item, key: str, value: str | None) -> Update:
    """The change of a detailed entry that goes with a tag, None for a deleted one. Two tags that are set at
    once may pass the entry's limit together, which costs a few bytes."""
    changed = {name: held for name, held in entry.items() if name != _TAG + key}
    if value is not None:
        _keep(changed, key, value)
    name = _TAG + key
    actions = [Set(name, changed[name]) if name in changed else Remove(name)]
    if _MORE in changed and _MORE not in entry:
        actions.append(Set(_MORE, 1))
    return Update(Key(entry["pk"], entry["sk"]), tuple(actions), Exists())


def _keep(entry: dict[str, Any], key: str, value: str) -> None:
    kept: str | bool = value if len(value.encode()) <= _TAG_BYTES else True
    tags = {name: held for name, held in entry.items() if name.startswith(_TAG)}
    if item_size(tags | {_TAG + key: kept}) <= _TAGS_BYTES:
        entry[_TAG + key] = kept
    else:
        entry[_MORE] = 1


class Listing:
    """Walks and searches of the list."""

    def __init__(self, table: Table, access: Access) -> None:
        self._table = table
        self._access = access

    def scan(self, *, with_tags: bool) -> Iterator[Experiment]:
        """Every experiment, the newest first: 1 Query per 500 of a shard; with tags as in ``search``."""
        execution = _Execution(self._table, self._access)
        walk = execution.walk(None, 4 * _STRIDE)
        if not with_tags:
            yield from filter(execution.sees, map(_experiment, walk))
            return
        while batch := list(islice(walk, _SHOWN)):
            rows = [(entry, _experiment(entry)) for entry in batch]
            for filled in execution.filled([row for row in rows if execution.sees(row[1])]):
                yield from filled

    def search(self, search: ExperimentSearch) -> Iterator[Experiment | Pause]:
        """The experiments that match, with their tags, in order; a Pause as the last where the budget
        ended.

        Default order: 4 Queries of the page's entries. Else a pass: 1 GetItem of the counter and 4 Queries
        (more past 1 MB each), 1 BatchGetItem per 100 rows shown where it went over the short list.
        Tags that are long: 1 BatchGetItem per 100; 1 Query for an experiment with many. Where the caller's
        grants name few experiments, these are read in place of the list (``granted``).
        """
        execution = _Execution(self._table, self._access)
        if search.ordering.natural:
            return execution.walked(search)
        return execution.passed(search)


class _Execution:
    def __init__(self, table: Table, access: Access) -> None:
        self._table = table
        self._access = access
        self._left = float(READ_UNITS)
        self._own = experiment_entries(access, self._read)

    def sees(self, one: Experiment) -> bool:
        return self._access.sees("experiments", one.name, one.experiment_id)

    def walk(self, after: str | None, expected: int) -> Iterator[Item]:
        """Detailed entries from behind a position: as many as are expected, spread over the shards."""
        if self._own is not None:
            return (entry for entry in self._own if after is None or entry["sk"] > after)
        limit = min(expected // keys.LIST_SHARDS + 8, _STRIDE)
        lists = [keys.experiment_list(keys.DETAILED, shard) for shard in range(keys.LIST_SHARDS)]
        return heapq.merge(*(self._shard(pk, after, limit) for pk in lists), key=_sort_key)

    def walked(self, search: ExperimentSearch) -> Iterator[Experiment | Pause]:
        """In the default order, from behind ``after``."""
        walk = self.walk(_start(search.after), search.expected)
        wanted = search.expected
        while batch := list(islice(walk, min(max(wanted, 10), _at_once(search) or _SHOWN, _SHOWN))):
            for filled in self.filled(self._meeting(search, batch)):
                yield from filled
                wanted -= len(filled)
                if self._left <= 0 and filled:
                    yield Pause(search.ordering.position(filled[-1]))
                    return
            if self._left <= 0:
                yield Pause(search.ordering.position(_experiment(batch[-1])))
                return

    def passed(self, search: ExperimentSearch) -> Iterator[Experiment | Pause]:
        """In any order: the first ones of all that match, by a pass over everything."""
        place, most = search.ordering.position, search.expected
        floor = None if search.after is None else search.ordering.key(search.after)
        resumed = None if search.resumed is None else self._resume(search.resumed)
        if resumed is not None:
            most = min(most, _HELD)
        best: list[_Row] = []
        shard, start, held = resumed or (0, "", [])
        batches = chain([(shard, start, held)], self._batches(search, shard, start))
        for shard, start, batch in batches:
            keyed = ((search.ordering.key(place(one)), e, one) for e, one in self._meeting(search, batch))
            behind = (row for row in keyed if floor is None or row[0] > floor)
            best = heapq.nsmallest(most, [*best, *behind], key=_first)
            if self._left <= 0 and batch is not held:
                reached = json.dumps([shard, start, *(entry["sk"] for _, entry, _ in best[:_HELD])])
                yield Pause(((RESUMED, reached), *(search.after or ())))
                return
        yield from self._shown(search, [(entry, one) for _, entry, one in best])
        if best and len(best) == most < search.expected:
            yield Pause(place(best[-1][2]))

    def _batches(
        self, search: ExperimentSearch, shard: int, start: str
    ) -> Iterator[tuple[int, str, Sequence[Item]]]:
        """Everything from a place on: shard and sort key that are reached with each batch, and the batch. A
        page of a query is one batch, unless tags are read for its entries."""
        kind, size = self._kind(search), _at_once(search)
        for number in range(shard, keys.LIST_SHARDS):
            after = start if number == shard and start else None
            for page in self._list(kind, number, after):
                for first in range(0, len(page), size or len(page)):
                    batch = page[first : first + size] if size else page
                    yield number, batch[-1]["sk"], batch

    def _list(self, kind: str, number: int, after: str | None) -> Iterator[Sequence[Item]]:
        """A shard from a place on."""
        if self._own is None:
            yield from self._pages(Query(keys.experiment_list(kind, number), after=after))
            return
        own = [entry for entry in self._own if keys.list_shard(_hex(entry)) == number]
        if page := [entry for entry in own if after is None or entry["sk"] > after]:
            yield page

    def filled(self, rows: Sequence[tuple[Item, Experiment]]) -> Iterator[list[Experiment]]:
        """The experiments with all their tags, as many at a time as one BatchGetItem reads the tags of."""
        group: list[tuple[Item, Experiment]] = []
        wanted: list[Key] = []
        for entry, one in rows:
            apart = [
                keys.experiment_tag(_hex(entry), name[1:])
                for name, held in entry.items()
                if held is True and _MORE not in entry
            ]
            if group and len(wanted) + len(apart) > _TAGS_AT_ONCE:
                yield self._with_tags(group, wanted)
                group, wanted = [], []
            group.append((entry, one))
            wanted += apart
        if group:
            yield self._with_tags(group, wanted)

    def _shown(
        self, search: ExperimentSearch, rows: Sequence[tuple[Item, Experiment]]
    ) -> Iterator[Experiment | Pause]:
        for first in range(0, len(rows), _TAGS_AT_ONCE):
            for filled in self.filled(self._detailed(rows[first : first + _TAGS_AT_ONCE])):
                yield from filled
                if self._left <= 0:
                    yield Pause(search.ordering.position(filled[-1]))
                    return

    def _kind(self, search: ExperimentSearch) -> str:
        """Which list a pass reads: with N experiments of about 200 bytes, or of 76 and a unit per row."""
        if search.tag_keys or self._own is not None:
            return keys.DETAILED
        counter = self._table.get(keys.COUNTER, consistent=False)
        self._left -= 0.5
        return keys.LISTED if counter and search.expected * _SHORTER < counter["n"] else keys.DETAILED

    def _meeting(self, search: ExperimentSearch, entries: Sequence[Item]) -> list[tuple[Item, Experiment]]:
        """Those that meet the filter; tags that it names and the entry does not hold are read."""
        rows = [
            (entry, one)
            for entry in entries
            if (one := _experiment(entry)).lifecycle_stage in search.stages
            and self.sees(one)
            and search.passes(one)
        ]
        if not search.tag_keys:
            return rows
        unknown = [
            keys.experiment_tag(_hex(entry), key)
            for entry, _ in rows
            for key in search.tag_keys
            if not isinstance(entry.get(_TAG + key), str) and (_TAG + key in entry or _MORE in entry)
        ]
        found = self._read(unknown)
        tags: dict[str, dict[str, str]] = {}
        for key, item in found.items():
            tags.setdefault(key.pk, {})[key.sk[len(keys.TAG_PREFIX) :]] = item["t"]
        whole = (
            (entry, replace(one, tags={**one.tags, **tags.get(keys.experiment_partition(_hex(entry)), {})}))
            for entry, one in rows
        )
        return [(entry, one) for entry, one in whole if search.meets(one)]

    def _detailed(self, rows: Sequence[tuple[Item, Experiment]]) -> list[tuple[Item, Experiment]]:
        """With what the detailed list has, for those of the short one; what both have stays as found."""
        details = self._read([_detail_key(entry["sk"]) for entry, _ in rows if "l" not in entry])
        whole = ((details.get(_detail_key(entry["sk"]), entry), one) for entry, one in rows)
        return [
            (entry, replace(one, artifact_location=entry["l"], tags=_tags(entry))) for entry, one in whole
        ]

    def _with_tags(self, group: Sequence[tuple[Item, Experiment]], wanted: list[Key]) -> list[Experiment]:
        found = self._read(wanted)
        return [replace(one, tags=self._all_tags(entry, found)) for entry, one in group]

    def _all_tags(self, entry: Item, found: Mapping[Key, Item]) -> dict[str, str]:
        experiment = _hex(entry)
        if _MORE in entry:
            pk = keys.experiment_partition(experiment)
            own = chain.from_iterable(self._pages(Query(pk, prefix=keys.TAG_PREFIX)))
            return {item["sk"][len(keys.TAG_PREFIX) :]: item["t"] for item in own}
        tags = _tags(entry)
        for name, held in entry.items():
            if held is True and (item := found.get(keys.experiment_tag(experiment, name[1:]))) is not None:
                tags[name[1:]] = item["t"]
        return tags

    def _shard(self, pk: str, after: str | None, limit: int) -> Iterator[Item]:
        for page in self._pages(Query(pk, limit=limit, after=after)):
            yield from page

    def _pages(self, query: Query) -> Iterator[Sequence[Item]]:
        """The pages that are not empty; each is twice as long as the one before, up to ``_STRIDE``."""
        while True:
            page = self._table.query(query)
            self._left -= read_units(sum(map(item_size, page.items)), consistent=True)
            if page.items:
                yield page.items
            if page.after is None:
                return
            limit = None if query.limit is None else min(2 * query.limit, _STRIDE)
            query = replace(query, after=page.after, limit=limit)

    def _read(self, wanted: Sequence[Key]) -> dict[Key, Item]:
        found = self._table.batch_get(wanted)
        sizes = (item_size(found[key]) if key in found else 0 for key in wanted)
        self._left -= sum(read_units(size, consistent=True) for size in sizes)
        return found

    def _resume(self, text: str) -> tuple[int, str, list[Item]]:
        """Where an earlier request stopped, and the best rows that it had found."""
        try:
            shard, start, *held = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            shard, start, held = None, None, []
        if shard not in range(keys.LIST_SHARDS) or not all(
            isinstance(one, str) and _POSITION.fullmatch(one) for one in (start, *held)
        ):
            raise InvalidParameterValue("Invalid page token, its position cannot be read")
        return shard, start, list(self._read([_detail_key(one) for one in held[:_HELD]]).values())


def _experiment(entry: Item) -> Experiment:
    """As far as the entry knows it."""
    experiment, created = keys.experiment_of_position(entry["sk"])
    location = entry.get("l", "")
    number = str(int(experiment, 16))
    return Experiment(number, entry["n"], location, entry["s"], created, entry["u"], _tags(entry))


def _tags(entry: Item) -> dict[str, str]:
    return {
        name[1:]: held for name, held in entry.items() if name.startswith(_TAG) and isinstance(held, str)
    }


def _at_once(search: ExperimentSearch) -> int:
    """Entries whose tags are read together at most; 0 where the filter names none."""
    return max(1, _TAGS_AT_ONCE // len(search.tag_keys)) if search.tag_keys else 0


def _start(after: Position | None) -> str | None:
    """A position of the default order, which begins with creation time and id, as a sort key."""
    if after is None:
        return None
    (_, created), (_, number) = after[:2]
    return keys.experiment_position(f"{number:016x}", int(created))


def _hex(entry: Item) -> str:
    return keys.experiment_of_position(entry["sk"])[0]


def _detail_key(position: str) -> Key:
    return keys.experiment_list_entry(keys.DETAILED, *keys.experiment_of_position(position))


def _sort_key(entry: Item) -> str:
    sk: str = entry["sk"]
    return sk


def _first(row: _Row) -> SortKey:
    return row[0]
