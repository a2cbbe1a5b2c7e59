"""What MLflow's UI asks for on every page, and of features that are not offered: nothing of it is read."""

from cairn.protocol.message import Message


class Anything(Message):
    """Fields are ignored."""
