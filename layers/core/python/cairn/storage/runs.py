"""Runs: a document per run, an entry in its experiment's default order, and the log of its metrics.

What a change means is a pure function of ``domain``; here is how it is stored. The metric log's item is
appended before the latest values that follow from it: there is no latest value without its point.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Self

from cairn.domain.access import UNDECIDED, Access
from cairn.domain.clock import Clock
from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import ACTIVE, DatasetInput, Metric, ModelOutput, Run, RunInfo
from cairn.domain.lifecycle import Stage, effective, require_active_experiment
from cairn.domain.locations import run_artifacts
from cairn.domain.metrics import merge_latest
from cairn.errors import CairnError, InvalidParameterValue, ResourceDoesNotExist
from cairn.ids import experiment_hex, experiment_of_run
from cairn.storage import dirty, facts, inventory, keys
from cairn.storage.codec import (
    FORMAT,
    decode_latest,
    encode_latest,
    encode_points,
)
from cairn.storage.document import Document, Documents, Section
from cairn.storage.experiments import experiment_missing
from cairn.storage.facts import FACTS
from cairn.storage.scope import all_shown, demand, shown
from cairn.storage.table import Delete, Item, Key, Put, Table

LATEST = Section("m", keys.LATEST_PREFIX, encode_latest, decode_latest)

_MAX_CREATE_BYTES = 3_000_000  # one transaction takes 4 MB


class Runs:
    """The runs of every experiment (``services.ports.RunStore``). ``pause(attempt)`` waits between attempts
    of writers that conflict; the clock dates dirty marks, which the indexer takes after ``quiet`` ms."""

    def __init__(
        self,
        table: Table,
        pause: Callable[[int], None],
        clock: Clock,
        quiet: int = dirty.QUIET,
        access: Access = UNDECIDED,
    ) -> None:
        self._table = table
        self._pause = pause
        self.access = access
        self._clock = clock
        self._quiet = quiet
        self._documents = Documents(table, (FACTS, LATEST), pause)

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, self._pause, self._clock, self._quiet, access)

    def create(self, run: Run) -> Run:
        """1 GetItem, 1 BatchWriteItem of dirty mark and order entry, which readers drop until the run is
        there, 1 PutItem. Where the run is there already: 1 UpdateItem of the mark, and what the index was
        wrongly told is listed or deleted.

        Raises ResourceDoesNotExist or InvalidParameterValue for a missing or deleted experiment, and
        InvalidParameterValue past 3 MB of tags (one transaction).
        """
        experiment = experiment_hex(run.info.experiment_id)
        head = None if experiment is None else self._table.get(keys.experiment_head(experiment))
        if experiment is None or head is None or shown(self.access, head) is None:
            raise experiment_missing(run.info.experiment_id, self.access)
        demand(self.access, head)
        require_active_experiment(run.info.experiment_id, head["st"])
        document = new_document(run, head)
        if sum(len(key) + len(value) for key, value in run.tags.items()) * 4 > _MAX_CREATE_BYTES:
            raise InvalidParameterValue(
                "The tags of a new run exceed 3 MB. Create the run, then log the rest."
            )
        run_id = run.info.run_id
        order = inventory.birth(run_id, document)
        announced = [dirty.put(run_id, marked := self._clock(), moved=False), Put(_entry(order))]
        self._table.batch_write(announced)
        if not self._documents.create(keys.run_partition(run_id), document):
            return self._replayed(run_id, order)
        if not self._is_fresh(marked):
            self._table.batch_write(announced)  # somebody may have thought that this was given up
        return run_of(run_id, document, head)

    def _replayed(self, run_id: str, order: Key) -> Run:
        """A run as it stands, whose creation was announced again: at another start time perhaps, or in a
        group that it has left; a mark that said so may be gone."""
        (document,) = self._documents.read([keys.run_partition(run_id)])[0].values()
        if order.sk != keys.run_position(document.info["start"], run_id):
            self._table.batch_write([Delete(order)])
        elif document.info.get(inventory.COMPLETE):
            inventory.declare(self._table, run_id, document, [order])
        self._table.update(dirty.renew(run_id, self._clock(), moved=True))
        return self.get(run_id)

    def _is_fresh(self, marked: int) -> bool:
        """Whether a mark of this time is sure to stand still, after what was written under it."""
        return not dirty.missing({"t": marked}, self._clock(), 2 * self._quiet, moved=False)

    def get(self, run_id: str, *, to_change: bool = False) -> Run:
        """1 BatchGetItem of the run's and its experiment's head; 1 Query for each section in shards.
        PermissionDenied for one ``to_change`` that may only be seen."""
        found, _, _ = self._within(inf, [run_id], to_change=to_change)
        if run_id not in found:
            raise run_missing(run_id)
        return found[run_id]

    def get_many(self, run_ids: Sequence[str]) -> dict[str, Run]:
        """1 BatchGetItem per 100 runs, 1 per 100 of their leaves. What is no id of Cairn's is left out."""
        return self.get_within(inf, run_ids)[0]

    def get_within(self, units: float, run_ids: Sequence[str]) -> tuple[dict[str, Run], int, float]:
        """The runs as in ``get_many``, as many of the first as so many read units are enough for, at least
        one; how many of the ids those were; and the units at most spent on them."""
        return self._within(units, run_ids, to_change=False)

    def _within(
        self, units: float, run_ids: Sequence[str], *, to_change: bool
    ) -> tuple[dict[str, Run], int, float]:
        heads = {run_id: _experiment_key(run_id) for run_id in run_ids}
        partitions = {
            run_id: keys.run_partition(run_id) for run_id, head in heads.items() if head is not None
        }
        reading = self._documents.read_within(
            units, list(partitions.values()), list({head for head in heads.values() if head is not None})
        )
        seen = all_shown(self.access, reading.companions)
        runs = {}
        for run_id, partition in partitions.items():
            head = heads[run_id]
            if head in seen and partition in reading.documents:
                if to_change:
                    demand(self.access, seen[head])
                runs[run_id] = run_of(run_id, reading.documents[partition], seen[head])
        whole = reading.count == len(partitions)
        return runs, len(run_ids) if whole else reading.count, reading.units

    def change(
        self,
        run_id: str,
        touch: Touch,
        merge: Callable[[Draft], None],
        points: Sequence[Metric] = (),
    ) -> Run:
        """1 BatchGetItem, 1 UpdateItem of the dirty mark unless that is fresh, 1 of the log where there are
        points, 1 of what changed (more for sections in shards, and on conflict). Writes nothing if
        ``merge`` raises."""
        head_key = _experiment_key(run_id)
        if head_key is None:
            raise run_missing(run_id)
        partition = keys.run_partition(run_id)
        mark_key = keys.dirty_mark(run_id)
        logged = moved = False
        marked = 0
        found: Mapping[Key, Item] = {}

        def edit(document: Document, companions: Mapping[Key, Item]) -> None:
            head = shown(self.access, companions.get(head_key))
            if head is None:
                raise run_missing(run_id)
            demand(self.access, head)
            nonlocal moved, found
            found = companions
            before = document.info
            draft = _draft(document, head)
            merge(draft)
            merge_latest(draft.metrics, points)
            _store(draft, document, head)
            moved = moved or _own_stage(before) != _own_stage(document.info)

        def only_metrics(document: Document, _: Mapping[Key, Item]) -> None:
            merge_latest(document.sections[LATEST.attribute], points)

        def announce() -> None:
            nonlocal logged, marked
            now = self._clock()
            mark = found.get(mark_key)
            if mark is None or dirty.missing(mark, now, self._quiet, moved=moved):
                self._table.update(dirty.renew(run_id, now, moved=moved))
                marked = now
            else:
                marked = mark["t"]
            if points and not logged:
                self._table.put(Put(log_item(run_id, points)))
                logged = True

        names = {
            FACTS.attribute: facts.names(touch),
            LATEST.attribute: touch.metrics | {point.key for point in points},
        }
        try:
            document = self._documents.change(partition, names, edit, [head_key, mark_key], announce)
        except CairnError:
            # A concurrent writer made the rest of the batch impossible after its points were logged.
            if logged:
                self._documents.change(partition, names, only_metrics)
            raise
        if document is None:
            raise run_missing(run_id)
        if not self._is_fresh(marked):  # a write that took so long may be behind an indexer
            self._table.update(dirty.renew(run_id, self._clock(), moved=moved))
        return run_of(run_id, document, found[head_key])


