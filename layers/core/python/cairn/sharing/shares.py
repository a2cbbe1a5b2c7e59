"""What follows from a share's record and from what RAM says: who holds grants, what is to be done at RAM,
what a person has to look at. Pure; ``reconcile`` carries it out.

RAM alone says whom a share is shared with. A principal that is in at RAM holds the grants, whether the
record asked for it or somebody added it there; one that is not in holds none, whatever the record wishes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from cairn.domain import shares as rules
from cairn.domain.grants import Grant
from cairn.domain.shares import Found, Share, Wish, parse_principal
from cairn.sharing.ram import SHARE_TAG, RamShare, Truth, Unavailable

DAY_MS = 86_400_000
"""How often a parameter is compared with what it should say: SSM bills calls for advanced parameters."""
UNSEEN_MS = 600_000
"""How long RAM may take to show a share that it made."""

_LIVE = frozenset({"PENDING", "ACTIVE"})
_UNDER_WAY = frozenset({"ASSOCIATING", "DISASSOCIATING", "SUSPENDING", "RESTORING"})
_IN = frozenset({"ASSOCIATED", "ASSOCIATING", "SUSPENDED", "SUSPENDING", "RESTORING"})
ABSENT = "ABSENT"

Do = Literal[
    "point", "create", "admit", "associate", "disassociate", "forget", "delete", "unpoint", "remove"
]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do at AWS, or with the record; ``subject``: a principal, or an ARN."""

    do: Do
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Here:
    """The deployment: where its API is (``uri``), and below which path its parameters lie."""

    partition: str
    account: str
    region: str
    deployment: str
    uri: str
    path: str

    @classmethod
    def of(cls, shares: str, uri: str) -> Self:
        """From the ARN below which parameters lie: ``arn:<partition>:ssm:<region>:<account>:parameter``,
        then ``/cairn/<deployment>/shares``."""
        _, partition, _, region, account, resource = shares.split(":", 5)
        path = resource.removeprefix("parameter")
        return cls(partition, account, region, path.split("/")[2], uri, path)

    def parameter(self, share: Share) -> str:
        return f"{self.path}/{share.name}"

    def parameter_arn(self, share: Share) -> str:
        return f"arn:{self.partition}:ssm:{self.region}:{self.account}:parameter{self.path}/{share.name}"

    @property
    def permission_arn(self) -> str:
        """RAM's managed permission: GetParameter and the like, nothing that changes."""
        return f"arn:{self.partition}:ram::aws:permission/AWSRAMDefaultPermissionSSMParameterReadOnly"

    def pointer(self, share: Share) -> Mapping[str, object]:
        """What the parameter says: where to call. Nothing is decided by it. The plugin on a consumer's
        machine reads it (client/mlflow_cairn/parameter.py)."""
        return {"version": 1, "url": self.uri, "region": self.region, "share": share.share_id}


@dataclass(slots=True)
class Plan:
    """``share``: the record as it is to be. ``holders``: who is to hold its grants; with ``keeps``, who
    holds some now keeps them as well, since who is in a unit could not be read. ``ends``: the record goes
    when nobody holds grants any more. ``accounts``: the holders that RAM names as such; ``stands``: the
    bucket's policy may still have statements of this share (``direct``)."""

    before: Share
    share: Share
    holders: set[str] = field(default_factory=set)
    keeps: bool = False
    ends: bool = False
    accounts: set[str] = field(default_factory=set)
    stands: bool = False
    steps: list[Step] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    waiting: bool = False
    state: str | None = None

    def found(self, refused: Sequence[str] = ()) -> Found:
        """What is to be noted, with what AWS refused."""
        problems = (*self.problems, *refused)
        state = self.state or (
            rules.FAILED if problems else rules.WAITING if self.waiting else rules.SHARED
        )
        return Found(state, dict(sorted(self.statuses.items())), problems)


def concerns_ram(record: Share, here: Here) -> bool:
    """Not where the own account's roles alone are meant, and RAM never was asked for anybody else."""
    outside = any(text != here.account for text in record.members)
    return outside or bool(record.ram_arn) or bool(record.pointed)


