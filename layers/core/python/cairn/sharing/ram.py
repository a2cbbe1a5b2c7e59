"""What is asked of AWS for sharing: RAM's shares, the parameters that they carry, an organisation's units.

What is read is whole or nothing: every page, every field. A fault, a throttle, a page that has no end or no
list raises Unavailable, and nothing follows from what was read so far.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

DEPLOYMENT_TAG, SHARE_TAG = "cairn:deployment", "cairn:share"
"""Tags of RAM's shares: the deployment's stage, the record's id."""

_PASSING = frozenset(
    {
        "InternalError",
        "InternalServerError",
        "OperationAborted",
        "RequestLimitExceeded",
        "ServerInternalException",
        "ServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TooManyUpdates",
    }
)
"""Codes of faults that pass, of RAM, SSM, Organizations and S3 (their API references)."""
_MAX_PAGES = 1_000


class Unavailable(Exception):
    """AWS could not be read whole, or asked: nothing is known."""


class Refused(Exception):
    """AWS said no to a change. The message is for a person."""


class Missing(Refused):
    """There is nothing of that name."""


class RamClient(Protocol):
    """Of boto3's RAM client, what is used here."""

    def get_resource_shares(self, **arguments: Any) -> Mapping[str, Any]: ...
    def get_resource_share_associations(self, **arguments: Any) -> Mapping[str, Any]: ...
    def create_resource_share(self, **arguments: Any) -> Mapping[str, Any]: ...
    def update_resource_share(self, **arguments: Any) -> Mapping[str, Any]: ...
    def associate_resource_share(self, **arguments: Any) -> Mapping[str, Any]: ...
    def disassociate_resource_share(self, **arguments: Any) -> Mapping[str, Any]: ...
    def delete_resource_share(self, **arguments: Any) -> Mapping[str, Any]: ...


class SsmClient(Protocol):
    """Of boto3's SSM client, what is used here."""

    def get_parameter(self, **arguments: Any) -> Mapping[str, Any]: ...
    def put_parameter(self, **arguments: Any) -> Mapping[str, Any]: ...
    def delete_parameter(self, **arguments: Any) -> Mapping[str, Any]: ...


class OrganizationsClient(Protocol):
    """Of boto3's Organizations client, what is used here."""

    def list_accounts_for_parent(self, **arguments: Any) -> Mapping[str, Any]: ...
    def list_organizational_units_for_parent(self, **arguments: Any) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class RamShare:
    """``principals`` and ``resources``: RAM's status of each by its text; ``reasons``: what RAM says of
    those that have not come about."""

    arn: str
    owner: str
    status: str
    external: bool
    tags: Mapping[str, str]
    principals: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict, compare=False)


Truth = Mapping[str, RamShare]
"""What RAM says, by ARN."""


