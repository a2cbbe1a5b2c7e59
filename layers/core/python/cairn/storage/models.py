"""Logged models: a document per model, an entry in its experiment's list.

The facts are as a run's; a metric is an entry for each point, since a logged model shows all of them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from cairn.domain.access import UNDECIDED, Access
from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import LoggedModel, Metric
from cairn.domain.lifecycle import require_active_experiment
from cairn.domain.locations import model_artifacts
from cairn.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from cairn.ids import experiment_hex, experiment_of_model
from cairn.storage import facts, keys
from cairn.storage.codec import FORMAT, decode_json, encode_json
from cairn.storage.document import Document, Documents, Section
from cairn.storage.experiments import experiment_missing
from cairn.storage.facts import FACTS
from cairn.storage.scope import all_shown, demand, shown
from cairn.storage.table import Item, Key, Put, Query, Table

POINTS = Section("m", keys.LATEST_PREFIX, encode_json, decode_json)
_MAX_CREATE_BYTES = 3_000_000  # one transaction takes 4 MB
_PAGE = 100


class LoggedModels:
    """The logged models of every experiment (``services.ports.LoggedModelStore``)."""

    def __init__(self, table: Table, pause: Callable[[int], None], access: Access = UNDECIDED) -> None:
        self._table = table
        self._pause = pause
        self._access = access
        self._documents = Documents(table, (FACTS, POINTS), pause)

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, self._pause, access)

    def create(self, model: LoggedModel) -> LoggedModel:
        """1 GetItem, 2 PutItem: the list entry first, a hint that readers drop until the model is there."""
        experiment = experiment_hex(model.experiment_id)
        head = None if experiment is None else self._table.get(keys.experiment_head(experiment))
        if experiment is None or head is None or shown(self._access, head) is None:
            raise experiment_missing(model.experiment_id, self._access)
        demand(self._access, head)
        require_active_experiment(model.experiment_id, head["st"])
        entries = facts.entries_of(Draft({}, params=dict(model.params), tags=dict(model.tags)))
        if sum(len(name) + len(value) for name, value in entries.items()) * 4 > _MAX_CREATE_BYTES:
            raise InvalidParameterValue(
                "Params and tags of a new logged model exceed 3 MB. Log the rest later."
            )
        order = keys.model_order(experiment, model.creation_timestamp, model.model_id)
        self._table.put(Put({"pk": order.pk, "sk": order.sk, "f": FORMAT}))
        document = Document(_info(model), {FACTS.attribute: entries, POINTS.attribute: {}})
        if not self._documents.create(keys.model_partition(model.model_id), document):
            return self.get(model.model_id)
        return _model(model.model_id, document, head)

    def get(self, model_id: str, *, to_change: bool = False) -> LoggedModel:
        """1 BatchGetItem; 1 Query for each section in shards. PermissionDenied for one ``to_change`` that
        may only be seen."""
        found = self._read([model_id], to_change=to_change)
        if model_id not in found:
            raise model_missing(model_id)
        return found[model_id]

    def get_many(self, model_ids: Sequence[str]) -> dict[str, LoggedModel]:
        """1 BatchGetItem per 100 models, and as in ``get``. What is no id of Cairn's is left out."""
        return self._read(model_ids, to_change=False)

    def _read(self, model_ids: Sequence[str], *, to_change: bool) -> dict[str, LoggedModel]:
        heads = {model_id: _experiment_key(model_id) for model_id in model_ids}
        known = {model_id: head for model_id, head in heads.items() if head is not None}
        documents, experiments = self._documents.read(
            [keys.model_partition(model_id) for model_id in known], list(set(known.values()))
        )
        seen = all_shown(self._access, experiments)
        found = {
            model_id: _model(model_id, documents[keys.model_partition(model_id)], seen[head])
            for model_id, head in known.items()
            if head in seen and keys.model_partition(model_id) in documents
        }
        if to_change:
            for model_id in found:
                demand(self._access, seen[known[model_id]])
        return found

    def change(self, model_id: str, touch: Touch, merge: Callable[[Draft], None]) -> LoggedModel:
        """1 BatchGetItem, 1 PutItem; more for sections in shards, and on conflict."""
        head_key = _experiment_key(model_id)
        if head_key is None:
            raise model_missing(model_id)
        heads: dict[Key, Item] = {}

        def edit(document: Document, companions: Mapping[Key, Item]) -> None:
            head = shown(self._access, companions.get(head_key))
            if head is None:
                raise model_missing(model_id)
            demand(self._access, head)
            heads[head_key] = head
            draft = facts.read_into(Draft(dict(document.info)), document.sections[FACTS.attribute])
            merge(draft)
            document.info = draft.info
            document.sections[FACTS.attribute] = facts.entries_of(draft)

        document = self._documents.change(
            keys.model_partition(model_id), {FACTS.attribute: facts.names(touch)}, edit, [head_key]
        )
        if document is None:
            raise model_missing(model_id)
        return _model(model_id, document, heads[head_key])

    def log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """For each model 1 BatchGetItem, 1 PutItem; more for sections in shards.

        MLflow holds one value for a (model, key, timestamp, step, run): the same again changes nothing,
        another value is BAD_REQUEST, as is an unknown model.
        """
        by_model: dict[str, dict[str, list[Any]]] = {}
        for metric in metrics:
            if metric.model_id is not None:
                value = [metric.value, metric.dataset_name, metric.dataset_digest]
                by_model.setdefault(metric.model_id, {})[_point_name(run_id, metric)] = value
        for model_id, points in by_model.items():
            self._log(model_id, points)

    def scan(self, experiment_id: str) -> Iterator[LoggedModel]:
        """1 Query and 1 BatchGetItem per 100 models; 1 GetItem of the experiment unless the access is to
        all. A replayed create left an entry of a later time, which its model contradicts: skipped."""
        experiment = experiment_hex(experiment_id)
        if experiment is None or not (self._access.unrestricted or self._sees(experiment)):
            return
        query = Query(keys.experiment_partition(experiment), prefix=keys.MODEL_PREFIX, limit=_PAGE)
        while True:
            page = self._table.query(query)
            entries = {item["sk"]: item["sk"].rpartition("#")[2] for item in page.items}
            found = self.get_many(list(dict.fromkeys(entries.values())))
            for sort_key, model_id in entries.items():
                model = found.get(model_id)
                if (
                    model
                    and sort_key == keys.model_order(experiment, model.creation_timestamp, model_id).sk
                ):
                    yield model
            if page.after is None:
                return
            query = Query(query.pk, prefix=query.prefix, limit=_PAGE, after=page.after)

    def _sees(self, experiment: str) -> bool:
        return shown(self._access, self._table.get(keys.experiment_head(experiment))) is not None

    def _log(self, model_id: str, points: Mapping[str, list[Any]]) -> None:
        head_key = _experiment_key(model_id)

        def edit(document: Document, companions: Mapping[Key, Item]) -> None:
            head = None if head_key is None else shown(self._access, companions.get(head_key))
            if head is None:
                raise _metrics_of_none(model_id)
            demand(self._access, head)
            held = document.sections[POINTS.attribute]
            for name, value in points.items():
                if json.dumps(held.setdefault(name, value)[0]) != json.dumps(value[0]):
                    raise BadRequest(
                        f"Model {model_id} has another value for the metric at this step and time."
                    )

        companions = [] if head_key is None else [head_key]
        names = {POINTS.attribute: points}
        if self._documents.change(keys.model_partition(model_id), names, edit, companions) is None:
            raise _metrics_of_none(model_id)


