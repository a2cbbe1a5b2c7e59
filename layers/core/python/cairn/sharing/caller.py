"""Who calls: the principal that API Gateway verified, or the operating system's user on a laptop.

The front decides which of the two readers is used, never the presence of a field, and never a header. What
a caller may do is not decided here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cairn.domain.access import Permission
from cairn.errors import Unauthenticated

_LOCAL_PREFIX = "local:"
_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):(?:iam|sts)::(?P<account>\d{12}):(?P<resource>\S+)")


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal: partition, account, kind (``user``, ``role``, ``federated``, ``root``, ``local``,
    ``anyone``), name; beside it the organisation that its account is in, where the front knows one.

    A role's path and session name are not part of it: the session name is the caller's own word, kept as
    ``session`` for logs alone. ``ceiling`` bounds what a token or a browser session may do.
    """

    partition: str
    account: str
    kind: str
    name: str
    organisation: str = ""
    ceiling: Permission = Permission.MANAGE
    session: str = field(default="", compare=False)

    @property
    def principal(self) -> str:
        """As messages and logs say it: an IAM ARN without the path that the front does not know."""
        if not self.account:
            return f"{self.kind} {self.name}".strip()
        resource = "root" if self.kind == "root" else f"{self.kind}/{self.name}"
        return f"arn:{self.partition}:iam::{self.account}:{resource}"


ReadCaller = Callable[[Mapping[str, object]], Caller]
"""From ``requestContext.identity`` to the caller. Raises Unauthenticated."""

ANYONE = Caller("", "", "anyone", "")
"""Who asks for what is public: ``/health``, ``/version``, ``server-info``."""


def iam_caller(identity: Mapping[str, object]) -> Caller:
    """The principal whose signature API Gateway checked (``userArn`` of an AWS_IAM method).

    An IAM user's name is the last part of its path, an assumed role's stands between ``assumed-role`` and
    the session; both are unique in their account.
    """
    arn = identity.get("userArn")
    match = _ARN.fullmatch(arn) if isinstance(arn, str) else None
    if match is None:
        raise Unauthenticated("The request is not signed by an AWS principal.")
    kind, *path = match["resource"].split("/")
    session = ""
    principal: tuple[str, str] | None = None
    if kind == "user" and path:
        principal = "user", path[-1]
    elif kind == "assumed-role" and len(path) == 2:
        principal, session = ("role", path[0]), path[1]
    elif kind == "federated-user" and len(path) == 1:
        principal = "federated", path[0]
    elif kind == "root" and not path:
        principal = "root", "root"
    if principal is None or not principal[1]:
        raise Unauthenticated("The request's AWS principal is of an unknown kind.")
    organisation = identity.get("principalOrgId")
    return Caller(
        match["partition"],
        match["account"],
        *principal,
        organisation=organisation if isinstance(organisation, str) else "",
        session=session,
    )


def local_caller(identity: Mapping[str, object]) -> Caller:
    """The operating system's user, whom the local server names (``user`` is ``local:<name>``)."""
    user = identity.get("user")
    if not isinstance(user, str) or not user.startswith(_LOCAL_PREFIX) or user == _LOCAL_PREFIX:
        raise Unauthenticated("The request does not come from the local server.")
    return Caller("", "", "local", user.removeprefix(_LOCAL_PREFIX))
