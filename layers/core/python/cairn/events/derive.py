"""From the images before and after a write to events: pure, so that a record told twice gives the same ids.

An entity's own count of its writes makes the sequence: a document's or a model's version, an experiment's
epoch. What a write did is what differs between the images, never who asked for it: a repeated request that
changed nothing has no record, and says nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cairn.domain.entities import ACTIVE, DELETED
from cairn.events.catalogue import (
    PLACES,
    Event,
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRestored,
    LoggedModelReady,
    RunCreated,
    RunDeleted,
    RunFailed,
    RunFinished,
    RunKilled,
    RunRestored,
    Told,
)
from cairn.events.registry import model_changes, version_changes
from cairn.storage import keys
from cairn.storage.stream import Change
from cairn.storage.table import Item, Key

READY = "LOGGED_MODEL_READY"
_ENDS: dict[str, type[RunFinished | RunFailed | RunKilled]] = {
    "FINISHED": RunFinished,
    "FAILED": RunFailed,
    "KILLED": RunKilled,
}

ExperimentEvent = ExperimentCreated | ExperimentDeleted | ExperimentRestored
RunEvent = RunCreated | RunFinished | RunFailed | RunKilled | RunDeleted | RunRestored


def events(change: Change) -> Iterator[Event]:
    """What a change of an item that ``stream.WATCHED`` matches says. Raises KeyError or ValueError for
    items that no release so far wrote."""
    for prefix, tell in _TELLERS.items():
        if change.key.pk.startswith(prefix):
            for entity, write, happenings in tell(change.key, change.before, change.after):
                for place, happening in enumerate(happenings):
                    yield Event(happening, entity, write * PLACES + place, change.time)
            return
    raise ValueError(f"nobody derives events of items of {change.key.pk[:3]}")


def _experiment(key: Key, before: Item | None, after: Item | None) -> Iterator[Told]:
    """The epoch counts deletions and restorations: nothing else raises it."""
    if after is None or (before is not None and before["ep"] == after["ep"]):
        return
    experiment_id = str(int(key.pk.removeprefix(keys.experiment_partition("")), 16))
    if before is None:
        of: type[ExperimentEvent] = ExperimentCreated
    else:
        of = ExperimentDeleted if after["st"] == DELETED else ExperimentRestored
    happening = of(experiment_id=experiment_id, name=after["n"])
    yield f"experiments/{experiment_id}", after["ep"] + 1, [happening]


def _run(key: Key, before: Item | None, after: Item | None) -> Iterator[Told]:
    """Most changes of a run's head are metrics, whose info is the same text."""
    if after is None or (before is not None and before["i"] == after["i"]):
        return
    now = json.loads(after["i"])
    run_id = key.pk.removeprefix(keys.RUNS)
    if before is None:
        found: list[type[RunEvent]] = [RunCreated]
    else:
        found = list(_run_changes(json.loads(before["i"]), now))
    fields = {
        "experiment_id": str(int(run_id[:16], 16)),
        "run_id": run_id,
        "name": now["name"],
        "status": now["status"],
        "start_time": now["start"],
        "end_time": now["end"],
    }
    yield f"runs/{run_id}", after["v"], [of(**fields) for of in found]


def _run_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[type[RunEvent]]:
    """A deletion sets stage and epoch: a run that its experiment's restoration revived is deleted again by
    another epoch alone."""
    if before["status"] != now["status"] and now["status"] in _ENDS:
        yield _ENDS[now["status"]]
    if (before["stage"], before["epoch"]) != (now["stage"], now["epoch"]):
        yield RunRestored if now["stage"] == ACTIVE else RunDeleted


def _logged_model(key: Key, before: Item | None, after: Item | None) -> Iterator[Told]:
    if after is None or (before is not None and before["i"] == after["i"]):
        return
    now = json.loads(after["i"])
    if now["status"] != READY or (before is not None and json.loads(before["i"])["status"] == READY):
        return
    model_id = key.pk.removeprefix(keys.model_partition(""))
    happening = LoggedModelReady(
        experiment_id=str(int(model_id[2:18], 16)),
        model_id=model_id,
        name=now["name"],
        model_type=now["type"] or None,
        run_id=now["run"] or None,
    )
    yield f"logged-models/{model_id}", after["v"], [happening]


_TELLERS: dict[str, Callable[[Key, Item | None, Item | None], Iterator[Told]]] = {
    keys.experiment_partition(""): _experiment,
    keys.RUNS: _run,
    keys.model_partition(""): _logged_model,
    keys.registered_partition(""): model_changes,
    keys.VERSIONS: version_changes,
}
"""Who tells of the items of a partition that begins so."""
