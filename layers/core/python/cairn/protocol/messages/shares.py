"""Requests about shares: Cairn's own, not MLflow's. ``name`` of an existing share comes from the path."""

from pydantic import Field

from cairn.protocol.message import Creation, Empty, Message
from cairn.protocol.scalars import Given, Text

Texts = list[Text]


class CreateShare(Creation):
    """Patterns are exact names, or prefixes with one ``*`` at their end."""

    name: Given
    permission: Text = "READ"
    experiments: Texts = Field(default_factory=list)
    experiment_ids: Texts = Field(default_factory=list)
    models: Texts = Field(default_factory=list)
    prompts: Texts = Field(default_factory=list)
    principals: Texts = Field(default_factory=list)
    roles: Texts = Field(default_factory=list)
    direct_s3: bool = False


class ListShares(Empty):
    pass


class GetShare(Message):
    name: Given


class UpdateShare(Message):
    """What is given: a list replaces the one before it, an empty one removes it. ``principals`` are asked
    for beside those there are, once more where they are not in."""

    name: Given
    permission: Text = ""
    experiments: Texts | None = None
    experiment_ids: Texts | None = None
    models: Texts | None = None
    prompts: Texts | None = None
    roles: Texts | None = None
    direct_s3: bool | None = None
    principals: Texts = Field(default_factory=list)
    remove_principals: Texts = Field(default_factory=list)


class DeleteShare(Message):
    name: Given


class ShareStatus(Message):
    """Of one share, or of all."""

    name: Text = ""
