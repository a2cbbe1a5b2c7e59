"""Which grants apply to a caller, and what they allow together."""

from collections.abc import Iterable

from cairn.domain.access import Pattern, Permission
from cairn.domain.grants import Grant
from cairn.sharing.caller import Caller


def holders(caller: Caller) -> tuple[str, ...]:
    """Whose grants may apply to a caller: its account, and its organisation where it has one."""
    return tuple(filter(None, (caller.account, caller.organisation)))


def applicable(grants: Iterable[Grant], caller: Caller) -> list[tuple[Pattern, Permission]]:
    return [(grant.pattern, grant.permission) for grant in grants if applies(grant, caller)]


def applies(grant: Grant, caller: Caller) -> bool:
    """A role's name is all that counts of it; users and roots are never meant by a role's name."""
    if grant.holder not in holders(caller):
        return False
    if grant.role is None:
        return True
    if caller.kind != "role":
        return False
    if grant.role.endswith("*"):
        return caller.name.startswith(grant.role[:-1])
    return caller.name == grant.role
