"""Shares: what is shared, with which permission, and with whom it is meant to be.

A share's record says what. With whom, AWS RAM says: the record only keeps whom the reconciler is to ask
for, and what it last found (``sharing.reconcile``). Pure rules; the texts are what an operator types.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from cairn.domain.access import Kind, Match, Pattern, Permission
from cairn.domain.grants import is_account, is_role
from cairn.errors import InvalidParameterValue, ResourceDoesNotExist

MAX_PATTERNS = 100
MAX_PRINCIPALS = 100
MAX_ROLES = 20
_MAX_TEXT = 500
"""MLflow's longest name of an experiment; a registered model's is shorter."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a segment of an SSM parameter's path may be (PutParameter, API reference)."""
_ID = re.compile(r"0|[1-9]\d{0,18}", re.ASCII)
_ORGANISATION = re.compile(
    r"arn:aws[a-z-]*:organizations::\d{12}:organization/(?P<id>o-[a-z0-9]{10,32})", re.ASCII
)
_OU = re.compile(
    r"arn:aws[a-z-]*:organizations::\d{12}:ou/o-[a-z0-9]{10,32}/(?P<id>ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})",
    re.ASCII,
)
"""As Organizations writes them (its API reference, "Organization" and "OrganizationalUnit")."""

PrincipalKind = Literal["account", "ou", "organisation"]

Wish = Literal["wanted", "asked", "leaving"]
"""What is to become of a principal: to be asked for at RAM; asked for, so that RAM alone says whether it is
in; to be taken out. Nobody is asked for twice: whom somebody removed in RAM stays removed."""

NEW, WAITING, SHARED, REVOKED, FAILED, DELETING = (
    "NEW",
    "WAITING",
    "SHARED",
    "REVOKED",
    "FAILED",
    "DELETING",
)
"""States of a share. Not seen by the reconciler yet; under way, or an invitation is open; all who are meant
to be in are in; RAM's share was deleted; something does not match; on its way out."""

OWN = "OWN"
"""The status of the owner's own account, which RAM has nothing to do with."""


@dataclass(frozen=True, slots=True)
class Principal:
    """``text`` is as RAM writes it: an account's 12 digits, an ARN; ``identity`` the id in it."""

    kind: PrincipalKind
    text: str
    identity: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the reconciler saw last: RAM's status of each principal, and what a person has to look at."""

    state: str = NEW
    principals: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """``members`` are the principals by RAM's text. ``ram_arn``: RAM's share, "" before there is one.
    ``granted``: every holder who may hold grants of this share, and when its grants were last to be changed
    (ms). ``pointed``: when its parameter was last compared (ms; 0: never). ``declared``: the CloudFormation
    stack that it comes from. ``direct``: its accounts reach the files in the bucket themselves."""

    share_id: str
    name: str
    permission: Permission
    patterns: tuple[Pattern, ...]
    roles: tuple[str, ...]
    members: Mapping[str, Wish]
    created: int
    updated: int
    deleting: bool = False
    declared: str = ""
    direct: bool = False
    ram_arn: str = ""
    pointed: int = 0
    granted: Mapping[str, int] = field(default_factory=dict)
    found: Found = field(default_factory=Found)


@dataclass(frozen=True, slots=True)
class LastRun:
    """When the reconciler last came to its end, and RAM shares of this deployment that have no record."""

    time: int
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where shares live: the owner's account, whether Organizations can be read, and whom API Gateway lets
    in (``gate``, as the deployer wrote it; "" where nobody said). ``direct_s3``: whether the bucket's
    policy may name other accounts."""

    account: str
    reads_organizations: bool
    gate: str = ""
    direct_s3: bool = False


def shut_out(share: Share, place: Place) -> list[str]:
    """Principals whose requests API Gateway refuses before anybody decides. Whether an account is in an
    organisation is not known here: none is told of where the gate is one's."""
    kind, _, rest = place.gate.partition(":")
    inside = {part.strip() for part in rest.split(",")}
    found = []
    for text, wish in share.members.items():
        principal = parse_principal(text)
        if wish == "leaving" or text == place.account or principal is None:
            continue
        foreign = principal.kind == "organisation" and principal.identity not in inside
        if (
            kind == "own-account"
            or (kind == "accounts" and principal.identity not in inside)
            or (kind == "organisation" and foreign)
        ):
            found.append(text)
    return sorted(found)


