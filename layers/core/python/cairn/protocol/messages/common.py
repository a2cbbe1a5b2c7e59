"""Messages that several requests hold."""

from cairn.protocol.message import Message
from cairn.protocol.scalars import Given, Text


class Tag(Message):
    """A tag where MLflow asks for nothing: experiments/create, runs/create, logged models."""

    key: Text = ""
    value: Text = ""


class GivenTag(Message):
    """A tag whose key is required: runs/log-batch."""

    key: Given
    value: Text = ""


class Param(Message):
    key: Text = ""
    value: Text = ""


class GivenParam(Message):
    """A param whose key is required: runs/log-batch."""

    key: Given
    value: Text = ""
