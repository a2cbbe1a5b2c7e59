"""Direct S3: statements of the artifact bucket's policy by which other accounts reach the files of
experiments that are shared with them by id, with their own credentials.

The policy is CloudFormation's; statements whose Sid begins with ``SID`` are the reconciler's, and all
others stay as they are. A policy has no compare-and-set: it is read, compared, put where it differs, and
read again by the next round. ``lay_out`` is pure; ``Laying`` is one run's part in it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cairn.domain.access import Permission
from cairn.sharing.ram import Missing, Refused, Unavailable, ask
from cairn.sharing.shares import Plan

SID = "CairnShare"
MAX_BYTES = 20_480
"""Of a bucket policy ("Amazon S3 bucket policies", 20 KB)."""

READ = ("s3:GetObject",)
WRITE = (*READ, "s3:AbortMultipartUpload", "s3:PutObject")
ACTIONS = {
    Permission.READ: READ,
    Permission.WRITE: WRITE,
    Permission.MANAGE: (*WRITE, "s3:DeleteObject"),
}
_OFF = (
    "It is shared with --direct-s3, and this deployment has the setting direct_s3 no more: the bucket's "
    "policy may still give what it gave. Deploy with direct_s3=true, then `cairn share update {} "
    "--no-direct-s3`, or delete the share; deploy without when 10 minutes have passed."
)

Statement = Mapping[str, Any]


class S3Client(Protocol):
    """Of boto3's S3 client, what is used here."""

    def get_bucket_policy(self, **arguments: Any) -> Mapping[str, Any]: ...
    def put_bucket_policy(self, **arguments: Any) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Folder:
    """Where artifacts lie: an experiment's below ``<prefix>/<id>/`` of the bucket."""

    partition: str
    bucket: str
    prefix: str

    @property
    def arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}"


