"""Use-cases of runs: create, read, change, and log to them."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from cairn.domain import limits
from cairn.domain import runs as changes
from cairn.domain.draft import Draft
from cairn.domain.entities import ACTIVE, Dataset, DatasetInput, Metric, ModelOutput, Run, RunInfo
from cairn.domain.lifecycle import require_active_experiment, require_active_run
from cairn.domain.metrics import clamp, distinct
from cairn.domain.names import random_name
from cairn.errors import BadRequest, InvalidParameterValue
from cairn.ids import DEFAULT_EXPERIMENT_ID, new_run_id
from cairn.protocol import render
from cairn.protocol.messages import runs as messages
from cairn.services import lineage, notes
from cairn.services.creations import once
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller

CONTEXT_TAG = "mlflow.data.context"
_MODEL_FIELDS = ("artifact_path", "flavors", "utc_time_created", "run_id")


def create_run(stores: Stores, caller: Caller, request: messages.CreateRun) -> Result:
    """A run in an active experiment. With an idempotency key the run's id follows from it, so that a
    replay by the same caller finds the run it made."""
    experiment_id = request.experiment_id or DEFAULT_EXPERIMENT_ID
    tags = {tag.key: tag.value for tag in request.tags}
    name, tagged = request.run_name, tags.get(changes.RUN_NAME_TAG, "")
    if (name and tagged and name != tagged) or len(tags) < len(request.tags):
        experiment = stores.experiments.get(experiment_id)  # whose own state MLflow tells first
        require_active_experiment(experiment_id, experiment.lifecycle_stage)
    if name and tagged and name != tagged:
        raise InvalidParameterValue(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{name}', mlflow.runName='{tagged}')."
        )
    if len(tags) < len(request.tags):
        raise BadRequest("The tags of a run have distinct keys.")
    if not request.experiment_id:
        raise BadRequest("A run needs an experiment_id.")  # MLflow's SQL refuses the empty foreign key
    name = name or tagged or random_name(stores.bits)
    tags[changes.RUN_NAME_TAG] = name
    info = RunInfo(
        run_id=new_run_id(experiment_id, once(stores, caller, request).bits),
        experiment_id=experiment_id,
        run_name=name,
        user_id=request.user_id,
        status="RUNNING",
        start_time=request.start_time,
        end_time=None,
        lifecycle_stage=ACTIVE,
        artifact_uri="",
    )
    return {"run": render.created_run(stores.runs.create(Run(info, tags=tags)))}


def get_run(stores: Stores, caller: Caller, request: messages.GetRun) -> Result:
    """The run with all its facts, deleted or not."""
    run = render.run(stores.datasets.fill([stores.runs.get(request.run_id)])[0])
    lineage.of_runs(stores, [run])
    return {"run": run}


def update_run(stores: Stores, caller: Caller, request: messages.UpdateRun) -> Result:
    """Status, end time and name; an empty name is ignored."""
    change = changes.update_info(request.status, request.end_time, request.run_name)
    return {"run_info": render.run_info(_change(stores, request.run_id, change).info)}


def delete_run(stores: Stores, caller: Caller, request: messages.DeleteRun) -> Result:
    change = changes.delete()
    stores.runs.change(request.run_id, change.touch, change.merge)
    return {}


def restore_run(stores: Stores, caller: Caller, request: messages.RestoreRun) -> Result:
    change = changes.restore()
    stores.runs.change(request.run_id, change.touch, change.merge)
    return {}


def log_metric(stores: Stores, caller: Caller, request: messages.LogMetric) -> Result:
    """One point, on the run and, where it names one, on its model."""
    limits.validate_metric(request.key, request.value, request.timestamp)
    _log(stores, request.run_id, [_metric(request)])
    return {}


def log_param(stores: Stores, caller: Caller, request: messages.LogParam) -> Result:
    key, value = limits.validate_param(request.key, request.value)
    _change(stores, request.run_id, changes.log_param(request.run_id, key, value))
    return {}


def log_batch(stores: Stores, caller: Caller, request: messages.LogBatch) -> Result:
    """Metrics, params and tags. A param that would change refuses the whole batch; else all of it is
    written, in several steps that a repeated batch completes."""
    limits.validate_run_id(request.run_id)
    limits.validate_batch_limits(len(request.metrics), len(request.params), len(request.tags))
    for index, metric in enumerate(request.metrics):
        limits.validate_metric(metric.key, metric.value, metric.timestamp, f"metrics[{index}]")
    params = [limits.validate_param(p.key, p.value, f"params[{i}]") for i, p in enumerate(request.params)]
    tags = [limits.validate_tag(t.key, t.value, f"tags[{i}]") for i, t in enumerate(request.tags)]
    limits.validate_param_keys_unique([key for key, _ in params])
    _log(
        stores,
        request.run_id,
        [_metric(metric) for metric in request.metrics],
        changes.log_params(request.run_id, dict(params)),
        _set_tags(stores, tags),
    )
    return {}


def set_tag(stores: Stores, caller: Caller, request: messages.SetTag) -> Result:
    tag = limits.validate_tag(request.key, request.value)
    _change(stores, request.run_id, _set_tags(stores, [tag]))
    return {}


def delete_tag(stores: Stores, caller: Caller, request: messages.DeleteTag) -> Result:
    _change(stores, request.run_id, changes.delete_tag(request.run_id, request.key))
    return {}


def log_inputs(stores: Stores, caller: Caller, request: messages.LogInputs) -> Result:
    """Datasets and models that the run reads. A dataset is written before the run that names it."""
    limits.validate_run_id(request.run_id)
    inputs: dict[tuple[str, str], tuple[Dataset, DatasetInput]] = {}
    for given in request.datasets:
        dataset, tags = _dataset(given.dataset), {tag.key: tag.value for tag in given.tags}
        limits.validate_dataset_input(dataset, [(tag.key, tag.value) for tag in given.tags])
        use = DatasetInput(dataset.name, dataset.digest, tags)
        inputs.setdefault((dataset.name, dataset.digest), (dataset, use))
    run = stores.runs.get(request.run_id, to_change=True)
    require_active_run(request.run_id, run.info.lifecycle_stage)
    held = {(use.name, use.digest) for use in run.dataset_inputs}
    new = [(dataset, use) for key, (dataset, use) in inputs.items() if key not in held]
    stores.datasets.add(run.info.experiment_id, [dataset for dataset, _ in new])
    uses = [(use.name, use.digest, use.tags.get(CONTEXT_TAG)) for _, use in new]
    stores.datasets.use(run.info.experiment_id, uses)
    _change(
        stores,
        request.run_id,
        changes.log_datasets([use for _, use in new]),
        changes.log_model_inputs([model.model_id for model in request.models]),
    )
    return {}


def log_outputs(stores: Stores, caller: Caller, request: messages.LogOutputs) -> Result:
    outputs = [ModelOutput(model.model_id, model.step) for model in request.models]
    _change(stores, request.run_id, changes.log_model_outputs(outputs))
    return {}


def log_model(stores: Stores, caller: Caller, request: messages.LogModel) -> Result:
    """A model of MLflow 2, kept in a tag of the run."""
    try:
        model = json.loads(request.model_json)
    except ValueError:
        raise InvalidParameterValue(
            f"Malformed model info. \n {request.model_json} \n is not a valid JSON."
        ) from None
    missing = {field for field in _MODEL_FIELDS if not isinstance(model, dict) or field not in model}
    if missing:
        raise InvalidParameterValue(f"Model json is missing mandatory fields: {missing}")
    _change(stores, request.run_id, changes.record_model(_shown(model), _validate_history))
    return {}


def _change(stores: Stores, run_id: str, *steps: changes.Change) -> Run:
    change = changes.while_active(run_id, *steps)
    return stores.runs.change(run_id, change.touch, change.merge)


def _set_tags(stores: Stores, tags: Sequence[tuple[str, str]]) -> changes.Change:
    """Tags that note other resources keep what this caller does not see of them."""
    change = changes.set_tags(tags)
    if not notes.are_among(stores, (key for key, _ in tags)):
        return change

    def merge(draft: Draft) -> None:
        held = dict(draft.tags)
        kept = [(key, notes.with_hidden(stores, key, value, held.get(key))) for key, value in tags]
        changes.set_tags(kept).merge(draft)

    return changes.Change(change.touch, merge)


def _log(stores: Stores, run_id: str, metrics: Sequence[Metric], *steps: changes.Change) -> None:
    """Points on the models that they name, then on the run with whatever comes along."""
    if any(metric.model_id is not None for metric in metrics):
        require_active_run(run_id, stores.runs.get(run_id, to_change=True).info.lifecycle_stage)
        stores.models.log_metrics(run_id, [each._replace(value=_of_model(each.value)) for each in metrics])
    points = [Metric(metric.key, clamp(metric.value), metric.timestamp, metric.step) for metric in metrics]
    change = changes.while_active(run_id, *steps)
    stores.runs.change(run_id, change.touch, change.merge, distinct(points))


def _of_model(value: float) -> float:
    """A model's metric as MLflow's store keeps it: clamped, and NaN as 0 (it has no column for that)."""
    return 0.0 if math.isnan(value) else clamp(value)


def _metric(request: messages.LogMetric | messages.BatchMetric) -> Metric:
    if bool(request.dataset_name) != bool(request.dataset_digest):
        raise InvalidParameterValue(
            "Both dataset_name and dataset_digest must be provided if one is provided"
        )
    return Metric(
        request.key,
        request.value,
        request.timestamp,
        request.step,
        request.model_id or None,
        request.dataset_name or None,
        request.dataset_digest or None,
    )


def _dataset(given: messages.Dataset) -> Dataset:
    return Dataset(
        given.name,
        given.digest,
        given.source_type,
        given.source,
        given.schema_ or None,
        given.profile or None,
    )


def _shown(model: Mapping[str, Any]) -> dict[str, Any]:
    """What the history keeps of a model, in its order: MLflow's ``Model.get_tags_dict``."""
    flavors = model["flavors"]
    if not isinstance(flavors, dict):
        raise InvalidParameterValue("Model json has no mapping of flavors.")
    kept = {key: model[key] for key in ("run_id", "artifact_path", "utc_time_created")}
    shown = {
        flavor: {key: value for key, value in config.items() if key != "config"}
        if isinstance(config, dict)
        else config
        for flavor, config in flavors.items()
    }
    return {**kept, "model_uuid": model.get("model_uuid"), "flavors": shown}


def _validate_history(key: str, value: str) -> None:
    limits.validate_tag(key, value)
