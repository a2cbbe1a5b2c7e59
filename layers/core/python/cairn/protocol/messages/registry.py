"""Requests about registered models, their versions and aliases. Prompts are registered models too."""

from typing import Annotated

from pydantic import FailFast, Field

from cairn.protocol.message import Creation, Message
from cairn.protocol.messages.common import Tag
from cairn.protocol.scalars import Given, Int64, Text


class CreateRegisteredModel(Creation):
    name: Given
    tags: Annotated[list[Tag], FailFast()] = Field(default_factory=list)
    description: Text = ""


class GetRegisteredModel(Message):
    name: Given


class RenameRegisteredModel(Message):
    name: Given
    new_name: Given


class UpdateRegisteredModel(Message):
    name: Given
    description: Text = ""


class DeleteRegisteredModel(Message):
    name: Given


class SearchRegisteredModels(Message):
    filter: Text = ""
    max_results: Int64 = 100
    order_by: Annotated[list[Text], FailFast()] = Field(default_factory=list)
    page_token: Text = ""


class GetLatestVersions(Message):
    name: Given
    stages: Annotated[list[Text], FailFast()] = Field(default_factory=list)


class SetRegisteredModelTag(Message):
    name: Given
    key: Given
    value: Text = ""


class DeleteRegisteredModelTag(Message):
    name: Given
    key: Given


class SetRegisteredModelAlias(Message):
    name: Given
    alias: Given
    version: Given


class DeleteRegisteredModelAlias(Message):
    name: Given
    alias: Given


class GetModelVersionByAlias(Message):
    name: Given
    alias: Given


class CreateModelVersion(Creation):
    """Whether a run or a logged model was named matters where the source is another version."""

    name: Given
    source: Given
    run_id: Text | None = None
    tags: Annotated[list[Tag], FailFast()] = Field(default_factory=list)
    run_link: Text = ""
    description: Text = ""
    model_id: Text | None = None


class GetModelVersion(Message):
    name: Given
    version: Given


class UpdateModelVersion(Message):
    name: Given
    version: Given
    description: Text | None = None


class TransitionModelVersionStage(Message):
    name: Given
    version: Given
    stage: Given
    archive_existing_versions: Annotated[bool, Field(strict=True)] = False


class DeleteModelVersion(Message):
    name: Given
    version: Given


class GetModelVersionDownloadUri(Message):
    """MLflow requires neither here: an empty one is not found, or no name."""

    name: Text = ""
    version: Text = ""


class SearchModelVersions(Message):
    filter: Text = ""
    max_results: Int64 = 200_000
    order_by: Annotated[list[Text], FailFast()] = Field(default_factory=list)
    page_token: Text = ""


class SetModelVersionTag(Message):
    name: Given
    version: Given
    key: Given
    value: Text = ""


class DeleteModelVersionTag(Message):
    name: Given
    version: Given
    key: Given
