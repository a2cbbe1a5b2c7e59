"""Tokens: what stands for a caller where nothing can sign.

The record is all that is kept of a token beside its hash. How it is spelled and whether it is good is
``sharing.tokens``'s.
"""

from dataclasses import dataclass

from cairn.domain.access import Permission

HOUR_MS = 3_600_000
MAX_HOURS = 12


@dataclass(frozen=True, slots=True)
class Token:
    """The principal that minted it, as it was then; ``ceiling`` bounds what it may do, times are in ms."""

    partition: str
    account: str
    kind: str
    name: str
    organisation: str
    session: str
    ceiling: Permission
    created: int
    expires: int

    def holds(self, now: int, not_before: int) -> bool:
        """Whether it is neither expired nor revoked. Twelve hours are the most, whatever it says itself."""
        return not_before < self.created and now < min(self.expires, self.created + MAX_HOURS * HOUR_MS)