def grants_of(share: Share, holder: str) -> list[Grant]:
    return [
        Grant(holder, share.permission, pattern, role, share.name)
        for pattern in share.patterns
        for role in share.roles or (None,)
    ]


def unmatched(records: Sequence[Share], truth: Truth) -> tuple[str, ...]:
    """RAM shares of this deployment that no record knows: they give nothing to anybody."""
    known = {record.ram_arn for record in records} | {
        share.arn for record in records for share in _made_for(record, truth)
    }
    return tuple(sorted(arn for arn, share in truth.items() if arn not in known and share.status in _LIVE))


def decide(
    record: Share, truth: Truth, units: Callable[[str], frozenset[str]], here: Here, now: int
) -> Plan:
    """``units`` gives the accounts of an organisational unit, or raises Unavailable."""
    plan = Plan(record, record)
    if record.deleting:
        _end(plan, truth, here)
        return plan
    wish = record.members.get(here.account)
    if wish == "leaving":
        _set(plan, here.account, None)
    elif wish is not None:
        plan.holders.add(here.account)
        plan.statuses[here.account] = rules.OWN
        _set(plan, here.account, "asked")
    outside = {text for text in record.members if text != here.account}
    if not record.ram_arn:
        _begin(plan, truth, outside, now)
    else:
        share = truth.get(record.ram_arn)
        if share is None or share.status not in _LIVE:
            _revoked(plan, share, outside, now)
        else:
            _follow(plan, share, units, here, now)
            _point(plan, now)
    return plan


def _end(plan: Plan, truth: Truth, here: Here) -> None:
    """The grants, then RAM's share, the parameter, the record: what stands on another goes before it."""
    record = plan.before
    known = truth.get(record.ram_arn)
    for share in [known] if known is not None else _made_for(record, truth):
        if share.status in _LIVE:
            plan.steps.append(Step("delete", share.arn))
    if concerns_ram(record, here) and (record.found.state != rules.DELETING or record.found.problems):
        plan.steps.append(Step("unpoint"))
    plan.ends = True
    plan.state = rules.DELETING


def _begin(plan: Plan, truth: Truth, outside: set[str], now: int) -> None:
    """No share of RAM's is known. One that a run made before it died is ours by its tags."""
    made = _made_for(plan.before, truth)
    if made:
        plan.share = replace(plan.share, ram_arn=made[0].arn)
        plan.waiting = True
        plan.state = rules.NEW
        return
    for text in sorted(outside):
        if plan.before.members[text] == "leaving":
            _set(plan, text, None)
        elif plan.before.members[text] == "wanted":
            plan.waiting = True
            plan.statuses[text] = ABSENT
    if plan.waiting:
        _point(plan, now)
        plan.steps.append(Step("create"))
        plan.state = rules.NEW


def _revoked(plan: Plan, share: RamShare | None, outside: set[str], now: int) -> None:
    """Not there, or on its way out. What RAM has just made it may not show at once."""
    record = plan.before
    plan.statuses |= dict.fromkeys(outside, ABSENT)
    if share is None and record.found.state == rules.NEW and now - record.updated < UNSEEN_MS:
        plan.waiting = True
        plan.state = rules.NEW
        return
    plan.state = rules.REVOKED
    plan.problems.append(
        f"RAM's share {record.ram_arn} {'is ' + share.status if share else 'is not there'}: nobody outside "
        f"this account has access. `cairn share delete {record.name}` tidies up, `cairn share update "
        f"{record.name} --principal ...` shares anew."
    )


def _follow(
    plan: Plan, share: RamShare, units: Callable[[str], frozenset[str]], here: Here, now: int
) -> None:
    """RAM has the share: whom it has in is in."""
    record = plan.before
    gives = share.status == "ACTIVE" and _carries(plan, share, here)
    plan.waiting |= share.status == "PENDING"
    for text in sorted({*share.principals, *record.members} - {here.account}):
        status = share.principals.get(text, ABSENT)
        wish = record.members.get(text)
        if wish is None and status not in _IN:
            continue
        plan.statuses[text] = status
        if wish == "leaving":
            _part(plan, text, status)
            continue
        if wish == "wanted" and share.status == "ACTIVE":
            _ask_for(plan, text, status, share)
        elif wish != "wanted":
            _set(plan, text, "asked")
            _tell(plan, text, status, share, now)
        if status == "ASSOCIATED" and gives:
            _admit(plan, text, units)


