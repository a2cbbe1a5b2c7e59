"""Grants: one packed item for all that an account, or an organisation, holds.

A request reads the item of its caller's account and of its organisation, in one BatchGetItem, whatever the
number of grants.
"""

import json
import zlib
from collections.abc import Sequence
from typing import Any

from cairn.domain.access import Pattern, Permission
from cairn.domain.grants import Grant
from cairn.errors import InvalidParameterValue
from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, eq
from cairn.storage.table import ConditionFailed, Item, Put, Table

_MAX_BYTES = 300_000
"""An item holds 400 KB (DynamoDB)."""


class Grants:
    """By holder: an account's id or an organisation's."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def held(self, holders: Sequence[str]) -> list[Grant]:
        """1 BatchGetItem of an item for each holder, 1 read unit per 4 KB: about 30 bytes a grant."""
        found = self._table.batch_get([keys.grants(holder) for holder in holders])
        return [grant for item in found.values() for grant in _grants(item)]

    def replace(self, holder: str, grants: Sequence[Grant], seen: Sequence[Grant]) -> bool:
        """All grants of a holder, where they still are those ``seen``: 1 GetItem, 1 PutItem. False where
        somebody else changed them meanwhile. InvalidParameterValue for more than one item holds."""
        key = keys.grants(holder)
        item = self._table.get(key)
        if (set(_grants(item)) if item else set()) != set(seen):
            return False
        blob = _packed(grants)
        if len(blob) > _MAX_BYTES:
            raise InvalidParameterValue(
                f"The grants of {holder} pass {_MAX_BYTES} bytes. Name resources by prefix, or share less."
            )
        version = item["v"] if item else 0
        condition = eq("v", version) if item else Absent()
        new = {"pk": key.pk, "sk": key.sk, "f": FORMAT, "v": version + 1, "h": holder, "b": blob}
        try:
            self._table.put(Put(new, condition))
        except ConditionFailed:
            return False
        return True


def _packed(grants: Sequence[Grant]) -> bytes:
    rows = sorted(
        [g.share, g.role or "", g.permission.name, g.pattern.kind, g.pattern.match, g.pattern.text]
        for g in set(grants)
    )
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode())


def _grants(item: Item) -> list[Grant]:
    rows: list[list[Any]] = json.loads(zlib.decompress(item["b"]))
    return [
        Grant(item["h"], Permission[permission], Pattern(kind, match, text), role or None, share)
        for share, role, permission, kind, match, text in rows
    ]
