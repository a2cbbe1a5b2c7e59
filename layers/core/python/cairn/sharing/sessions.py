"""Signing in: from a signed request to a code, from that to a browser's session, from that to its caller.

A code and a session are spelled as a token is (``tokens``), each behind a prefix of its own, so that none
of the three passes for another. Their texts are kept nowhere. A code travels in the fragment of a URL,
which a browser sends to nobody; a session in a cookie that no script reads.
"""

from dataclasses import dataclass
from typing import Protocol

from cairn.domain.access import Permission
from cairn.domain.clock import Clock
from cairn.domain.sessions import CODE_MS, Code
from cairn.domain.tokens import Token
from cairn.errors import Unauthenticated
from cairn.ids import RandomBits
from cairn.sharing.caller import Caller
from cairn.sharing.tokens import Gatekeeper, Place, caller_of, place, record, spell

CODE_PREFIX = "cairn-code_"
SESSION_PREFIX = "cairn-session_"

_SPENT = "The code is unknown, expired or used. Run `cairn ui` again."


class SessionStore(Protocol):
    """Codes and sessions by hash, under what stands for their principal."""

    def add_code(self, holder: str, hashed: str, code: Code) -> None: ...

    def find_code(self, holder: str, hashed: str) -> tuple[Code | None, int]:
        """And the time before which its principal's are revoked."""

    def take_code(self, holder: str, hashed: str) -> bool:
        """Whether it was there; of many at once one is told so."""

    def add(self, holder: str, hashed: str, session: Token) -> None: ...

    def find(self, holder: str, hashed: str) -> tuple[Token | None, int]:
        """As ``find_code``."""

    def end(self, holder: str, hashed: str) -> None: ...


def invite(caller: Caller, ceiling: Permission, hours: int, now: int, bits: RandomBits) -> tuple[str, Code]:
    """A new code's text, and what is kept of it: a session that may do no more than who asks for it."""
    text = spell(CODE_PREFIX, caller.principal, bits)
    return text, Code(record(caller, ceiling, hours, now), now + CODE_MS)


@dataclass(frozen=True, slots=True)
class Opened:
    """``text`` is the session's own, told this one time."""

    text: str
    session: Token


class SignIn:
    """What a browser that shows a code, or a session, is given for it."""

    def __init__(self, store: SessionStore, clock: Clock, bits: RandomBits) -> None:
        self._store = store
        self._clock = clock
        self._bits = bits
        self._gatekeeper = Gatekeeper(store.find, clock, SESSION_PREFIX)

    def look(self, text: str) -> Code:
        """What a code would open; it stays good. 1 BatchGetItem. Raises Unauthenticated."""
        return self._good(text)[1]

    def open(self, text: str) -> Opened:
        """The session, for a code that nobody used: 1 BatchGetItem, 1 DeleteItem, 1 PutItem.

        The one conditional delete decides between two who show the same code. Where the work ends after
        it, there is no session and the code is gone. Raises Unauthenticated.
        """
        where, code = self._good(text)
        if not self._store.take_code(where.holder, where.hashed):
            raise Unauthenticated(_SPENT)
        session = spell(SESSION_PREFIX, caller_of(code.session).principal, self._bits)
        kept = place(session, SESSION_PREFIX)
        assert kept is not None
        self._store.add(kept.holder, kept.hashed, code.session)
        return Opened(session, code.session)

    def admit(self, text: str) -> Caller:
        """Whom a session stands for: 1 BatchGetItem. Raises Unauthenticated."""
        return self._gatekeeper.admit(text)

    def close(self, text: str) -> None:
        """Nothing, where there is no such session. 1 DeleteItem."""
        where = place(text, SESSION_PREFIX)
        if where is not None:
            self._store.end(where.holder, where.hashed)

    def remaining(self, session: Token) -> int:
        """Seconds."""
        return max(0, session.expires - self._clock()) // 1000

    def _good(self, text: str) -> tuple[Place, Code]:
        where = place(text, CODE_PREFIX)
        if where is None:
            raise Unauthenticated(_SPENT)
        code, not_before = self._store.find_code(where.holder, where.hashed)
        if code is None or not code.holds(self._clock(), not_before):
            raise Unauthenticated(_SPENT)
        return where, code
