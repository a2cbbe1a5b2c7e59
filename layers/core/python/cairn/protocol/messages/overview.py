"""The request of Cairn's own page."""

from cairn.protocol.message import Empty


class Overview(Empty):
    pass
