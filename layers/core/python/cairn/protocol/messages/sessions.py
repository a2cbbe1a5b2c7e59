"""The request for a code that signs a browser in: Cairn's own, not MLflow's."""

from cairn.protocol.message import Message
from cairn.protocol.scalars import Int32, SessionPermission


class CreateCode(Message):
    """``hours`` until the session ends that the code opens, ``permission`` the most that it may do."""

    permission: SessionPermission = "MANAGE"
    hours: Int32 = 12