@dataclass(frozen=True, slots=True)
class Direct:
    """What one share gives to whom."""

    share_id: str
    permission: Permission
    accounts: frozenset[str]
    experiments: frozenset[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """``texts``: policies to put, the first that S3 takes; none where the policy says what it should. The
    last of two only takes away. ``held``: shares that have statements, ``moved``: those whose statements
    are not what they should be, ``problems``: what a person has to do; by the shares' ids."""

    texts: tuple[str, ...]
    held: frozenset[str]
    moved: frozenset[str]
    problems: Mapping[str, str]


class BucketPolicy:
    """The policy of the bucket, which has to be ``account``'s."""

    def __init__(self, client: S3Client, folder: Folder, account: str) -> None:
        self._client = client
        self._of = {"Bucket": folder.bucket, "ExpectedBucketOwner": account}
        self.folder = folder

    def read(self) -> str | None:
        """1 GetBucketPolicy. Raises Refused, Unavailable."""
        try:
            text: str = ask(self._client.get_bucket_policy, **self._of)["Policy"]
        except Missing:
            return None
        return text

    def write(self, text: str) -> None:
        """1 PutBucketPolicy. Raises Refused, Unavailable."""
        ask(self._client.put_bucket_policy, **self._of, Policy=text)


def statements(direct: Direct, folder: Folder) -> list[Statement]:
    """None without an account. A list is of what lies in the folder: ``12/*`` is not of ``120``."""
    if not direct.accounts:
        return []
    who = [f"arn:{folder.partition}:iam::{account}:root" for account in sorted(direct.accounts)]
    below = [f"{folder.prefix}/{experiment}/*" for experiment in sorted(direct.experiments)]
    both = {"Effect": "Allow", "Principal": {"AWS": who}}
    return [
        {
            "Sid": f"{SID}{direct.share_id}Objects",
            **both,
            "Action": list(ACTIONS[direct.permission]),
            "Resource": [f"{folder.arn}/{path}" for path in below],
        },
        {
            "Sid": f"{SID}{direct.share_id}List",
            **both,
            "Action": "s3:ListBucket",
            "Resource": folder.arn,
            "Condition": {"StringLike": {"s3:prefix": below}},
        },
    ]


def lay_out(text: str | None, wanted: Sequence[Direct], folder: Folder) -> Layout:
    """What the policy is to be. A share that does not fit whole gets nothing new, and loses what is to go;
    an earlier one has the room. Raises Unavailable for a policy that cannot be understood."""
    policy, foreign, held = _read(text)
    given = {one.share_id: _least(held.get(one.share_id, []), one, folder) for one in wanted}
    reduced = _text(policy, foreign, given.values(), folder, bare=bool(held))
    chosen, problems = dict(given), {}
    for one in wanted:
        trial = {**chosen, one.share_id: one}
        if one == chosen[one.share_id]:
            continue
        if len(_text(policy, foreign, trial.values(), folder).encode()) <= MAX_BYTES:
            chosen = trial
        else:
            problems[one.share_id] = (
                f"Its statements pass the {MAX_BYTES} bytes of a bucket policy: nothing new is given by "
                "direct S3. Share fewer experiments or accounts by --direct-s3; presigned URLs go on."
            )
    full = _text(policy, foreign, chosen.values(), folder, bare=bool(held))
    goals = {one.share_id: statements(chosen[one.share_id], folder) for one in wanted}
    moved = {
        share
        for share in {*held, *goals}
        if not _same(_by_sid(held.get(share, [])), _by_sid(goals.get(share, [])))
    }
    texts = tuple(one for one in dict.fromkeys((full, reduced)) if not _same(json.loads(one), policy))
    return Layout(texts if moved else (), frozenset(held), frozenset(moved), problems)


class Laying:
    """One run's: a policy is put once in it, since S3 may show late what it was told. ``policy`` None: the
    deployment has not the setting. ``postponed``: why the run is to be repeated."""

    def __init__(self, policy: BucketPolicy | None) -> None:
        self._policy = policy
        self._put: set[str] = set()
        self._next: list[str] = []
        self._refused = ""
        self.postponed = ""

    def look(self, plans: Sequence[Plan], without: Iterable[str]) -> bool:
        """Read the policy; whether it is to change. Problems are added to the plans; ``without``: accounts
        whose grants could not be written."""
        self._next = []
        direct = [plan for plan in plans if plan.before.direct]
        if self._policy is None:
            for plan in direct:
                plan.problems.append(_OFF.format(plan.before.name))
            return False
        wanted = [_direct(plan, frozenset(without)) for plan in direct]
        try:
            layout = lay_out(self._policy.read(), wanted, self._policy.folder)
        except (Refused, Unavailable) as error:
            told = f"The bucket's policy cannot be read: {error}"
            self.postponed = told if isinstance(error, Unavailable) else self.postponed
            for plan in plans:
                plan.stands = True
            for plan in direct:
                plan.problems.append(told)
            return False
        for plan in plans:
            share = plan.before.share_id
            plan.stands = share in layout.held
            if share in layout.problems:
                plan.problems.append(layout.problems[share])
            if share in layout.moved and self._refused:
                plan.problems.append(f"S3 refused to change the bucket's policy: {self._refused}")
        self._next = [text for text in layout.texts if text not in self._put]
        return bool(self._next)

    def put(self) -> bool:
        """What ``look`` found; where S3 refuses to give, it is asked to take away. Whether it was asked."""
        asked = bool(self._next)
        for text in self._next:
            self._put.add(text)
            try:
                assert self._policy is not None
                self._policy.write(text)
                break
            except Refused as error:
                self._refused = str(error)
            except Unavailable as error:
                self._refused = self.postponed = str(error)
        return asked


def _direct(plan: Plan, without: frozenset[str]) -> Direct:
    share = plan.share
    experiments = frozenset(one.text for one in share.patterns if one.match == "id")
    return Direct(share.share_id, share.permission, frozenset(plan.accounts - without), experiments)


def _read(text: str | None) -> tuple[dict[str, Any], list[Statement], dict[str, list[Statement]]]:
    """The policy, the statements that are somebody else's, and ours by share."""
    try:
        policy: dict[str, Any] = (
            {"Version": "2012-10-17", "Statement": []} if text is None else json.loads(text)
        )
        found = policy["Statement"]
    except (ValueError, TypeError, KeyError) as error:
        raise Unavailable("S3 gave a policy that is none.") from error
    foreign: list[Statement] = []
    held: dict[str, list[Statement]] = {}
    for statement in found if isinstance(found, list) else [found]:
        sid = str(statement.get("Sid", ""))
        if not sid.startswith(SID):
            foreign.append(statement)
        else:
            share = re.sub("(Objects|List)$", "", sid.removeprefix(SID))
            held.setdefault(share, []).append(statement)
    return policy, foreign, held


def _text(
    policy: Mapping[str, Any],
    foreign: Sequence[Statement],
    given: Iterable[Direct],
    folder: Folder,
    *,
    bare: bool = False,
) -> str:
    """``bare``: a policy must have a statement, so that one which gives nothing stands in for the last."""
    ours = [statement for one in given for statement in statements(one, folder)]
    if bare and not foreign and not ours:
        ours = [
            {
                "Sid": f"{SID}None",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": f"{folder.arn}/*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    return json.dumps({**policy, "Statement": [*foreign, *ours]}, separators=(",", ":"))


def _least(held: Sequence[Statement], wanted: Direct, folder: Folder) -> Direct:
    """What of ``wanted`` is given already; nothing where the statements are not as written here."""
    text = json.dumps(held)
    accounts = frozenset(re.findall(r"::(\d{12}):root", text))
    below = frozenset(re.findall(rf'"{re.escape(f"{folder.arn}/{folder.prefix}")}/(\d+)/\*"', text))
    for permission in ACTIONS:
        found = Direct(wanted.share_id, permission, accounts, below)
        if _same(_by_sid(held), _by_sid(statements(found, folder))):
            return Direct(
                wanted.share_id,
                min(permission, wanted.permission),
                accounts & wanted.accounts,
                below & wanted.experiments,
            )
    return Direct(wanted.share_id, wanted.permission, frozenset(), wanted.experiments)


def _by_sid(found: Sequence[Statement]) -> list[Statement]:
    return sorted(found, key=lambda statement: str(statement.get("Sid", "")))


def _same(one: object, other: object) -> bool:
    return _plain(one) == _plain(other)


def _plain(value: object) -> object:
    """In meaning: one text and a list of it are the same, and a list has no order (IAM's JSON grammar)."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        plain = [_plain(inner) for inner in value]
        return plain[0] if len(plain) == 1 else sorted(plain, key=repr)
    return value
