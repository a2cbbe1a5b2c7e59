"""RAM, SSM and Organizations of one owner's account, in memory, in the shapes of botocore's service models.

Requests and answers are checked against the models: a field that AWS does not know, one of the wrong type,
a status that is none fails the test. RAM works in the background here as there: what was asked for stands
under way until ``settle``; an account outside the organisation is in when it has accepted.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.model import Shape
from botocore.validate import ParamValidator

OWNER, MANAGEMENT = "111122223333", "999999999999"
ORGANISATION_ID = "o-a1b2c3d4e5"
ORGANISATION = f"arn:aws:organizations::{MANAGEMENT}:organization/{ORGANISATION_ID}"
REGION = "eu-central-1"
PERMISSION = "arn:aws:ram::aws:permission/AWSRAMDefaultPermissionSSMParameterReadOnly"

Change = Callable[[str, dict[str, Any]], dict[str, Any]]
"""What a test does to an answer on its way."""

_STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def unit_arn(unit: str) -> str:
    return f"arn:aws:organizations::{MANAGEMENT}:ou/{ORGANISATION_ID}/{unit}"


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def refusal(operation: str, code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def _check(shape: Shape | None, value: Any, what: str) -> None:
    assert shape is not None
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), f"{what}: {report.generate_report()}"
    _check_names(shape, value, what)


def _check_names(shape: Any, value: Any, what: str) -> None:
    """What the validator lets pass: unknown members of answers, values that no enum has."""
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), f"{what}: {set(value) - set(shape.members)}"
        for name, inner in value.items():
            _check_names(shape.members[name], inner, f"{what}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            _check_names(shape.member, inner, what)
    elif "enum" in shape.metadata:
        assert value in shape.metadata["enum"], f"{what}: {value}"


@dataclass
class Association:
    share: str
    entity: str
    kind: str
    status: str
    created: datetime
    updated: datetime
    external: bool = False
    message: str = ""


@dataclass
class ResourceShare:
    arn: str
    name: str
    external: bool
    tags: dict[str, str]
    created: datetime
    status: str = "ACTIVE"
    owner: str = OWNER


class World:
    """Everything that AWS knows. ``before_call`` may raise instead of an answer; ``page_size`` rows a page,
    and with ``empty_pages`` an empty page before each that has rows."""

    def __init__(self) -> None:
        self.units: dict[str, list[str]] = {}
        self.inside: dict[str, set[str]] = {}
        self.shares: dict[str, ResourceShare] = {}
        self.associations: list[Association] = []
        self.parameters: dict[str, str] = {}
        self.policy: str | None = None
        self.calls: list[str] = []
        self.before_call: Callable[[str], None] = lambda operation: None
        self.after_call: Callable[[str], None] = lambda operation: None
        self.change_answer: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda operation, answer: (
            answer
        )
        self.page_size = 100
        self.empty_pages = False
        self._numbers = count(1)
        self._ticks = count()

    def now(self) -> datetime:
        return _STARTED + timedelta(seconds=next(self._ticks))

    def call(self, service: str, operation: str, arguments: dict[str, Any], do: Callable[[], Any]) -> Any:
        """One request: its arguments and its answer are of the model's shapes."""
        model = _model(service).operation_model(operation)
        _check(model.input_shape, arguments, operation)
        self.calls.append(operation)
        self.before_call(operation)
        answer = do() or {}
        if model.output_shape is not None:
            _check(model.output_shape, answer, operation)
        self.after_call(operation)
        return self.change_answer(operation, answer)

    def add_unit(self, unit: str, accounts: set[str], above: str | None = None) -> str:
        """An organisational unit; its ARN."""
        self.units[unit] = []
        self.inside[unit] = set(accounts)
        if above is not None:
            self.units[above].append(unit)
        return unit_arn(unit)

    def accounts_below(self, unit: str) -> set[str]:
        found = set(self.inside[unit])
        for below in self.units[unit]:
            found |= self.accounts_below(below)
        return found

    @property
    def organisation(self) -> set[str]:
        return {account for accounts in self.inside.values() for account in accounts}

    def settle(self) -> None:
        """What was under way comes about, but for invitations that wait for an answer."""
        for row in self.associations:
            if row.status == "DISASSOCIATING":
                self._move(row, "DISASSOCIATED")
            elif row.status == "ASSOCIATING" and not row.external:
                self._move(row, "ASSOCIATED")
        for share in self.shares.values():
            share.status = {"PENDING": "ACTIVE", "DELETING": "DELETED"}.get(share.status, share.status)

    def accept(self, account: str) -> None:
        self._answer(account, "ASSOCIATED", "")

    def expire(self, account: str) -> None:
        self._answer(account, "FAILED", "The invitation expired.")

    def revoke(self, arn: str, entity: str) -> None:
        """Somebody takes a principal out in the console."""
        for row in self.rows(arn, entity):
            if row.status in ("ASSOCIATED", "ASSOCIATING", "FAILED"):
                self._move(row, "DISASSOCIATED")

    def remove_share(self, arn: str, *, forgotten: bool = False) -> None:
        """Somebody deletes a share in the console; later RAM forgets it."""
        self.shares[arn].status = "DELETED"
        for row in self.associations:
            if row.share == arn:
                self._move(row, "DISASSOCIATED")
        if forgotten:
            del self.shares[arn]
            self.associations = [row for row in self.associations if row.share != arn]

    def put_in(self, arn: str, entity: str, status: str = "ASSOCIATED") -> None:
        """Somebody shares with one more in the console."""
        now = self.now()
        self.associations.append(
            Association(arn, entity, "PRINCIPAL", status, now, now, self._is_external(entity))
        )

    def rows(self, arn: str, entity: str) -> list[Association]:
        return [row for row in self.associations if (row.share, row.entity) == (arn, entity)]

    def is_in(self, arn: str, entity: str) -> bool:
        """RAM's last word on a principal of a live share of the parameter."""
        rows = sorted(self.rows(arn, entity), key=lambda row: row.updated)
        return bool(rows) and rows[-1].status == "ASSOCIATED"

    def gives(self, share: ResourceShare) -> bool:
        return share.status == "ACTIVE" and any(
            row.kind == "RESOURCE" and row.status == "ASSOCIATED"
            for row in self.associations
            if row.share == share.arn
        )

    def new_arn(self) -> str:
        return f"arn:aws:ram:{REGION}:{OWNER}:resource-share/{next(self._numbers):08d}"

    def _answer(self, account: str, status: str, message: str) -> None:
        for row in self.associations:
            if row.entity == account and row.external and row.status == "ASSOCIATING":
                self._move(row, status)
                row.message = message

    def _move(self, row: Association, status: str) -> None:
        row.status, row.updated = status, self.now()

    def _is_external(self, entity: str) -> bool:
        return entity.isdigit() and entity not in self.organisation


