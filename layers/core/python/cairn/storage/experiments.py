"""Experiments: a head that every write of a run reads, a list entry, a name guard, an item for each tag.

Stage and epoch lie in the head, so that deleting or restoring an experiment of any size is one transaction.
The name guard makes names unique, those of deleted experiments included.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cairn.domain.entities import ACTIVE, DELETED, Experiment
from cairn.domain.lifecycle import require_active_experiment
from cairn.errors import BadRequest, InvalidState, ResourceAlreadyExists, ResourceDoesNotExist
from cairn.ids import DEFAULT_EXPERIMENT_ID, experiment_hex, experiment_number
from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, Add, And, Exists, Set, eq
from cairn.storage.table import ConditionFailed, Delete, Item, Key, Put, Query, Table, TransactWrite, Update

DEFAULT_NAME = "Default"


class Experiments:
    """All experiments (``services.ports.ExperimentStore``). ``location_of`` gives the default artifact
    location of an experiment id."""

    def __init__(self, table: Table, location_of: Callable[[str], str]) -> None:
        self._table = table
        self._location_of = location_of

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
                self._insert(default)
            except ConditionFailed:
                return  # another process made it at the same moment

    def create(self, name: str, location: str | None, tags: Mapping[str, str], now: int) -> Experiment:
        """1 UpdateItem of the counter, 1 TransactWriteItems of 3; tags before them, 1 request per 25."""
        if self._table.get(keys.name_guard(name)) is not None:
            raise ResourceAlreadyExists(f"Experiment(name={name}) already exists.")
        number = self._table.update(Update(keys.COUNTER, (Add("n", 1), Set("f", FORMAT))))["n"]
        experiment_id = str(number)
        experiment = Experiment(
            experiment_id, name, location or self._location_of(experiment_id), ACTIVE, now, now, dict(tags)
        )
        if tags:  # unreachable until the head is there
            self._table.batch_write(
                [_tag_put(_hex(experiment_id), key, value) for key, value in tags.items()]
            )
        try:
            self._insert(experiment)
        except ConditionFailed:
            raise ResourceAlreadyExists(f"Experiment(name={name}) already exists.") from None
        return experiment

    def get(self, experiment_id: str) -> Experiment:
        """1 Query of head and tags (more for more than 1 MB of tags)."""
        experiment = experiment_hex(experiment_id)
        items = [] if experiment is None else list(self._own_items(experiment, keys.HEAD))
        if not items or items[0]["sk"] != keys.HEAD:
            raise experiment_missing(experiment_id)
        return _experiment(str(experiment_number(experiment_id)), items[0], _tags(items[1:]))

    def find(self, name: str) -> Experiment | None:
        """1 GetItem of the name guard, then as ``get``."""
        guard = self._table.get(keys.name_guard(name))
        return None if guard is None else self.get(str(int(guard["e"], 16)))

    def rename(self, experiment_id: str, name: str, now: int) -> None:
        """1 GetItem, 1 TransactWriteItems of 4 (of 2 where the name stays)."""
        experiment, head = self._head(experiment_id)
        if head["st"] != ACTIVE:
            raise InvalidState("Cannot rename a non-active experiment.")
        changes = (Set("n", name), Set("ut", now))
        condition = And((eq("st", ACTIVE), eq("n", head["n"])))
        writes: list[TransactWrite] = [
            Update(keys.experiment_head(experiment), changes, condition),
            Update(keys.experiment_list_entry(experiment), changes, Exists()),
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
        """1 TransactWriteItems of 2, whatever the number of runs."""
        self._set_stage(experiment_id, ACTIVE, DELETED, now)

    def restore(self, experiment_id: str, now: int) -> None:
        """1 TransactWriteItems of 2, whatever the number of runs."""
        self._set_stage(experiment_id, DELETED, ACTIVE, now)

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """1 GetItem, 1 PutItem."""
        experiment, head = self._head(experiment_id)
        require_active_experiment(experiment_id, head["st"])
        self._table.put(_tag_put(experiment, key, value))

    def delete_tag(self, experiment_id: str, key: str) -> None:
        """1 GetItem, 1 DeleteItem."""
        experiment, head = self._head(experiment_id)
        require_active_experiment(experiment_id, head["st"])
        try:
            self._table.delete(Delete(keys.experiment_tag(experiment, key), Exists()))
        except ConditionFailed:
            raise ResourceDoesNotExist(
                f"No tag with name: {key} in experiment with id {experiment_id}"
            ) from None

    def scan(self, *, with_tags: bool) -> Iterator[Experiment]:
        """1 Query per MB of list entries (about 200 bytes each); with tags 1 Query more for each."""
        for item in self._all(Query(keys.EXPERIMENT_LIST)):
            experiment_id = str(int(item["sk"][2:], 16))
            tags = _tags(self._own_items(_hex(experiment_id), keys.TAG_PREFIX)) if with_tags else {}
            yield _experiment(experiment_id, item, tags)

    def with_tags(self, experiments: Sequence[Experiment]) -> list[Experiment]:
        """1 Query for each."""
        return [
            replace(one, tags=_tags(self._own_items(_hex(one.experiment_id), keys.TAG_PREFIX)))
            for one in experiments
        ]

    def _head(self, experiment_id: str) -> tuple[str, Item]:
        experiment = experiment_hex(experiment_id)
        head = None if experiment is None else self._table.get(keys.experiment_head(experiment))
        if experiment is None or head is None:
            raise experiment_missing(experiment_id)
        return experiment, head

    def _insert(self, experiment: Experiment) -> None:
        number = _hex(experiment.experiment_id)
        shown = {
            "f": FORMAT,
            "n": experiment.name,
            "loc": experiment.artifact_location,
            "st": experiment.lifecycle_stage,
            "ct": experiment.creation_time,
            "ut": experiment.last_update_time,
        }
        self._table.transact(
            [
                _guard_put(experiment.name, number),
                Put({**_named(keys.experiment_head(number)), **shown, "ep": 0}, Absent()),
                Put({**_named(keys.experiment_list_entry(number)), **shown}, Absent()),
            ]
        )

    def _set_stage(self, experiment_id: str, old: str, new: str, now: int) -> None:
        experiment = experiment_hex(experiment_id)
        if experiment is None:
            raise experiment_missing(experiment_id)
        changes = (Set("st", new), Set("ut", now))
        try:
            self._table.transact(
                [
                    Update(keys.experiment_head(experiment), (*changes, Add("ep", 1)), eq("st", old)),
                    Update(keys.experiment_list_entry(experiment), changes, Exists()),
                ]
            )
        except ConditionFailed:
            raise experiment_missing(experiment_id) from None

    def _own_items(self, experiment: str, prefix: str) -> Iterator[Item]:
        return self._all(Query(keys.experiment_partition(experiment), prefix=prefix))

    def _all(self, query: Query) -> Iterator[Item]:
        while True:
            page = self._table.query(query)
            yield from page.items
            if page.after is None:
                return
            query = replace(query, after=page.after)


def experiment_missing(experiment_id: str) -> ResourceDoesNotExist:
    """MLflow's answer for an unknown experiment, and for one that is not in the stage asked for."""
    return ResourceDoesNotExist(f"No Experiment with id={experiment_number(experiment_id)} exists")


def _hex(experiment_id: str) -> str:
    return f"{int(experiment_id):016x}"


def _named(key: Key) -> dict[str, Any]:
    return {"pk": key.pk, "sk": key.sk}


def _guard_put(name: str, experiment: str) -> Put:
    return Put({**_named(keys.name_guard(name)), "f": FORMAT, "e": experiment}, Absent())


def _tag_put(experiment: str, key: str, value: str) -> Put:
    return Put({**_named(keys.experiment_tag(experiment, key)), "f": FORMAT, "t": value})


def _tags(items: Iterator[Item] | Sequence[Item]) -> dict[str, str]:
    return {item["sk"][len(keys.TAG_PREFIX) :]: item["t"] for item in items}


def _experiment(experiment_id: str, item: Item, tags: Mapping[str, str]) -> Experiment:
    return Experiment(experiment_id, item["n"], item["loc"], item["st"], item["ct"], item["ut"], tags)
