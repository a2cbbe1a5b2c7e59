"""Tokens, by their hash under the principal that minted them, and that principal's mark of revocation.

The time to live of an item only cleans up: whether a token is expired is asked of its own time.
"""

import json
from typing import Any

from cairn.domain.access import Permission
from cairn.domain.tokens import HOUR_MS, MAX_HOURS, Token
from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, Compare, Or
from cairn.storage.table import ConditionFailed, Item, Key, Put, Query, Table

_KEPT_MS = HOUR_MS
"""For how long what is over is kept."""
NEVER = -1
"""Before all times: no mark."""
_PRINCIPAL = ("partition", "account", "kind", "name", "organisation", "session")


class Tokens:
    """``holder`` stands for a principal, ``hashed`` for a token: hex digits of a hash of either."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, holder: str, hashed: str, token: Token) -> None:
        """1 PutItem."""
        self._table.put(Put(item_of(keys.token(holder, hashed), token), Absent()))

    def find(self, holder: str, hashed: str) -> tuple[Token | None, int]:
        """The token, and the time before which its principal's are revoked: 1 BatchGetItem of two items, 2
        read units, strongly consistent."""
        token, mark = keys.token(holder, hashed), keys.revocation(holder)
        found = self._table.batch_get([token, mark])
        return (
            token_of(found[token]) if token in found else None,
            int(found[mark]["n"]) if mark in found else NEVER,
        )

    def held(self, holder: str) -> list[Token]:
        """Of a principal, expired ones among them, revoked ones not: 1 Query, 1 read unit for a dozen."""
        items: list[Item] = []
        after: str | None = None
        while True:
            page = self._table.query(Query(keys.token_partition(holder), after=after))
            items += page.items
            after = page.after
            if after is None:
                break
        not_before = max((int(item["n"]) for item in items if "n" in item), default=NEVER)
        tokens = [token_of(item) for item in items if item["sk"].startswith(keys.TOKENS)]
        return [token for token in tokens if token.created > not_before]

    def revoke(self, holder: str, now: int) -> None:
        """All that were minted until now: 1 PutItem. A later mark stays."""
        key = keys.revocation(holder)
        mark = {
            "pk": key.pk,
            "sk": key.sk,
            "f": FORMAT,
            "n": now,
            "ttl": _seconds(now + MAX_HOURS * HOUR_MS),
        }
        try:
            self._table.put(Put(mark, Or((Absent(), Compare("n", "<", now)))))
        except ConditionFailed:
            return  # what is to be revoked is


def item_of(key: Key, token: Token) -> dict[str, Any]:
    return {
        "pk": key.pk,
        "sk": key.sk,
        "f": FORMAT,
        "p": json.dumps([getattr(token, name) for name in _PRINCIPAL]),
        "a": int(token.ceiling),
        "c": token.created,
        "e": token.expires,
        "ttl": _seconds(token.expires),
    }


def token_of(item: Item) -> Token:
    principal = dict(zip(_PRINCIPAL, json.loads(item["p"]), strict=True))
    return Token(
        **principal, ceiling=Permission(int(item["a"])), created=int(item["c"]), expires=int(item["e"])
    )


def _seconds(milliseconds: int) -> int:
    return (milliseconds + _KEPT_MS) // 1000
