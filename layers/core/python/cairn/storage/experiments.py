"""Experiments: a head that every write of a run reads, two list entries, a name guard, an item per tag.

Stage and epoch lie in the head, so that deleting or restoring an experiment of any size is one transaction.
The name guard makes names unique, those of deleted experiments included. The head and the tags' items are
what counts; list entries are for searches (``listing``) and change in the same transactions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from cairn.domain.access import UNDECIDED, Access, hint
from cairn.domain.entities import ACTIVE, DELETED, Experiment
from cairn.domain.lifecycle import require_active_experiment
from cairn.errors import BadRequest, InvalidState, ResourceAlreadyExists, ResourceDoesNotExist
from cairn.ids import DEFAULT_EXPERIMENT_ID, experiment_hex, experiment_number
from cairn.search.experiments import ExperimentSearch
from cairn.search.plan import Pause
from cairn.storage import creations, keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, Add, And, Exists, Set, eq
from cairn.storage.listing import Listing, entry_puts, entry_updates, tag_update
from cairn.storage.scope import all_shown, demand, shown
from cairn.storage.table import ConditionFailed, Delete, Item, Key, Put, Query, Table, TransactWrite, Update

DEFAULT_NAME = "Default"
_NOBODY = "f" * 16  # past the highest number that an experiment can have


class Experiments:
    """All experiments (``services.ports.ExperimentStore``). ``location_of`` gives the default artifact
    location of an experiment id."""

    def __init__(self, table: Table, location_of: Callable[[str], str], access: Access = UNDECIDED) -> None:
        self._table = table
        self._location_of = location_of
        self._access = access
        self._listing = Listing(table, access)
        self._locations: dict[str, str | None] = {}  # what ``located`` read: a call's own, if it is scoped

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, self._location_of, access)

    def ensure_default(self, now: int) -> None:
        """Make the experiment ``0`` unless it is there: 1 GetItem, the first time 1 TransactWriteItems."""
        if self._table.get(keys.experiment_head(_hex(DEFAULT_EXPERIMENT_ID))) is None:
            default = Experiment(
                DEFAULT_EXPERIMENT_ID,
                DEFAULT_NAME,
                self._location_of(DEFAULT_EXPERIMENT_ID),
                ACTIVE,
                now,
                now,
            )
            try:
                self.add(default)
            except ConditionFailed:
                return  # another process made it at the same moment

    def create(
        self,
        name: str,
        location: str | None,
        tags: Mapping[str, str],
        now: int,
        asked: str | None = None,
    ) -> Experiment:
        """1 GetItem of the name guard, 1 UpdateItem of the counter, then as ``add``. Where the name is
        taken, and there is a claim: 1 GetItem of it, then as ``get``."""
        self._access.demand("experiments", name)
        if self._table.get(keys.name_guard(name)) is not None:
            return self._made_for(asked, name)
        number = self._table.update(Update(keys.COUNTER, (Add("n", 1), Set("f", FORMAT))))["n"]
        experiment_id = str(number)
        experiment = Experiment(
            experiment_id, name, location or self._location_of(experiment_id), ACTIVE, now, now, dict(tags)
        )
        try:
            self.add(experiment, asked)
        except ConditionFailed:
            return self._made_for(asked, name)
        return experiment

    def _made_for(self, asked: str | None, name: str) -> Experiment:
        """What the same request made a moment before. ResourceAlreadyExists where it was another."""
        made = None if asked is None else creations.made(self._table, asked)
        if made is None:
            raise ResourceAlreadyExists(f"Experiment(name={name}) already exists.")
        return self.get(made)

    def add(self, experiment: Experiment, asked: str | None = None) -> None:
        """An experiment as it stands: 1 BatchWriteItem per 25 tags, unreachable until the head is there,
        and 1 TransactWriteItems of 4, of 5 with a claim that notes it. ConditionFailed where its name or
        number is taken."""
        number = _hex(experiment.experiment_id)
        self._table.batch_write([_tag_put(number, key, value) for key, value in experiment.tags.items()])
        head = {
            "f": FORMAT,
            "n": experiment.name,
            "loc": experiment.artifact_location,
            "st": experiment.lifecycle_stage,
            "ct": experiment.creation_time,
            "ut": experiment.last_update_time,
            "ep": 0,
        }
        self._table.transact(
            [
                _guard_put(experiment.name, number),
                Put({**_named(keys.experiment_head(number)), **head}, Absent()),
                *entry_puts(number, experiment),
                *([] if asked is None else [creations.note(asked, experiment.experiment_id)]),
            ]
        )

    def get(self, experiment_id: str, *, to_change: bool = False) -> Experiment:
        """1 Query of head and tags (more for more than 1 MB of tags). PermissionDenied for one
        ``to_change`` that may only be seen."""
        experiment = experiment_hex(experiment_id)
        found = None if experiment is None else self._read(experiment, to_change=to_change)
        if found is None:
            raise experiment_missing(experiment_id, self._access)
        return found

    def located(self, experiment_ids: Iterable[str]) -> dict[str, str]:
        """1 BatchGetItem per 100 that were not asked for before, a read unit each; of a scoped store, which
        lives for one call."""
        wanted = list(dict.fromkeys(experiment_ids))
        places = {
            one: keys.experiment_head(number)
            for one in wanted
            if one not in self._locations and (number := experiment_hex(one)) is not None
        }
        heads = all_shown(self._access, self._table.batch_get(list(places.values()))) if places else {}
        self._locations |= {one: heads[at]["loc"] if at in heads else None for one, at in places.items()}
        found = {one: self._locations.get(one) for one in wanted}
        return {one: location for one, location in found.items() if location is not None}

    def find(self, name: str) -> Experiment | None:
        """1 GetItem of the name guard, then as ``get``: for a name that nobody has as well, unless the
        access is to all of them, so that it costs what a name costs that is not to be seen."""
        guard = self._table.get(keys.name_guard(name))
        if guard is None and self._access.unrestricted:
            return None
        return self._read(_NOBODY if guard is None else guard["e"])

    def rename(self, experiment_id: str, name: str, now: int) -> None:
        """1 GetItem, 1 TransactWriteItems of 5 (of 3 where the name stays)."""
        experiment, head = self._head(experiment_id)
        self._access.demand("experiments", name)
        if head["st"] != ACTIVE:
            raise InvalidState("Cannot rename a non-active experiment.")
        changes = (Set("n", name), Set("ut", now))
        condition = And((eq("st", ACTIVE), eq("n", head["n"])))
        writes: list[TransactWrite] = [
            Update(keys.experiment_head(experiment), changes, condition),
            *entry_updates(experiment, head["ct"], {"n": name, "u": now}),
        ]
        if name != head["n"]:
            writes.append(_guard_put(name, experiment))
            writes.append(Delete(keys.name_guard(head["n"]), eq("e", experiment)))
        try:
            self._table.transact(writes)
        except ConditionFailed as failed:
            if failed.key == keys.name_guard(name):
                raise BadRequest(f"Experiment(name={name}) already exists.") from None
            self.rename(experiment_id, name, now)  # renamed or deleted meanwhile: decide anew

    def delete(self, experiment_id: str, now: int) -> None:
        """1 GetItem, 1 TransactWriteItems of 3, whatever the number of runs."""
        self._set_stage(experiment_id, ACTIVE, DELETED, now)

    def restore(self, experiment_id: str, now: int) -> None:
        """1 GetItem, 1 TransactWriteItems of 3, whatever the number of runs."""
        self._set_stage(experiment_id, DELETED, ACTIVE, now)

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """2 GetItems, 1 TransactWriteItems of 2."""
        experiment, head = self._head(experiment_id)
        require_active_experiment(experiment_id, head["st"])
        entry = keys.experiment_list_entry(keys.DETAILED, experiment, head["ct"])
        held = self._table.get(entry) or _named(entry)
        self._table.transact([_tag_put(experiment, key, value), tag_update(held, key, value)])

    def delete_tag(self, experiment_id: str, key: str) -> None:
        """1 GetItem, 1 TransactWriteItems of 2."""
        experiment, head = self._head(experiment_id)
        require_active_experiment(experiment_id, head["st"])
        entry = _named(keys.experiment_list_entry(keys.DETAILED, experiment, head["ct"]))
        tag = Delete(keys.experiment_tag(experiment, key), Exists())
        try:
            self._table.transact([tag, tag_update(entry, key, None)])
        except ConditionFailed:
            raise ResourceDoesNotExist(
                f"No tag with name: {key} in experiment with id {experiment_id}"
            ) from None

    def scan(self, *, with_tags: bool) -> Iterator[Experiment]:
        """Every experiment, the newest first: 4 Queries for 2,000 of them (``Listing.scan``)."""
        return self._listing.scan(with_tags=with_tags)

    def search(self, search: ExperimentSearch) -> Iterator[Experiment | Pause]:
        """Those that match, in order: its prices are ``Listing.search``'s."""
        return self._listing.search(search)

    def _read(self, experiment: str, *, to_change: bool = False) -> Experiment | None:
        items = list(self._own_items(experiment, keys.HEAD))
        if not items or items[0]["sk"] != keys.HEAD or shown(self._access, items[0]) is None:
            return None
        if to_change:
            demand(self._access, items[0])
        return _experiment(str(int(experiment, 16)), items[0], _tags(items[1:]))

    def _head(self, experiment_id: str) -> tuple[str, Item]:
        """Of an experiment that is to be changed."""
        experiment = experiment_hex(experiment_id)
        head = None if experiment is None else self._table.get(keys.experiment_head(experiment))
        if experiment is None or head is None or shown(self._access, head) is None:
            raise experiment_missing(experiment_id, self._access)
        demand(self._access, head)
        return experiment, head

    def _set_stage(self, experiment_id: str, old: str, new: str, now: int) -> None:
        experiment, head = self._head(experiment_id)
        changes = (Set("st", new), Set("ut", now), Add("ep", 1))
        try:
            self._table.transact(
                [
                    Update(keys.experiment_head(experiment), changes, eq("st", old)),
                    *entry_updates(experiment, head["ct"], {"s": new, "u": now}),
                ]
            )
        except ConditionFailed:
            raise experiment_missing(experiment_id, self._access) from None

    def _own_items(self, experiment: str, prefix: str) -> Iterator[Item]:
        return self._all(Query(keys.experiment_partition(experiment), prefix=prefix))

    def _all(self, query: Query) -> Iterator[Item]:
        while True:
            page = self._table.query(query)
            yield from page.items
            if page.after is None:
                return
            query = replace(query, after=page.after)


def experiment_missing(experiment_id: str, access: Access) -> ResourceDoesNotExist:
    """MLflow's answer for an unknown experiment, and for one that is not in the stage asked for."""
    number = experiment_number(experiment_id)
    return ResourceDoesNotExist(f"No Experiment with id={number} exists{hint(access, str(number))}")


def _hex(experiment_id: str) -> str:
    return f"{int(experiment_id):016x}"


def _named(key: Key) -> dict[str, Any]:
    return {"pk": key.pk, "sk": key.sk}


def _guard_put(name: str, experiment: str) -> Put:
    return Put({**_named(keys.name_guard(name)), "f": FORMAT, "e": experiment}, Absent())


def _tag_put(experiment: str, key: str, value: str) -> Put:
    return Put({**_named(keys.experiment_tag(experiment, key)), "f": FORMAT, "t": value})


def _tags(items: Sequence[Item]) -> dict[str, str]:
    return {item["sk"][len(keys.TAG_PREFIX) :]: item["t"] for item in items}


def _experiment(experiment_id: str, item: Item, tags: Mapping[str, str]) -> Experiment:
    return Experiment(experiment_id, item["n"], item["loc"], item["st"], item["ct"], item["ut"], tags)