class FakeRam:
    """boto3's RAM client of the owner's account."""

    def __init__(self, world: World) -> None:
        self.world = world

    def get_resource_shares(self, **arguments: Any) -> Mapping[str, Any]:
        assert arguments["resourceOwner"] == "SELF"
        rows = [
            {
                "resourceShareArn": one.arn,
                "name": one.name,
                "owningAccountId": one.owner,
                "allowExternalPrincipals": one.external,
                "status": one.status,
                "tags": [{"key": key, "value": value} for key, value in one.tags.items()],
                "creationTime": one.created,
                "lastUpdatedTime": one.created,
                "featureSet": "STANDARD",
            }
            for one in self.world.shares.values()
        ]
        return self._page("GetResourceShares", "resourceShares", rows, arguments)

    def get_resource_share_associations(self, **arguments: Any) -> Mapping[str, Any]:
        kind = arguments["associationType"]
        rows = [_row(one) for one in self.world.associations if one.kind == kind]
        return self._page("GetResourceShareAssociations", "resourceShareAssociations", rows, arguments)

    def create_resource_share(self, **arguments: Any) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            assert arguments["permissionArns"] == [PERMISSION]
            world, now = self.world, self.world.now()
            for resource in arguments["resourceArns"]:
                if resource.partition(":parameter")[2] not in world.parameters:
                    raise refusal("CreateResourceShare", "UnknownResourceException", resource)
            tags = {tag["key"]: tag["value"] for tag in arguments["tags"]}
            share = ResourceShare(
                world.new_arn(), arguments["name"], arguments["allowExternalPrincipals"], tags, now
            )
            world.shares[share.arn] = share
            for resource in arguments["resourceArns"]:
                world.associations.append(
                    Association(share.arn, resource, "RESOURCE", "ASSOCIATING", now, now)
                )
            return {
                "resourceShare": {"resourceShareArn": share.arn, "name": share.name, "status": "ACTIVE"}
            }

        answer: Mapping[str, Any] = self.world.call("ram", "CreateResourceShare", arguments, do)
        return answer

    def update_resource_share(self, **arguments: Any) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            share = self._live("UpdateResourceShare", arguments)
            share.external = arguments["allowExternalPrincipals"]
            return {"resourceShare": {"resourceShareArn": share.arn}}

        answer: Mapping[str, Any] = self.world.call("ram", "UpdateResourceShare", arguments, do)
        return answer

    def associate_resource_share(self, **arguments: Any) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            share = self._live("AssociateResourceShare", arguments)
            (entity,) = arguments["principals"]
            return {"resourceShareAssociations": [_row(self._associate(share, entity))]}

        answer: Mapping[str, Any] = self.world.call("ram", "AssociateResourceShare", arguments, do)
        return answer

    def disassociate_resource_share(self, **arguments: Any) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            share = self._live("DisassociateResourceShare", arguments)
            (entity,) = arguments["principals"]
            rows = [row for row in self.world.rows(share.arn, entity) if not row.status.startswith("DIS")]
            if not rows:
                raise refusal("DisassociateResourceShare", "UnknownResourceException", entity)
            for row in rows:
                self.world._move(row, "DISASSOCIATING")
            return {"resourceShareAssociations": [_row(rows[-1])]}

        answer: Mapping[str, Any] = self.world.call("ram", "DisassociateResourceShare", arguments, do)
        return answer

    def delete_resource_share(self, **arguments: Any) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            share = self._live("DeleteResourceShare", arguments)
            share.status = "DELETING"
            for row in self.world.associations:
                if row.share == share.arn and not row.status.startswith("DIS"):
                    self.world._move(row, "DISASSOCIATING")
            return {"returnValue": True}

        answer: Mapping[str, Any] = self.world.call("ram", "DeleteResourceShare", arguments, do)
        return answer

    def _associate(self, share: ResourceShare, entity: str) -> Association:
        world, now = self.world, self.world.now()
        external = world._is_external(entity)
        if not entity.isdigit():
            units = {unit_arn(unit) for unit in world.units}
            if entity not in units | {ORGANISATION}:
                raise refusal("AssociateResourceShare", "UnknownResourceException", entity)
        if external and not share.external:
            raise refusal("AssociateResourceShare", "OperationNotPermittedException", "external principal")
        for row in world.rows(share.arn, entity):
            if row.status in ("ASSOCIATED", "ASSOCIATING"):
                return row
        made = Association(share.arn, entity, "PRINCIPAL", "ASSOCIATING", now, now, external)
        world.associations.append(made)
        return made

    def _live(self, operation: str, arguments: Mapping[str, Any]) -> ResourceShare:
        share = self.world.shares.get(arguments["resourceShareArn"])
        if share is None or share.status in ("DELETED", "DELETING"):
            raise refusal(operation, "UnknownResourceException", "no such share")
        return share

    def _page(
        self, operation: str, name: str, rows: list[dict[str, Any]], arguments: dict[str, Any]
    ) -> Mapping[str, Any]:
        """A token is the place in the list; ``e`` before it stands for an empty page there."""

        def do() -> Mapping[str, Any]:
            token = arguments.get("nextToken", "e0" if self.world.empty_pages else "0")
            place = int(token.removeprefix("e"))
            if token.startswith("e"):
                return {name: [], "nextToken": str(place)}
            after = place + min(self.world.page_size, arguments["maxResults"])
            more = ("e" if self.world.empty_pages else "") + str(after)
            return {name: rows[place:after]} | ({"nextToken": more} if after < len(rows) else {})

        answer: Mapping[str, Any] = self.world.call("ram", operation, arguments, do)
        return answer


