"""Requests about logged models. ``model_id`` and ``tag_key`` come from the path."""

from typing import Annotated

from pydantic import FailFast, Field

from cairn.protocol.message import Creation, Message
from cairn.protocol.messages.common import Param, Tag
from cairn.protocol.scalars import Given, Int32, LoggedModelStatus, Text


class CreateLoggedModel(Creation):
    experiment_id: Given
    name: Text = ""
    model_type: Text = ""
    source_run_id: Text = ""
    params: Annotated[list[Param], FailFast()] = Field(default_factory=list)
    tags: Annotated[list[Tag], FailFast()] = Field(default_factory=list)


class GetLoggedModel(Message):
    """``allow_deleted`` is a query parameter of its own, "true" in any case or anything else."""

    model_id: Given
    allow_deleted: Text = ""


class FinalizeLoggedModel(Message):
    model_id: Given
    status: LoggedModelStatus


class DeleteLoggedModel(Message):
    model_id: Given


class LogLoggedModelParams(Message):
    model_id: Given
    params: Annotated[list[Param], FailFast()] = Field(default_factory=list)


class SetLoggedModelTags(Message):
    model_id: Given
    tags: Annotated[list[Tag], FailFast()] = Field(default_factory=list)


class DeleteLoggedModelTag(Message):
    model_id: Given
    tag_key: Given


class DatasetFilter(Message):
    dataset_name: Text = ""
    dataset_digest: Text = ""


class OrderBy(Message):
    field_name: Text = ""
    ascending: Annotated[bool, Field(strict=True)] = True
    dataset_name: Text = ""
    dataset_digest: Text = ""


class SearchLoggedModels(Message):
    experiment_ids: Annotated[list[Text], FailFast()]
    filter: Text = ""
    datasets: Annotated[list[DatasetFilter], FailFast()] = Field(default_factory=list)
    max_results: Int32 = 50
    order_by: Annotated[list[OrderBy], FailFast()] = Field(default_factory=list)
    page_token: Text = ""


class ListLoggedModelArtifacts(Message):
    model_id: Given
    artifact_directory_path: Text | None = None
    page_token: Text = ""