def _carries(plan: Plan, share: RamShare, here: Here) -> bool:
    """Whether it is the owner's, and RAM shares the parameter by it."""
    status = share.resources.get(here.parameter_arn(plan.before), ABSENT)
    if share.owner != here.account:
        plan.problems.append(f"{share.arn} belongs to account {share.owner}: it is ignored.")
        return False
    if status == "ASSOCIATING":
        plan.waiting = True
    elif status != "ASSOCIATED":
        plan.problems.append(
            f"{share.arn} does not share {here.parameter_arn(plan.before)} ({status}): it is ignored. "
            f"Delete the share {plan.before.name!r} and create it again."
        )
    return status == "ASSOCIATED"


def _admit(plan: Plan, text: str, units: Callable[[str], frozenset[str]]) -> None:
    principal = parse_principal(text)
    if principal is None:
        plan.problems.append(f"{text} is in RAM's share and is no account, unit or organisation: ignored.")
    elif plan.before.roles and principal.kind != "account":
        plan.problems.append(f"{text} is in RAM's share, which is narrowed to roles of accounts: ignored.")
    elif principal.kind == "ou":
        try:
            plan.holders |= units(principal.identity)
        except Unavailable as error:
            plan.keeps = True
            plan.problems.append(f"The accounts of {text} cannot be read, and stay as they were: {error}")
    else:
        plan.holders.add(principal.identity)
    if principal is not None and principal.kind == "account":
        plan.accounts.add(principal.identity)
    elif plan.before.direct:
        plan.problems.append(f"{text} is no account: direct S3 gives it nothing, presigned URLs go on.")


def _ask_for(plan: Plan, text: str, status: str, share: RamShare) -> None:
    plan.waiting = True
    if status in _IN:
        _set(plan, text, "asked")
    elif status != "DISASSOCIATING":
        principal = parse_principal(text)
        if principal is not None and principal.kind == "account" and not share.external:
            plan.steps.append(Step("admit"))
        plan.steps.append(Step("associate", text))


def _part(plan: Plan, text: str, status: str) -> None:
    """RAM is told even where it shows nothing: what was just asked for may not be seen yet."""
    plan.waiting = True
    if status == "DISASSOCIATED":
        _set(plan, text, None)
    elif status in (ABSENT, "FAILED"):
        plan.steps.append(Step("forget", text))
    elif status != "DISASSOCIATING":
        plan.steps.append(Step("disassociate", text))


def _tell(plan: Plan, text: str, status: str, share: RamShare, now: int) -> None:
    """Whom RAM was just asked for it may not show at once."""
    again = f"`cairn share update {plan.before.name} --principal {text}` asks again"
    if status in _UNDER_WAY or (status == ABSENT and now - plan.before.updated < UNSEEN_MS):
        plan.waiting = True
    elif status == "FAILED":
        why = share.reasons.get(text) or "an invitation that nobody accepted within 12 hours ends so"
        plan.problems.append(f"{text} is not in: RAM says FAILED ({why}). {again}.")
    elif status != "ASSOCIATED":
        plan.problems.append(
            f"{text} was taken out in RAM ({status}). {again}, --remove-principal in its place forgets it."
        )


def _point(plan: Plan, now: int) -> None:
    if not plan.before.pointed or now - plan.before.pointed >= DAY_MS:
        plan.steps.append(Step("point"))


def _set(plan: Plan, text: str, wish: Wish | None) -> None:
    members = {name: held for name, held in plan.share.members.items() if name != text}
    if wish is not None:
        members = {**plan.share.members, text: wish}
    plan.share = replace(plan.share, members=members)


def _made_for(record: Share, truth: Truth) -> list[RamShare]:
    """Live shares of RAM's that bear the record's id."""
    found = [share for share in truth.values() if share.tags.get(SHARE_TAG) == record.share_id]
    return sorted((share for share in found if share.status in _LIVE), key=lambda share: share.arn)
