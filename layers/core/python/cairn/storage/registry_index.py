"""Searches of registered models and model versions (``search.registry`` says what they mean).

Models are walked in the list by name, or all of its small entries are read and sorted: by token, in which
the best travel, where there are too many for one request. Versions of given names, or of given runs, are
read from the entries of these and sorted; otherwise the list of all versions is walked by the time of
update or creation, or the models by name and the versions of each. Entries are hints: whatever is answered
was read from the entities themselves. A search ends early, with the position that it has reached, before it
has spent more than its budget.
"""

import heapq
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Self, TypeVar

from cairn.domain.access import Access
from cairn.domain.registry import ModelVersion, RegisteredModel
from cairn.errors import InvalidParameterValue
from cairn.search.cursor import RESUMED
from cairn.search.order import Ordering, SortKey
from cairn.search.plan import LAST, Pause
from cairn.search.registry import ModelSearch, VersionSearch
from cairn.storage import keys
from cairn.storage.budget import BOUNDS, Bounds, Budget
from cairn.storage.granted import model_queries
from cairn.storage.registered_models import RegisteredModels, registered_model
from cairn.storage.registry_items import long_tags
from cairn.storage.registry_reader import Reader, Size, names
from cairn.storage.registry_versions import Versions
from cairn.storage.table import Item, Key, Table

_RESERVE = 2_400
"""Units that a pass over all names leaves for the models that it found: it reads 4 MB in one request."""
_HELD = 50  # best names that travel in a token

Found = TypeVar("Found")
_Light = tuple[str, RegisteredModel]
"""A model's id, and what sorts it."""
_Named = tuple[SortKey, int, str, Item]
"""A list's entry of a model: what sorts it, which list, where there."""


class RegistryIndex:
    """Searches on a table (``services.ports.RegistryIndex``). ``now`` is a monotonic clock in seconds."""

    def __init__(
        self,
        table: Table,
        models: RegisteredModels,
        now: Callable[[], float] = time.monotonic,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self._table = table
        self._models = models
        self._now = now
        self._bounds = bounds

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, self._models.scoped(access), self._now, self._bounds)

    def search_models(self, search: ModelSearch) -> Iterator[RegisteredModel | Pause]:
        """1 Query per 1,000 names walked (less at first), or per MB of names where the order is by time; 1
        BatchGetItem per 99 models; 1 per 100 of their latest versions."""
        reader = Reader(self._table, self._models.access, Budget(self._now, self._bounds))
        if search.names is not None:
            yield from self._shown(reader, search, _named(reader, search, search.names))
        elif search.by_name:
            yield from self._shown(reader, search, _walked(reader, search))
        else:
            passed = _Pass(reader, search)
            best = passed.best()
            if passed.reached is not None:
                yield Pause(((RESUMED, passed.reached), *(search.after or ())))
                return
            last = None
            for last in self._shown(reader, search, iter(best)):
                yield last
            if passed.is_cut and not isinstance(last, Pause):
                yield Pause(search.ordering.position(best[-1][1]))

    def _shown(
        self, reader: Reader, search: ModelSearch, found: Iterator[_Light]
    ) -> Iterator[RegisteredModel | Pause]:
        """Those that match, of models in order."""
        lights = _after(search.ordering, search.after, found)
        size = Size(search.expected)
        while chunk := list(islice(lights, size.next())):
            reader.load(model for model, light in chunk)
            models = [known for model, _ in chunk if (known := reader.models[model]) is not None]
            tags = long_tags(self._table, models)
            matching = [
                model
                for model in models
                if search.meets(registered_model(model, (), tags.get(model.key.pk, {})))
            ]
            reader.budget.spend(sum(len(model.info.latest) for model in matching))
            size.count(len(chunk), len(matching))
            yield from self._models.whole(matching)
            if reader.is_spent:
                yield Pause(search.ordering.position(chunk[-1][1]))
                return

    def search_versions(self, search: VersionSearch) -> Iterator[ModelVersion | Pause]:
        """1 BatchGetItem of names, or 1 Query per run; 1 Query per MB of a name's entries; without names
        and runs 1 Query per 1,000 entries walked (less at first); 1 BatchGetItem per 99 models and 99
        versions."""
        reader = Reader(self._table, self._models.access, Budget(self._now, self._bounds))
        walk = Versions(reader, search)
        rows = _after(search.ordering, search.after, ((row, row.light) for row in walk.rows()))
        last: ModelVersion | None = None
        size = Size(search.expected)
        while chunk := list(islice(rows, size.next())):
            found = list(walk.matching([row for row, _ in chunk]))
            size.count(len(chunk), len(found))
            yield from found
            last = chunk[-1][1]
            if reader.is_spent or walk.paused is not None:
                break
        if walk.paused is not None:
            yield Pause(walk.paused)
        elif reader.is_spent and last is not None:
            yield Pause(search.ordering.position(last))


