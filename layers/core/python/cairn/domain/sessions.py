"""Signing in with a browser: a code that is good once, for a minute, and the session that it opens.

Of either the record alone is kept, beside its hash. How they are spelled, and what a browser must show with
them, is ``sharing.sessions``' and ``sharing.browser``'s.
"""

from dataclasses import dataclass

from cairn.domain.tokens import Token

CODE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Code:
    """``session`` is what it opens: the principal as it was, a ceiling, and an end. Its ``created`` is the
    code's own, so that what is revoked between the two is void."""

    session: Token
    expires: int

    def holds(self, now: int, not_before: int) -> bool:
        """Whether it is neither expired nor revoked. A minute is the most, whatever it says itself."""
        return self.session.holds(now, not_before) and now < min(
            self.expires, self.session.created + CODE_MS
        )