class Ram:
    """The shares of one deployment, in one account and region."""

    def __init__(self, client: RamClient, deployment: str) -> None:
        self._client = client
        self._deployment = deployment

    def read(self, known: frozenset[str]) -> Truth:
        """Every share of ours (by its tag, or ``known``) with all its associations: three lists of all that
        the account shares, 500 a page. Raises Unavailable."""
        found = {
            share.arn: share
            for share in map(
                _share, self._pages("get_resource_shares", "resourceShares", {"resourceOwner": "SELF"})
            )
            if share.arn in known or share.tags.get(DEPLOYMENT_TAG) == self._deployment
        }
        principals = self._associations("PRINCIPAL", found)
        resources = self._associations("RESOURCE", found)
        return {
            arn: RamShare(
                arn,
                share.owner,
                share.status,
                share.external,
                share.tags,
                {entity: row.status for entity, row in principals[arn].items()},
                {entity: row.status for entity, row in resources[arn].items()},
                {e: row.reason for e, row in (principals[arn] | resources[arn]).items() if row.reason},
            )
            for arn, share in found.items()
        }

    def create(self, name: str, share_id: str, parameter: str, permission: str, *, external: bool) -> str:
        """A share of the parameter, with nobody yet; its ARN. Raises Refused, Unavailable."""
        answer = ask(
            self._client.create_resource_share,
            name=name,
            resourceArns=[parameter],
            permissionArns=[permission],
            allowExternalPrincipals=external,
            tags=[
                {"key": DEPLOYMENT_TAG, "value": self._deployment},
                {"key": SHARE_TAG, "value": share_id},
            ],
        )
        arn: str = answer["resourceShare"]["resourceShareArn"]
        return arn

    def admit_external(self, arn: str) -> None:
        """Accounts outside the organisation may be asked from now on."""
        ask(self._client.update_resource_share, resourceShareArn=arn, allowExternalPrincipals=True)

    def associate(self, arn: str, principal: str) -> None:
        ask(self._client.associate_resource_share, resourceShareArn=arn, principals=[principal])

    def disassociate(self, arn: str, principal: str) -> None:
        ask(self._client.disassociate_resource_share, resourceShareArn=arn, principals=[principal])

    def delete(self, arn: str) -> None:
        """What is gone already is no error."""
        try:
            ask(self._client.delete_resource_share, resourceShareArn=arn)
        except Missing:
            return

    def _associations(self, kind: str, found: Mapping[str, RamShare]) -> dict[str, dict[str, "_Row"]]:
        """The last word on each entity: RAM keeps what was taken back beside what was given again."""
        rows: dict[str, dict[str, _Row]] = {arn: {} for arn in found}
        pages = self._pages(
            "get_resource_share_associations", "resourceShareAssociations", {"associationType": kind}
        )
        for answer in pages:
            arn, entity = _text(answer, "resourceShareArn"), _text(answer, "associatedEntity")
            row = _Row(
                answer.get("lastUpdatedTime") or answer.get("creationTime"),
                _text(answer, "status"),
                str(answer.get("statusMessage") or ""),
            )
            if arn in rows and (entity not in rows[arn] or row.is_after(rows[arn][entity])):
                rows[arn][entity] = row
        return rows

    def _pages(self, call: str, name: str, arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """An empty page is no end: "these operations can occasionally return an empty set of results even
        when there are more" (RAM's API reference)."""
        yield from _pages(getattr(self._client, call), name, {**arguments, "maxResults": 500}, "nextToken")


@dataclass(frozen=True, slots=True)
class _Row:
    time: datetime | None
    status: str
    reason: str

    def is_after(self, other: "_Row") -> bool:
        """Of two at one time the one that gives nothing."""
        if self.time is None or other.time is None or self.time == other.time:
            return other.status == "ASSOCIATED"
        return self.time > other.time


class Parameters:
    """The advanced parameters that RAM carries. They point to the API; nothing is decided by what they
    hold."""

    def __init__(self, client: SsmClient) -> None:
        self._client = client

    def point(self, name: str, value: Mapping[str, Any], description: str) -> bool:
        """Make the parameter say this; whether it did not. 1 GetParameter, 1 PutParameter where it must
        change. Raises Refused, Unavailable."""
        text = json.dumps(value, separators=(",", ":"), sort_keys=True)
        try:
            held = ask(self._client.get_parameter, Name=name)["Parameter"]["Value"]
        except Missing:
            held = None
        if held == text:
            return False
        ask(
            self._client.put_parameter,
            Name=name,
            Value=text,
            Type="String",
            Tier="Advanced",
            Overwrite=True,
            Description=description,
        )
        return True

    def delete(self, name: str) -> None:
        """What is gone already is no error."""
        try:
            ask(self._client.delete_parameter, Name=name)
        except Missing:
            return


class Organization:
    """Which accounts are in a unit, those of the units below it included. ``connect`` makes the client at
    the first question, by the role that may ask."""

    def __init__(self, connect: Callable[[], OrganizationsClient]) -> None:
        self._connect = connect

    def accounts(self, unit: str) -> frozenset[str]:
        """2 requests for each unit, and 1 for each further page. Raises Unavailable."""
        try:
            client = self._connect()
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"Organizations cannot be asked: {error}") from error
        found: set[str] = set()
        units = [unit]
        for parent in units:
            asked = {"ParentId": parent}
            inside = _pages(client.list_accounts_for_parent, "Accounts", asked, "NextToken")
            found.update(_text(answer, "Id") for answer in inside)
            below = client.list_organizational_units_for_parent
            answers = _pages(below, "OrganizationalUnits", asked, "NextToken")
            units.extend(_text(answer, "Id") for answer in answers)
            if len(units) > _MAX_PAGES:
                raise Unavailable(f"{unit} has more units below it than an organisation can have.")
        return frozenset(found)


def _share(answer: Mapping[str, Any]) -> RamShare:
    return RamShare(
        _text(answer, "resourceShareArn"),
        _text(answer, "owningAccountId"),
        _text(answer, "status"),
        bool(answer.get("allowExternalPrincipals")),
        {tag["key"]: tag.get("value", "") for tag in answer.get("tags") or () if "key" in tag},
    )


def _text(answer: Mapping[str, Any], name: str) -> str:
    """A field without which the answer is not whole."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise Unavailable(f"AWS answered without {name}.")
    return value


def _pages(
    call: Callable[..., Mapping[str, Any]], name: str, arguments: Mapping[str, Any], token_name: str
) -> Iterator[Mapping[str, Any]]:
    token: str | None = None
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        more = {} if token is None else {token_name: token}
        try:
            answer = call(**arguments, **more)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"AWS could not be read: {error}") from error
        rows = answer.get(name)
        if rows is None:
            raise Unavailable(f"AWS answered without {name}.")
        yield from rows
        token = answer.get(token_name)
        if not token:
            return
        if token in seen:
            raise Unavailable("AWS gave the same page twice.")
        seen.add(token)
    raise Unavailable(f"AWS has more than {_MAX_PAGES} pages of {name}.")


def ask(call: Callable[..., Mapping[str, Any]], **arguments: Any) -> Mapping[str, Any]:
    """One request that is no page of a list. Raises Refused, Missing, Unavailable."""
    try:
        return call(**arguments)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        message = f"{code}: {error.response.get('Error', {}).get('Message', '')}"
        if code in _PASSING:
            raise Unavailable(message) from error
        if code in ("UnknownResourceException", "ParameterNotFound", "NoSuchBucketPolicy"):
            raise Missing(message) from error
        raise Refused(message) from error
    except BotoCoreError as error:
        raise Unavailable(str(error)) from error
