"""Requests about runs. Where a message has ``run_uuid``, that is the run where ``run_id`` is absent."""

from typing import Annotated

from pydantic import FailFast, Field

from cairn.protocol.message import Creation, Message
from cairn.protocol.messages.common import GivenParam, GivenTag, Tag
from cairn.protocol.scalars import Double, Given, Int32, Int64, RunStatus, Text, ViewType


class CreateRun(Creation):
    """``start_time`` omitted is 0, the epoch (the proto's default), as MLflow stores it."""

    experiment_id: Text = ""
    user_id: Text = ""
    run_name: Text = ""
    start_time: Int64 = 0
    tags: Annotated[list[Tag], FailFast()] = Field(default_factory=list)


class UpdateRun(Message):
    run_id: Given
    run_uuid: Text = ""
    status: RunStatus | None = None
    end_time: Int64 | None = None
    run_name: Text | None = None


class DeleteRun(Message):
    run_id: Given


class RestoreRun(Message):
    run_id: Given


class GetRun(Message):
    run_id: Given
    run_uuid: Text = ""


class LogMetric(Message):
    run_id: Given
    run_uuid: Text = ""
    key: Given
    value: Double
    timestamp: Int64
    step: Int64 = 0
    model_id: Text = ""
    dataset_name: Text = ""
    dataset_digest: Text = ""


class LogParam(Message):
    run_id: Given
    run_uuid: Text = ""
    key: Given
    value: Text = ""


class SetTag(Message):
    run_id: Given
    run_uuid: Text = ""
    key: Given
    value: Text = ""


class DeleteTag(Message):
    run_id: Given
    key: Given


class BatchMetric(Message):
    """A metric of runs/log-batch."""

    key: Given
    value: Double
    timestamp: Int64
    step: Int64 = 0
    model_id: Text = ""
    dataset_name: Text = ""
    dataset_digest: Text = ""
    run_id: Text = ""


class LogBatch(Message):
    run_id: Given
    metrics: Annotated[list[BatchMetric], FailFast()] = Field(default_factory=list)
    params: Annotated[list[GivenParam], FailFast()] = Field(default_factory=list)
    tags: Annotated[list[GivenTag], FailFast()] = Field(default_factory=list)


class LogModel(Message):
    """``model_json`` is the JSON of an MLmodel file, in a string."""

    run_id: Given
    model_json: Given


class InputTag(Message):
    key: Text = ""
    value: Text = ""


class Dataset(Message):
    """``schema`` is JSON in a string; its Python name is another, pydantic's own being taken."""

    name: Text = ""
    digest: Text = ""
    source_type: Text = ""
    source: Text = ""
    schema_: Text = Field(default="", alias="schema")
    profile: Text = ""


class DatasetInput(Message):
    tags: Annotated[list[InputTag], FailFast()] = Field(default_factory=list)
    dataset: Dataset = Field(default_factory=Dataset)


class ModelInput(Message):
    model_id: Text = ""


class ModelOutput(Message):
    model_id: Text = ""
    step: Int64 = 0


class LogInputs(Message):
    run_id: Given
    datasets: Annotated[list[DatasetInput], FailFast()] = Field(default_factory=list)
    models: Annotated[list[ModelInput], FailFast()] = Field(default_factory=list)


class LogOutputs(Message):
    run_id: Given
    models: Annotated[list[ModelOutput], FailFast()]


class SearchRuns(Message):
    experiment_ids: Annotated[list[Text], FailFast()] = Field(default_factory=list)
    filter: Text = ""
    run_view_type: ViewType = "ACTIVE_ONLY"
    max_results: Int32 = 1000
    order_by: Annotated[list[Text], FailFast()] = Field(default_factory=list)
    page_token: Text = ""