def share_missing(name: str) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(f"There is no share {name!r}. `cairn share list` names those there are.")


def check_name(name: str) -> None:
    """Raises InvalidParameterValue."""
    if not _NAME.fullmatch(name):
        raise InvalidParameterValue(
            f"{name!r} cannot be a share's name: 1 to 64 letters, digits, '_', '.' and '-', the first a "
            "letter or digit."
        )


def permission_of(text: str) -> Permission:
    """Raises InvalidParameterValue for what is not READ, WRITE or MANAGE."""
    if text not in ("READ", "WRITE", "MANAGE"):
        raise InvalidParameterValue(f"A share's permission is READ, WRITE or MANAGE, not {text!r}.")
    return Permission[text]


def patterns_of(kind: Kind, texts: Iterable[str]) -> list[Pattern]:
    """Exact names, and prefixes with one ``*`` at their end. Raises InvalidParameterValue."""
    return [_named(kind, text) for text in texts]


def ids_of(texts: Iterable[str]) -> list[Pattern]:
    """Experiments by id. Raises InvalidParameterValue."""
    for text in texts:
        if not _ID.fullmatch(text) or int(text) >= 2**63:
            raise InvalidParameterValue(
                f"{text!r} is no experiment id: digits, as get_experiment says them."
            )
    return [Pattern("experiments", "id", text) for text in texts]


def _named(kind: Kind, text: str) -> Pattern:
    if not text or len(text) > _MAX_TEXT:
        raise InvalidParameterValue(f"A pattern of {kind} has 1 to {_MAX_TEXT} characters.")
    body = text.removesuffix("*")
    if "*" in body:
        raise InvalidParameterValue(
            f"{text!r} has a '*' before its end. A pattern is an exact name, or a prefix with one '*' as "
            "its last character; an experiment whose name has one is shared by its id."
        )
    match: Match = "name" if body == text else "prefix"
    return Pattern(kind, match, body)


