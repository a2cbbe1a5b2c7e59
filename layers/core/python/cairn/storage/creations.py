"""Claims of idempotency keys: who comes first with a key says what it stands for, for 24 hours."""

from cairn.domain.creations import KEPT_MS, Claim
from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, Compare, Exists, Or, Set
from cairn.storage.table import ConditionFailed, Item, Put, Table, Update

_CLEANED_UP_MS = 3_600_000
"""How long after its time DynamoDB may remove a claim: whether it holds is asked of its time."""


class Creations:
    """``asked`` stands for a caller, a route and a key: hex digits of a hash of them."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def claim(self, asked: str, claim: Claim, now: int) -> Claim:
        """The claim that holds: this one, or one that was there before it. 1 PutItem of 1 write unit,
        whichever it is."""
        key = keys.creation(asked)
        item = {
            "pk": key.pk,
            "sk": key.sk,
            "f": FORMAT,
            "b": claim.body,
            "s": claim.seed,
            "c": now,
            "ttl": (now + KEPT_MS + _CLEANED_UP_MS) // 1000,
        }
        try:
            self._table.put(Put(item, Or((Absent(), Compare("c", "<=", now - KEPT_MS)))))
        except ConditionFailed as failed:
            return claim if failed.item is None else _claim(failed.item)
        return claim


def made(table: Table, asked: str) -> str | None:
    """What was noted for a key. 1 GetItem."""
    item = table.get(keys.creation(asked))
    return None if item is None else _claim(item).made


def note(asked: str, made: str) -> Update:
    """For the transaction that makes it. The key was claimed before."""
    return Update(keys.creation(asked), (Set("m", made),), Exists())


def _claim(item: Item) -> Claim:
    return Claim(item["b"], item["s"], item.get("m"))
