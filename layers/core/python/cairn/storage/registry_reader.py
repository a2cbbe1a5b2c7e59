"""What a search of the registry has read, and may still read; models by name, in order."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from cairn.domain.access import Access, Kind
from cairn.search.plan import LAST
from cairn.storage import keys
from cairn.storage.budget import Budget
from cairn.storage.granted import model_queries
from cairn.storage.limits import item_size
from cairn.storage.registry_items import Entity, ModelInfo, kind_of, model_entity
from cairn.storage.table import Item, Key, Query, Table

_BATCH = 100
_MORE = 25  # entities that are read at least where a batch did not fill the page
PAGE = 1_000
"""Entries of one Query at most."""

Model = Entity[ModelInfo]


@dataclass(slots=True)
class Size:
    """How many to read next: what the page still lacks, more where not everything matches, and as many as
    one request reads where nothing did at last."""

    expected: int
    read: int = 0
    matched: int = 0
    last: int = 1

    def next(self) -> int:
        lacking = max(self.expected - self.matched, 1)
        least = _MORE if self.last else _BATCH
        return min(_BATCH, lacking if self.matched == self.read else max(lacking, least))

    def count(self, read: int, matched: int) -> None:
        self.read += read
        self.matched += matched
        self.last = matched


@dataclass(slots=True)
class Reader:
    """A table and what a search may still read of it."""

    table: Table
    access: Access
    budget: Budget
    models: dict[str, Model | None] = field(default_factory=dict)

    @property
    def is_spent(self) -> bool:
        return self.budget.is_spent()

    def batch(self, wanted: Sequence[Key]) -> dict[Key, Item]:
        found = self.table.batch_get(wanted)
        self.budget.spend(sum(-(-item_size(item) // 4_096) for item in found.values()))
        self.budget.spend(len(set(wanted)) - len(found))
        return found

    def pages(self, query: Query, first: int = PAGE, then: int | None = None) -> Iterator[Sequence[Item]]:
        """The items of a query, page by page; the later pages have ``then`` items at most."""
        query = replace(query, limit=min(max(first, 10), PAGE))
        while True:
            page = self.table.query(query)
            self.budget.spend(max(1, -(-sum(map(item_size, page.items)) // 4_096)))
            yield page.items
            if page.after is None:
                return
            query = replace(query, after=page.after, limit=then)

    def every(self, query: Query) -> list[Item]:
        return [item for page in self.pages(replace(query, limit=None)) for item in page]

    def load(self, model_ids: Iterable[str]) -> None:
        """Read the models that are not known yet; None for those that are not to be seen."""
        new = [model for model in dict.fromkeys(model_ids) if model not in self.models]
        found = self.batch([keys.registered_head(model) for model in new])
        for model in new:
            item = found.get(keys.registered_head(model))
            entity = None if item is None else model_entity(item)
            sees = entity is not None and self.access.sees(kind_of(entity.info), entity.info.name)
            self.models[model] = entity if sees else None

    def named(self, names: Iterable[str]) -> list[Model]:
        """The models of these names, those that there are."""
        guards = self.batch([keys.model_name_guard(name) for name in names])
        model_ids = [item["m"] for item in guards.values()]
        self.load(model_ids)
        return [model for one in model_ids if (model := self.models[one]) is not None]


def names(
    reader: Reader,
    prompts: Sequence[bool],
    prefix: str,
    ascending: bool,
    start: str | None,
    expected: int,
) -> Iterator[Item]:
    """Entries of the list by name, from a name on, in order. Long names are cut in keys: those of one
    beginning are sorted here."""
    walks = [
        _seen(reader.access, one, _walked(reader, one, prefix, ascending, start, expected))
        for one in prompts
    ]
    yield from heapq.merge(*walks, key=_name_of, reverse=not ascending)


def _seen(access: Access, prompts: bool, items: Iterator[Item]) -> Iterator[Item]:
    kind: Kind = "prompts" if prompts else "models"
    return (item for item in items if access.sees(kind, item["n"]))


def _walked(
    reader: Reader, prompts: bool, prefix: str, ascending: bool, start: str | None, expected: int
) -> Iterator[Item]:
    queries = model_queries(reader.access, prefix, prompts=prompts)
    for query in queries if ascending else reversed(queries):
        low, high = query.low or "", query.high or LAST
        if start is not None and ascending:
            low = max(low, keys.name_prefix(start))
        elif start is not None:  # names that begin with this one lie before it
            high = min(high, keys.model_by_name(start, LAST, prompts=False).sk)
        if low > high:
            continue
        part = replace(query, low=low or None, high=high, forward=ascending)
        items = (item for page in reader.pages(part, expected + 10) for item in page)
        for _, group in groupby(items, lambda item: item["sk"][:-16]):
            yield from sorted(group, key=_name_of, reverse=not ascending)


def _name_of(item: Item) -> str:
    name: str = item["n"]
    return name