def _named(reader: Reader, search: ModelSearch, asked: Sequence[str]) -> Iterator[_Light]:
    found = [(one.identity, _light_model(one.info.name, one.info.updated)) for one in reader.named(asked)]
    return iter(sorted(found, key=lambda row: search.ordering.key(search.ordering.position(row[1]))))


def _walked(reader: Reader, search: ModelSearch) -> Iterator[_Light]:
    start = None if search.after is None else str(search.after[0][1])
    walk = names(reader, search.prompts, search.prefix, search.ascending, start, search.expected)
    return (_light_of(item) for item in walk if search.of_name(item["n"]))


class _Pass:
    """The first models of all, in an order that no list has: by a pass over every name. One that has spent
    its budget has ``reached`` a place; one that went on from there knows the best ``_HELD`` alone:
    ``is_cut``."""

    def __init__(self, reader: Reader, search: ModelSearch) -> None:
        self._reader = reader
        self._search = search
        self.reached: str | None = None
        self.is_cut = False

    def best(self) -> list[_Light]:
        """In order; nothing where the budget ended first."""
        search = self._search
        most = None if search.resumed is None else _HELD
        number, after, held = (0, "", []) if search.resumed is None else self._held(search.resumed)
        rows = self._behind(held)
        for at, reached, items in self._pages(number, after):
            rows += self._behind((at, item) for item in items)
            if most is not None:
                rows = heapq.nsmallest(most, rows)
            if self._reader.budget.is_spent(_RESERVE):
                best = [[one, item["sk"]] for _, one, _, item in heapq.nsmallest(_HELD, rows)]
                self.reached = json.dumps([at, reached, best])
                return []
        self.is_cut = len(rows) == most
        return [_light_of(item) for _, _, _, item in sorted(rows)]

    def _pages(self, number: int, after: str) -> Iterator[tuple[int, str, Sequence[Item]]]:
        """Everything from a place on: the list and the sort key that are reached with each page."""
        for later, prompts in list(enumerate(self._search.prompts))[number:]:
            place = after if later == number else ""
            for query in model_queries(self._reader.access, self._search.prefix, prompts=prompts):
                if place and (query.high or LAST) <= place:
                    continue
                begun = place and (query.low or "") <= place
                for page in self._reader.pages(replace(query, after=place) if begun else query):
                    if page:
                        yield later, page[-1]["sk"], page

    def _behind(self, items: Iterable[tuple[int, Item]]) -> list[_Named]:
        """Those that may be answered, behind the position that is asked for."""
        search = self._search
        key, place = search.ordering.key, search.ordering.position
        floor = None if search.after is None else key(search.after)
        keyed = (
            (key(place(_light_of(item)[1])), number, item["sk"], item)
            for number, item in items
            if search.of_name(item["n"])
            and self._reader.access.sees("prompts" if search.prompts[number] else "models", item["n"])
        )
        return [row for row in keyed if floor is None or row[0] > floor]

    def _held(self, text: str) -> tuple[int, str, list[tuple[int, Item]]]:
        """Where an earlier request stopped, and the best that it had found, read anew."""
        try:
            number, after, best = json.loads(text)
            places = [(int(one), str(sk)) for one, sk in best][:_HELD]
        except (ValueError, TypeError, RecursionError):
            number, after, places = None, None, []
        known = range(len(self._search.prompts))
        if number not in known or not isinstance(after, str) or any(one not in known for one, _ in places):
            raise InvalidParameterValue("Invalid page token, its position cannot be read")
        wanted = {
            Key(keys.model_list(prompts=self._search.prompts[one]), sk): one for one, sk in places if sk
        }
        found = self._reader.batch(list(wanted))
        return number, after, [(wanted[key], item) for key, item in found.items()]


def _after(
    ordering: Ordering[Any], after: Any, rows: Iterable[tuple[Found, Any]]
) -> Iterator[tuple[Found, Any]]:
    """The rows behind a position; they come in order."""
    if after is None:
        return iter(rows)
    floor = ordering.key(after)
    return (row for row in rows if ordering.key(ordering.position(row[1])) > floor)


def _light_of(item: Item) -> _Light:
    return item["sk"][-16:], _light_model(item["n"], item["u"])


def _light_model(name: str, updated: int) -> RegisteredModel:
    return RegisteredModel(name, 0, updated)