def _row(one: Association) -> dict[str, Any]:
    message = {"statusMessage": one.message} if one.message else {}
    return {
        "resourceShareArn": one.share,
        "resourceShareName": "name",
        "associatedEntity": one.entity,
        "associationType": one.kind,
        "status": one.status,
        "creationTime": one.created,
        "lastUpdatedTime": one.updated,
        "external": one.external,
        **message,
    }


class FakeSsm:
    """boto3's SSM client; parameters by name."""

    def __init__(self, world: World) -> None:
        self.world = world

    def get_parameter(self, **arguments: Any) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            name = arguments["Name"]
            if name not in self.world.parameters:
                raise refusal("GetParameter", "ParameterNotFound", name)
            return {"Parameter": {"Name": name, "Type": "String", "Value": self.world.parameters[name]}}

        answer: Mapping[str, Any] = self.world.call("ssm", "GetParameter", arguments, do)
        return answer

    def put_parameter(self, **arguments: Any) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            assert arguments["Tier"] == "Advanced", "RAM shares no other"
            self.world.parameters[arguments["Name"]] = arguments["Value"]
            return {"Version": 1, "Tier": "Advanced"}

        answer: Mapping[str, Any] = self.world.call("ssm", "PutParameter", arguments, do)
        return answer

    def delete_parameter(self, **arguments: Any) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            if self.world.parameters.pop(arguments["Name"], None) is None:
                raise refusal("DeleteParameter", "ParameterNotFound", arguments["Name"])
            return {}

        answer: Mapping[str, Any] = self.world.call("ssm", "DeleteParameter", arguments, do)
        return answer


