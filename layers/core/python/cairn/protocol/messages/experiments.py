"""Requests about experiments."""

from typing import Annotated

from pydantic import FailFast, Field

from cairn.protocol.message import Creation, Message
from cairn.protocol.messages.common import Tag
from cairn.protocol.scalars import Given, Int64, Text, ViewType


class CreateExperiment(Creation):
    name: Given
    artifact_location: Text = ""
    tags: Annotated[list[Tag], FailFast()] = Field(default_factory=list)


class SearchExperiments(Message):
    """``max_results`` 0, which is refused, stands for an omitted one too: MLflow's proto has no default."""

    max_results: Int64 = 0
    page_token: Text = ""
    filter: Text = ""
    order_by: Annotated[list[Text], FailFast()] = Field(default_factory=list)
    view_type: ViewType = "ACTIVE_ONLY"


class GetExperiment(Message):
    experiment_id: Given


class GetExperimentByName(Message):
    experiment_name: Given


class DeleteExperiment(Message):
    experiment_id: Given


class RestoreExperiment(Message):
    experiment_id: Given


class UpdateExperiment(Message):
    experiment_id: Given
    new_name: Given


class SetExperimentTag(Message):
    experiment_id: Given
    key: Given
    value: Text = ""


class DeleteExperimentTag(Message):
    experiment_id: Given
    key: Given


class SearchDatasets(Message):
    experiment_ids: Annotated[list[Text], FailFast()] = Field(default_factory=list)