def run_missing(run_id: str) -> ResourceDoesNotExist:
    """MLflow's answer for an unknown run."""
    return ResourceDoesNotExist(f"Run with id={run_id} not found")


def _entry(key: Key) -> Item:
    return {"pk": key.pk, "sk": key.sk, "f": FORMAT}


def _experiment_key(run_id: str) -> Key | None:
    experiment_id = experiment_of_run(run_id)
    experiment = None if experiment_id is None else experiment_hex(experiment_id)
    return None if experiment is None else keys.experiment_head(experiment)


def log_item(run_id: str, points: Sequence[Metric]) -> Item:
    """The points of one call, as the metric log holds them."""
    blob = encode_points(points)
    key = keys.metric_log(run_id, max(point.timestamp for point in points), blob)
    return {"pk": key.pk, "sk": key.sk, "f": FORMAT, "b": blob}


def _stage(info: Mapping[str, Any], experiment: Item) -> str:
    return effective(Stage(info["stage"], info["epoch"]), Stage(experiment["st"], experiment["ep"]))


def _draft(document: Document, experiment: Item) -> Draft:
    draft = Draft({**document.info, "lifecycle_stage": _stage(document.info, experiment)})
    draft.metrics = document.sections.get(LATEST.attribute, {})
    return facts.read_into(draft, document.sections[FACTS.attribute])


