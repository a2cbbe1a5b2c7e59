"""Codes and sessions of browsers, by their hashes under the principal that asked for them.

They lie in the partition of that principal's tokens, beside its mark of revocation, which voids all three.
The time to live of an item only cleans up: whether one is over is asked of its own time.
"""

from cairn.domain.sessions import Code
from cairn.domain.tokens import Token
from cairn.storage import keys
from cairn.storage.expr import Absent, Exists
from cairn.storage.table import ConditionFailed, Delete, Put, Table
from cairn.storage.tokens import NEVER, Tokens, item_of, token_of


class Sessions:
    """``holder`` stands for a principal, ``hashed`` for a code or a session: hex digits of hashes."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add_code(self, holder: str, hashed: str, code: Code) -> None:
        """1 PutItem."""
        item = item_of(keys.code(holder, hashed), code.session) | {"u": code.expires}
        self._table.put(Put(item, Absent()))

    def find_code(self, holder: str, hashed: str) -> tuple[Code | None, int]:
        """As it is kept, and the time before which its principal's are revoked; it stays. 1 BatchGetItem of
        two items, 2 read units, strongly consistent."""
        key, mark = keys.code(holder, hashed), keys.revocation(holder)
        found = self._table.batch_get([key, mark])
        code = Code(token_of(found[key]), int(found[key]["u"])) if key in found else None
        return code, int(found[mark]["n"]) if mark in found else NEVER

    def take_code(self, holder: str, hashed: str) -> bool:
        """Whether it was there; it is no more. Of many at once one is told so. 1 DeleteItem."""
        try:
            self._table.delete(Delete(keys.code(holder, hashed), Exists()))
        except ConditionFailed:
            return False
        return True

    def add(self, holder: str, hashed: str, session: Token) -> None:
        """1 PutItem."""
        self._table.put(Put(item_of(keys.session(holder, hashed), session), Absent()))

    def find(self, holder: str, hashed: str) -> tuple[Token | None, int]:
        """As ``find_code`` does."""
        key, mark = keys.session(holder, hashed), keys.revocation(holder)
        found = self._table.batch_get([key, mark])
        return (
            token_of(found[key]) if key in found else None,
            int(found[mark]["n"]) if mark in found else NEVER,
        )

    def end(self, holder: str, hashed: str) -> None:
        """1 DeleteItem, whether it is there or not."""
        self._table.delete(Delete(keys.session(holder, hashed)))

    def revoke(self, holder: str, now: int) -> None:
        """All that a principal asked for until now, its tokens as well: 1 PutItem."""
        Tokens(self._table).revoke(holder, now)
