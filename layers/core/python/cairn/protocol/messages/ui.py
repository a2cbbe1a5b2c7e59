"""What MLflow's UI asks for on every page, and of features that are not offered: little of it is read."""

from cairn.protocol.message import Message
from cairn.protocol.scalars import Given


class Anything(Message):
    """Fields are ignored."""


class GetOrCreateUserQueue(Message):
    experiment_id: Given
    user: Given