def model_missing(model_id: str) -> ResourceDoesNotExist:
    """MLflow's answer for an unknown logged model."""
    return ResourceDoesNotExist(f"Logged model with ID '{model_id}' not found.")


def _metrics_of_none(model_id: str) -> BadRequest:
    """MLflow's answer where its database refuses the metric of an unknown model."""
    return BadRequest(f"Logged model with ID '{model_id}' not found.")


def _experiment_key(model_id: str) -> Key | None:
    experiment_id = experiment_of_model(model_id)
    experiment = None if experiment_id is None else experiment_hex(experiment_id)
    return None if experiment is None else keys.experiment_head(experiment)


def _point_name(run_id: str, metric: Metric) -> str:
    return json.dumps([metric.key, metric.timestamp, metric.step, run_id], separators=(",", ":"))


def _info(model: LoggedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "created": model.creation_timestamp,
        "updated": model.last_updated_timestamp,
        "status": model.status,
        "type": model.model_type,
        "run": model.source_run_id,
        "lifecycle_stage": model.lifecycle_stage,
    }


def _model(model_id: str, document: Document, experiment: Item) -> LoggedModel:
    info = document.info
    draft = facts.read_into(Draft(info), document.sections[FACTS.attribute])
    return LoggedModel(
        model_id=model_id,
        experiment_id=str(int(model_id[2:18], 16)),
        name=info["name"],
        artifact_uri=model_artifacts(experiment["loc"], model_id),
        creation_timestamp=info["created"],
        last_updated_timestamp=info["updated"],
        status=info["status"],
        lifecycle_stage=info["lifecycle_stage"],
        model_type=info["type"],
        source_run_id=info["run"],
        tags=draft.tags,
        params=draft.params,
        metrics=tuple(_points(model_id, document)),
    )


def _points(model_id: str, document: Document) -> Iterator[Metric]:
    for name, (value, dataset_name, dataset_digest) in document.sections.get(POINTS.attribute, {}).items():
        key, timestamp, step, run_id = json.loads(name)
        yield Metric(key, value, timestamp, step, model_id, dataset_name, dataset_digest, run_id)
