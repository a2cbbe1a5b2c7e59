"""The decision on a call: what its caller may touch, by the grants that apply to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cairn.domain.access import Access, Action, Kind, Pattern, Permission, Rules, all_of, rules
from cairn.domain.grants import Grant
from cairn.sharing.caller import Caller
from cairn.sharing.grants import applicable, applies, holders

Authorize = Callable[[Caller, Action], Access]
LookUp = Callable[[Caller, Action], tuple[Access, Sequence[Grant]]]
"""The decision as it is now, and all grants that the caller's account and organisation hold."""

FRESH = 15.0
"""Seconds for which grants that were read are believed."""
_HELD = 1_000  # callers whose grants one process keeps


class GrantStore(Protocol):
    def held(self, holders: Sequence[str]) -> list[Grant]:
        """All that these accounts and organisations hold: 1 request."""


def everything(caller: Caller, action: Action) -> Access:
    """On a server of one's own machine its user may do everything."""
    return all_of(caller.principal, action, caller.ceiling)


def unguarded(caller: Caller, action: Action) -> tuple[Access, Sequence[Grant]]:
    """On such a server."""
    return everything(caller, action), ()


@dataclass(frozen=True, slots=True)
class Owner:
    """The account that Cairn is deployed to. Its principals have MANAGE on everything; or, where ``roles``
    are named (exactly, or by how they begin, with a ``*``), these roles alone."""

    account: str
    roles: tuple[str, ...] = ()

    def has(self, caller: Caller) -> bool:
        if not self.account or caller.account != self.account:
            return False
        everybody = Pattern("experiments", "prefix", "")
        grants = [Grant(self.account, Permission.MANAGE, everybody, role) for role in self.roles]
        return not grants or any(applies(grant, caller) for grant in grants)


class Authority:
    """Decides by grants. ``now`` is a monotonic clock in seconds.

    Nothing is read for the owner's principals; for all others 1 BatchGetItem in 15 s.
    """

    def __init__(self, grants: GrantStore, owner: Owner, now: Callable[[], float]) -> None:
        self._grants = grants
        self._owner = owner
        self._now = now
        self._known: dict[Caller, tuple[float, dict[Kind, Rules]]] = {}

    def __call__(self, caller: Caller, action: Action) -> Access:
        if self._owner.has(caller):
            return all_of(caller.principal, action, caller.ceiling)
        return Access(caller.principal, action, self._rules(caller), caller.ceiling)

    def look_up(self, caller: Caller, action: Action) -> tuple[Access, Sequence[Grant]]:
        """As the call itself, but for what was read before: 1 BatchGetItem."""
        held = self._grants.held(holders(caller))
        if self._owner.has(caller):
            return all_of(caller.principal, action, caller.ceiling), held
        return Access(caller.principal, action, rules(applicable(held, caller)), caller.ceiling), held

    def _rules(self, caller: Caller) -> dict[Kind, Rules]:
        now = self._now()
        read, known = self._known.get(caller, (None, None))
        if known is not None and read is not None and now - read < FRESH:
            return known
        found = rules(applicable(self._grants.held(holders(caller)), caller))
        if len(self._known) >= _HELD:
            self._known.clear()
        self._known[caller] = now, found
        return found
