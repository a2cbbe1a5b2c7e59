"""Grants: who may do what to which resources, as data.

They follow from the records of shares and from what RAM says of their principals (``sharing``); whether one
applies to a caller is decided there as well.
"""

import re
from dataclasses import dataclass

from cairn.domain.access import Pattern, Permission

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_ORGANISATION = re.compile(r"o-[a-z0-9]{10,32}")
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
"""IAM's names of roles (CreateRole, API reference)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """``holder`` is an account's id or an organisation's; ``role`` narrows an account's grant to the roles
    of this name, or whose names begin with what stands before its final ``*``. ``share`` names the
    share that it follows from."""

    holder: str
    permission: Permission
    pattern: Pattern
    role: str | None = None
    share: str = ""


def is_account(text: str) -> bool:
    return _ACCOUNT.fullmatch(text) is not None


def is_organisation(text: str) -> bool:
    return _ORGANISATION.fullmatch(text) is not None


def is_role(text: str) -> bool:
    """A role's name, or the beginning of names with a ``*`` at its end."""
    return _ROLE.fullmatch(text.removesuffix("*") or "x") is not None