def _store(draft: Draft, document: Document, experiment: Item) -> None:
    info = dict(draft.info)
    stage = info.pop("lifecycle_stage")
    if stage != _stage(document.info, experiment):
        info |= {"stage": stage, "epoch": experiment["ep"]}
    document.info = info
    document.sections = {FACTS.attribute: facts.entries_of(draft), LATEST.attribute: draft.metrics}


def new_document(run: Run, experiment: Item) -> Document:
    """Of a run that has no more than its info and tags, in an experiment of this head."""
    info = {
        "name": run.info.run_name,
        "user": run.info.user_id,
        "status": run.info.status,
        "start": run.info.start_time,
        "end": run.info.end_time,
        "stage": ACTIVE,
        "epoch": experiment["ep"],
        "born": experiment["ep"],
    }
    return Document(info, {FACTS.attribute: {facts.TAG + key: value for key, value in run.tags.items()}})


def run_of(run_id: str, document: Document, experiment: Item) -> Run:
    draft = _draft(document, experiment)
    info = draft.info
    return Run(
        RunInfo(
            run_id=run_id,
            experiment_id=str(int(run_id[:16], 16)),
            run_name=info["name"],
            user_id=info["user"],
            status=info["status"],
            start_time=info["start"],
            end_time=info["end"],
            lifecycle_stage=info["lifecycle_stage"],
            artifact_uri=run_artifacts(experiment["loc"], run_id),
        ),
        metrics=draft.metrics,
        params=draft.params,
        tags=draft.tags,
        dataset_inputs=tuple(DatasetInput(*dataset, tags) for dataset, tags in draft.datasets.items()),
        model_inputs=tuple(draft.model_inputs),
        model_outputs=tuple(ModelOutput(model, step) for model, step in draft.model_outputs.items()),
    )


def _own_stage(info: Mapping[str, Any]) -> tuple[str, int]:
    return info["stage"], info["epoch"]
