"""Requests about tokens, and about oneself: Cairn's own, not MLflow's."""

from cairn.protocol.message import Empty, Message
from cairn.protocol.scalars import Int32, Text, TokenPermission


class CreateToken(Message):
    """``hours`` until it expires."""

    permission: TokenPermission = "READ"
    hours: Int32 = 1


class ListTokens(Empty):
    pass


class RevokeTokens(Message):
    """``principal``: whose; without it, one's own."""

    principal: Text = ""


class WhoAmI(Empty):
    pass
