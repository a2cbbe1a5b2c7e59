"""Entities as MLflow's response messages: the dicts that its JSON holds.

The rules are those of each entity's ``to_proto`` (mlflow/entities) and of ``message_to_json``: names in
snake_case, int64 as numbers, NaN as the string "NaN", what is unset or an empty list left out; what is set
stands there, be it 0 or "".
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from cairn.domain.entities import (
    DatasetInput,
    Experiment,
    LoggedModel,
    Metric,
    Run,
    RunInfo,
)

Json = dict[str, Any]

WORKSPACE = "default"
"""What MLflow calls the only workspace of a server without workspaces."""


def double(value: float) -> float | str:
    """A double as proto-JSON writes it."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def experiment(entity: Experiment) -> Json:
    message: Json = {
        "experiment_id": entity.experiment_id,
        "name": entity.name,
        "artifact_location": entity.artifact_location,
        "lifecycle_stage": entity.lifecycle_stage,
    }
    if entity.last_update_time:
        message["last_update_time"] = entity.last_update_time
    if entity.creation_time:
        message["creation_time"] = entity.creation_time
    _add(message, "tags", pairs(entity.tags))
    message["workspace"] = WORKSPACE
    return message


def run_info(info: RunInfo) -> Json:
    """Both ``run_id`` and ``run_uuid``; an end time of 0 counts as none (MLflow's ``RunInfo.to_proto``)."""
    message: Json = {
        "run_uuid": info.run_id,
        "experiment_id": info.experiment_id,
        "run_name": info.run_name,
        "user_id": info.user_id,
        "status": info.status,
        "start_time": info.start_time,
    }
    if info.end_time:
        message["end_time"] = info.end_time
    if info.artifact_uri:
        message["artifact_uri"] = info.artifact_uri
    message["lifecycle_stage"] = info.lifecycle_stage
    message["run_id"] = info.run_id
    return message


def created_run(entity: Run) -> Json:
    """As ``runs/create`` answers: MLflow's store gives no outputs there, not even empty ones."""
    message = run(entity)
    del message["outputs"]
    return message


def found_run(entity: Run) -> Json:
    """As ``runs/search`` answers: MLflow's store reads no model inputs there."""
    message = run(entity)
    message["inputs"].pop("model_inputs", None)
    return message


def run(entity: Run) -> Json:
    data: Json = {}
    _add(data, "metrics", [metric(point) for point in entity.metrics.values()])
    _add(data, "params", pairs(entity.params))
    _add(data, "tags", pairs(entity.tags))
    inputs: Json = {}
    _add(inputs, "dataset_inputs", [dataset_input(use) for use in entity.dataset_inputs])
    _add(inputs, "model_inputs", [{"model_id": model_id} for model_id in entity.model_inputs])
    outputs: Json = {}
    _add(
        outputs,
        "model_outputs",
        [{"model_id": output.model_id, "step": output.step} for output in entity.model_outputs],
    )
    return {"info": run_info(entity.info), "data": data, "inputs": inputs, "outputs": outputs}


def metric(point: Metric) -> Json:
    key, value, timestamp, step, model_id, dataset_name, dataset_digest, run_id = point
    message: Json = {
        "key": key,
        "value": value if math.isfinite(value) else double(value),
        "timestamp": timestamp,
        "step": step,
    }
    if model_id:
        message["model_id"] = model_id
    if dataset_name:
        message["dataset_name"] = dataset_name
    if dataset_digest:
        message["dataset_digest"] = dataset_digest
    if run_id:
        message["run_id"] = run_id
    return message


def metric_of_run(point: Metric, run_id: str) -> Json:
    """A point of get-history-bulk and get-history-bulk-interval (MetricWithRunId)."""
    return {
        "key": point.key,
        "value": double(point.value),
        "timestamp": point.timestamp,
        "step": point.step,
        "run_id": run_id,
    }


def dataset_input(use: DatasetInput) -> Json:
    """A use of a dataset; one that was not filled in shows what identifies it."""
    message: Json = {}
    _add(message, "tags", pairs(use.tags))
    dataset: Json = {"name": use.name, "digest": use.digest}
    if use.dataset is not None:
        dataset["source_type"] = use.dataset.source_type
        dataset["source"] = use.dataset.source
        if use.dataset.schema:
            dataset["schema"] = use.dataset.schema
        if use.dataset.profile:
            dataset["profile"] = use.dataset.profile
    message["dataset"] = dataset
    return message


def logged_model(entity: LoggedModel) -> Json:
    info: Json = {
        "model_id": entity.model_id,
        "experiment_id": entity.experiment_id,
        "name": entity.name,
        "creation_timestamp_ms": entity.creation_timestamp,
        "last_updated_timestamp_ms": entity.last_updated_timestamp,
        "artifact_uri": entity.artifact_uri,
        "status": entity.status,
    }
    if entity.model_type is not None:
        info["model_type"] = entity.model_type
    if entity.source_run_id is not None:
        info["source_run_id"] = entity.source_run_id
    _add(info, "tags", pairs(entity.tags))
    data: Json = {}
    _add(data, "params", pairs(entity.params))
    _add(data, "metrics", [metric(point) for point in entity.metrics])
    return {"info": info, "data": data}


def pairs(entries: Mapping[str, str]) -> list[Json]:
    """Params or tags."""
    return [{"key": key, "value": value} for key, value in entries.items()]


class Page(Json):
    """A page as ``page`` gives it, beside its JSON: what was written to be weighed is not written again.
    Its messages are not to be changed."""

    __slots__ = ("written",)

    def __init__(self, name: str, shown: Sequence[tuple[Json, bytes]], token: str | None = None) -> None:
        """Of messages, each with its JSON (``written``)."""
        messages, parts = zip(*shown, strict=True) if shown else ((), ())
        super().__init__(page(name, messages, token))
        fields = [b"%b:[%b]" % (to_json(name), b",".join(parts))] if parts else []
        if token:
            fields.append(b'"next_page_token":' + to_json(token))
        self.written = b"{%b}" % b",".join(fields)


def page(name: str, messages: Iterable[Json], token: str | None = None) -> Json:
    """A list under its name, left out when empty, and the token of the next page where there is one."""
    answer: Json = {}
    _add(answer, name, list(messages))
    if token:
        answer["next_page_token"] = token
    return answer


def written(message: Mapping[str, Any]) -> bytes:
    """The JSON of a message, as an answer holds it."""
    return to_json(message, inf_nan_mode="strings")


def _add(message: Json, name: str, values: list[Json]) -> None:
    if values:
        message[name] = values