class FakeOrganizations:
    """boto3's Organizations client of the management account."""

    def __init__(self, world: World) -> None:
        self.world = world

    def list_accounts_for_parent(self, **arguments: Any) -> Mapping[str, Any]:
        accounts = sorted(self.world.inside[arguments["ParentId"]])
        rows = [{"Id": account, "Status": "ACTIVE"} for account in accounts]
        return self._page("ListAccountsForParent", "Accounts", rows, arguments)

    def list_organizational_units_for_parent(self, **arguments: Any) -> Mapping[str, Any]:
        rows = [{"Id": unit} for unit in self.world.units[arguments["ParentId"]]]
        return self._page("ListOrganizationalUnitsForParent", "OrganizationalUnits", rows, arguments)

    def _page(
        self, operation: str, name: str, rows: list[dict[str, Any]], arguments: dict[str, Any]
    ) -> Mapping[str, Any]:
        def do() -> Mapping[str, Any]:
            place = int(arguments.get("NextToken", "0"))
            after = place + self.world.page_size
            return {name: rows[place:after]} | ({"NextToken": str(after)} if after < len(rows) else {})

        answer: Mapping[str, Any] = self.world.call("organizations", operation, arguments, do)
        return answer


class FakeS3:
    """One bucket's policy, as S3 takes one: with a statement at least, in 20 KB, of accounts that exist."""

    def __init__(self, world: World, bucket: str = "bucket") -> None:
        self.world, self.bucket = world, bucket
        self.unknown: set[str] = set()

    def get_bucket_policy(self, **arguments: Any) -> Any:
        def do() -> Any:
            assert arguments == {"Bucket": self.bucket, "ExpectedBucketOwner": OWNER}
            if self.world.policy is None:
                raise refusal("GetBucketPolicy", "NoSuchBucketPolicy")
            return {"Policy": self.world.policy}

        return self.world.call("s3", "GetBucketPolicy", arguments, do)

    def put_bucket_policy(self, **arguments: Any) -> Any:
        def do() -> None:
            text = arguments["Policy"]
            assert (arguments["Bucket"], arguments["ExpectedBucketOwner"]) == (self.bucket, OWNER)
            if not json.loads(text)["Statement"] or len(text.encode()) > 20_480:
                raise refusal("PutBucketPolicy", "MalformedPolicy", "Policies must be valid JSON")
            if any(account in text for account in self.unknown):
                raise refusal("PutBucketPolicy", "MalformedPolicy", "Invalid principal in policy")
            self.world.policy = text

        return self.world.call("s3", "PutBucketPolicy", arguments, do)
