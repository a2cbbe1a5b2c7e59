"""A GraphQL request, as the UI posts it."""

from typing import Any

from cairn.protocol.message import Message
from cairn.protocol.scalars import Given, Text


class GraphQL(Message):
    """``variables`` are of the types that the query declares."""

    query: Given
    variables: dict[str, Any] | None = None
    operation_name: Text | None = None