def check_patterns(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    """Each once, and at least one. Raises InvalidParameterValue."""
    found = tuple(dict.fromkeys(patterns))
    if not found:
        raise InvalidParameterValue(
            "A share names at least one of experiments, experiment_ids, models and prompts; '*' is all of "
            "a kind."
        )
    if len(found) > MAX_PATTERNS:
        raise InvalidParameterValue(f"A share has at most {MAX_PATTERNS} patterns. Use a prefix.")
    return found


def principal_of(text: str, place: Place) -> Principal:
    """Whom an operator may name. Raises InvalidParameterValue that says what can be named instead."""
    principal = parse_principal(text)
    if principal is None:
        instead = (
            "Name its account, and narrow the share to it by --role."
            if re.match(r"arn:aws[a-z-]*:(iam|sts)::", text)
            else "Name an account (12 digits), an organisation "
            "(arn:aws:organizations::<account>:organization/o-...) or an organisational unit "
            "(arn:aws:organizations::<account>:ou/o-.../ou-...)."
        )
        raise InvalidParameterValue(f"RAM cannot share this with {text!r}. {instead}")
    if principal.kind == "ou" and not place.reads_organizations:
        raise InvalidParameterValue(
            f"{text} is an organisational unit, and this deployment may not read which accounts are in "
            "one. Deploy with organizations_role (docs/sharing.md), or name accounts or the organisation."
        )
    return principal


def parse_principal(text: str) -> Principal | None:
    """What RAM's text names; None for what this cannot be shared with (roles, users, services)."""
    if is_account(text):
        return Principal("account", text, text)
    if found := _ORGANISATION.fullmatch(text):
        return Principal("organisation", text, found["id"])
    if found := _OU.fullmatch(text):
        return Principal("ou", text, found["id"])
    return None


def check_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Raises InvalidParameterValue."""
    found = tuple(dict.fromkeys(roles))
    for role in found:
        if not role or role == "*" or not is_role(role):
            raise InvalidParameterValue(
                f"{role!r} cannot narrow a share: a role's name without its path, or the beginning of "
                "names with one '*' at its end."
            )
    if len(found) > MAX_ROLES:
        raise InvalidParameterValue(f"A share names at most {MAX_ROLES} roles.")
    return found


def check_whole(share: Share) -> Share:
    """What its parts must not be together. Raises InvalidParameterValue."""
    if len(share.members) > MAX_PRINCIPALS:
        raise InvalidParameterValue(
            f"A share has at most {MAX_PRINCIPALS} principals. Name an organisation."
        )
    wide = [text for text, wish in share.members.items() if wish != "leaving" and not is_account(text)]
    if share.roles and wide:
        raise InvalidParameterValue(
            f"A role is known in its own account alone, and {wide[0]} is no account. "
            "Leave out the roles, or name accounts."
        )
    check_direct(share)
    return share


def switched(share: Share, direct: bool | None, place: Place) -> Share:
    """With direct S3, or without; None: as it is. Raises InvalidParameterValue where this deployment writes
    no statements: those that it wrote would stay as well."""
    if direct is None or direct == share.direct:
        return share
    if not place.direct_s3:
        raise InvalidParameterValue(
            "This deployment does not write its bucket's policy. Deploy with the setting direct_s3=true "
            "(docs/sharing.md, Direct S3); without --direct-s3 other accounts get bytes by presigned URLs."
        )
    return replace(share, direct=direct)


def check_direct(share: Share) -> None:
    """What a bucket's policy cannot say as grants do. Raises InvalidParameterValue."""
    named = [one for one in share.patterns if one.match != "id"]
    wide = [text for text, wish in share.members.items() if wish != "leaving" and not is_account(text)]
    if not share.direct:
        return
    if named:
        raise InvalidParameterValue(
            f"--direct-s3 is for experiments by id alone, and this names the {named[0].kind} "
            f"{named[0].text!r}: S3 knows no names. Take --experiment-ids, and another share for the rest."
        )
    if wide:
        raise InvalidParameterValue(
            f"--direct-s3 is for accounts alone, and {wide[0]} is none. Name accounts, or share with it "
            "without --direct-s3."
        )
    if share.roles:
        raise InvalidParameterValue(
            "--direct-s3 gives to accounts, not to roles: the account's admin says which roles may. Leave "
            "out --role, or share without --direct-s3."
        )
    if share.declared:
        raise InvalidParameterValue(
            f"The share {share.name!r} is declared by a stack, which has no direct S3. Share the "
            "experiments by `cairn share create --direct-s3` under another name."
        )


def check_location(experiment_id: str, location: str, root: str | None) -> None:
    """``root``: where the artifacts of experiments lie in S3. Raises InvalidParameterValue."""
    if root is None or location != f"{root}/{experiment_id}":
        raise InvalidParameterValue(
            f"The artifacts of experiment {experiment_id} are at {location}, and --direct-s3 gives those "
            f"at {root}/{experiment_id} alone. Share it without: files come by presigned URLs."
        )


def asked_for(share: Share, principals: Iterable[Principal]) -> Share:
    """To be asked for, once more where they are not in. A share that was revoked in RAM begins anew, with
    those alone whom this names."""
    members = dict(share.members)
    for principal in principals:
        status = share.found.principals.get(principal.text)
        if members.get(principal.text) != "asked" or status not in ("ASSOCIATED", "ASSOCIATING"):
            members[principal.text] = "wanted"
    revoked = share.found.state == REVOKED
    if revoked and "wanted" in members.values():
        members = {text: wish for text, wish in members.items() if wish == "wanted"}
        return replace(share, members=members, ram_arn="", found=Found())
    return replace(share, members=members)


def let_go(share: Share, principals: Iterable[str]) -> Share:
    """Without these from now on. Raises InvalidParameterValue for who is not among them."""
    members = dict(share.members)
    for text in principals:
        if text not in members:
            held = ", ".join(members) or "nobody"
            raise InvalidParameterValue(
                f"The share {share.name!r} is not shared with {text!r}, but with {held}."
            )
        members[text] = "leaving"
    return replace(share, members=members)
