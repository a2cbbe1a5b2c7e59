"""Who calls: the principal that API Gateway verified, or the operating system's user on a laptop.

Each reader takes an event's ``requestContext``. Which of them reads an event is the front's business
(``fronts``), never that of a field's presence, and never a header's. What a caller may do is not decided
here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cairn.domain.access import Permission
from cairn.errors import Unauthenticated

SIGNED, TOKEN, SESSION, LOCAL = "signed", "token", "session", "local"
"""The fronts by name."""

_LOCAL_PREFIX = "local:"
_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):(?:iam|sts)::(?P<account>[0-9]{12}):(?P<resource>\S+)")
_PARTITION = re.compile(r"aws[a-z-]*")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_KINDS = frozenset({"user", "role", "federated", "root"})
_CEILINGS = frozenset({Permission.READ.name, Permission.WRITE.name, Permission.MANAGE.name})
_FIELDS = ("partition", "account", "kind", "name", "organisation", "session", "ceiling")


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal: partition, account, kind (``user``, ``role``, ``federated``, ``root``, ``local``,
    ``anyone``), name; beside it the organisation that its account is in, where the front knows one.

    A role's path and session name are not part of it: the session name is the caller's own word, kept as
    ``session`` for logs alone. ``ceiling`` bounds what a token or a browser session may do; ``front`` is
    the name of the front that the request came through.
    """

    partition: str
    account: str
    kind: str
    name: str
    organisation: str = ""
    ceiling: Permission = Permission.MANAGE
    session: str = field(default="", compare=False)
    front: str = field(default="", compare=False)

    @property
    def principal(self) -> str:
        """As messages and logs say it: an IAM ARN without the path that the front does not know."""
        if not self.account:
            return f"{self.kind} {self.name}".strip()
        resource = "root" if self.kind == "root" else f"{self.kind}/{self.name}"
        return f"arn:{self.partition}:iam::{self.account}:{resource}"


ReadCaller = Callable[[Mapping[str, object]], Caller]
"""From ``requestContext`` to the caller. Raises Unauthenticated."""

ANYONE = Caller("", "", "anyone", "")
"""Who asks for what is public: ``/health``, ``/version``, ``server-info``."""


def iam_caller(context: Mapping[str, object]) -> Caller:
    """The principal whose signature API Gateway checked (``identity.userArn`` of an AWS_IAM method).

    An IAM user's name is the last part of its path, an assumed role's stands between ``assumed-role`` and
    the session; both are unique in their account.
    """
    identity = _part(context, "identity")
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
        front=SIGNED,
    )


def token_caller(context: Mapping[str, object]) -> Caller:
    """The principal that minted the token which our authorizer found (``as_context`` made its answer)."""
    said = _part(context, "authorizer")
    text = {name: value for name in _FIELDS if isinstance(value := said.get(name), str)}
    if (
        len(text) < len(_FIELDS)
        or not _PARTITION.fullmatch(text["partition"])
        or not _ACCOUNT.fullmatch(text["account"])
        or text["kind"] not in _KINDS
        or not text["name"]
        or text["ceiling"] not in _CEILINGS
    ):
        raise Unauthenticated("The request bears no token that this deployment gave.")
    ceiling = Permission[text.pop("ceiling")]
    return Caller(**text, ceiling=ceiling, front=TOKEN)


def session_caller(context: Mapping[str, object]) -> Caller:
    """The principal that signed in the browser whose session our authorizer found, which says it as it does
    of a token."""
    return replace(token_caller(context), front=SESSION)


def as_context(caller: Caller) -> dict[str, str]:
    """What an authorizer tells the functions of a caller; API Gateway passes on strings, numbers and
    booleans."""
    return {
        "partition": caller.partition,
        "account": caller.account,
        "kind": caller.kind,
        "name": caller.name,
        "organisation": caller.organisation,
        "session": caller.session,
        "ceiling": caller.ceiling.name,
    }


def local_caller(context: Mapping[str, object]) -> Caller:
    """The operating system's user, whom the local server names (``identity.user`` is ``local:<name>``)."""
    user = _part(context, "identity").get("user")
    if not isinstance(user, str) or not user.startswith(_LOCAL_PREFIX) or user == _LOCAL_PREFIX:
        raise Unauthenticated("The request does not come from the local server.")
    return Caller("", "", "local", user.removeprefix(_LOCAL_PREFIX), front=LOCAL)


def _part(context: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = context.get(name)
    return part if isinstance(part, Mapping) else {}
