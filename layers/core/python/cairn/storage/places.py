"""Page tokens that callers may not know, kept for them for an hour (docs/adr/0027)."""

from cairn.storage import keys
from cairn.storage.codec import FORMAT, pack, unpack
from cairn.storage.table import Put, Table

KEPT_MS = 3_600_000
"""For how long such a search can be gone on with."""
_CLEANED_UP_MS = 3_600_000
"""How long after its time DynamoDB may remove a token: whether it holds is asked of its time."""


class Places:
    """``asked`` stands for a caller, a query and a name: hex digits of a hash of them."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, asked: str, token: str, now: int) -> None:
        """1 PutItem, 1 write unit per KB: 1 or 2, and some 10 at most, with 50 long names of models."""
        key = keys.place(asked)
        item = {
            "pk": key.pk,
            "sk": key.sk,
            "f": FORMAT,
            "b": pack(token.encode()),
            "e": now + KEPT_MS,
            "ttl": (now + KEPT_MS + _CLEANED_UP_MS) // 1000,
        }
        self._table.put(Put(item))

    def find(self, asked: str, now: int) -> str | None:
        """1 GetItem, 1 read unit per 4 KB."""
        item = self._table.get(keys.place(asked))
        return None if item is None or item["e"] <= now else unpack(item["b"]).decode()
