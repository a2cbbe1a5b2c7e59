"""Requests about the server itself: none has a field."""

from cairn.protocol.message import Empty


class Health(Empty):
    pass


class Version(Empty):
    pass


class ServerInfo(Empty):
    pass
