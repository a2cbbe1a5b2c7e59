"""Least privilege: every action that a role holds is listed here with what it is for."""

from collections.abc import Iterator
from inspect import signature
from typing import Any

import pytest

from cairn.artifacts.blobs import S3Blobs
from cairn.settings import Settings
from cairn.storage import keys
from infra import permissions
from tests.infra.synthesis import Assembly

LOGS = {
    "logs:CreateLogStream": "Lambda writes the function's own log group",
    "logs:PutLogEvents": "Lambda writes the function's own log group",
    "xray:PutTelemetryRecords": "active tracing",
    "xray:PutTraceSegments": "active tracing",
}
READ = {
    "dynamodb:BatchGetItem": "the facts of a page of runs",
    "dynamodb:GetItem": "an experiment's head, a run's facts",
    "dynamodb:Query": "an experiment's runs, a run's metric log",
}
FACTS = {
    "dynamodb:BatchGetItem": "a run's or a model's head, which holds its artifact root",
    "dynamodb:Query": "its facts where they outgrow the head",
}
WRITE = {
    "dynamodb:BatchWriteItem": "tags of an experiment, many points",
    "dynamodb:ConditionCheckItem": "a version is not written whose model was deleted",
    "dynamodb:DeleteItem": "tags, name guards of renamed experiments",
    "dynamodb:PutItem": "new experiments, runs, points",
    "dynamodb:UpdateItem": "counters, latest values",
}
FOLLOW = {
    "dynamodb:DescribeStream": "Lambda reads the table's stream with the function's role",
    "dynamodb:GetRecords": "Lambda reads the table's stream with the function's role",
    "dynamodb:GetShardIterator": "Lambda reads the table's stream with the function's role",
    "dynamodb:ListStreams": "Lambda looks the stream up",
}
SEND = {"sqs:SendMessage": "tasks, and what the stream's consumer gave up"}
RECEIVE = {
    "sqs:DeleteMessage": "Lambda takes tasks from the queue with the function's role",
    "sqs:GetQueueAttributes": "Lambda takes tasks from the queue with the function's role",
    "sqs:ReceiveMessage": "Lambda takes tasks from the queue with the function's role",
}
OBJECTS = {
    "s3:AbortMultipartUpload": "mpu/abort",
    "s3:DeleteObject": "deleting artifacts",
    "s3:GetObject": "downloads, and presigned URLs for them",
    "s3:GetObjectVersion": "a model version's files as they were",
    "s3:ListBucket": "listing artifacts; a missing object is 404 instead of 403",
    "s3:PutObject": "uploads, multipart uploads, and presigned URLs for them",
}
BLOBS = {
    "s3:GetObject": "dataset profiles over 100 KB",
    "s3:PutObject": "dataset profiles over 100 KB",
}
JUSTIFIED: dict[str, dict[str, str]] = {
    "Tracking": LOGS
    | READ
    | WRITE
    | BLOBS
    | {
        "s3:ListBucket": "GraphQL's list of artifacts",
        "s3:ListBucketVersions": "which versions of its files a model version is made of",
        "lambda:InvokeFunction": "the test of a webhook, by who delivers; the reconciler, after a share",
        "ssm:DeleteParameter": "a webhook's secret",
        "ssm:PutParameter": "a webhook's secret, which it may not read",
    },
    "ArtifactsApi": LOGS
    | FACTS
    | OBJECTS
    | {"dynamodb:GetItem": "the registered model of a name, whose version's file is asked for"},
    "Bootstrap": LOGS
    | {
        "dynamodb:GetItem": "is the experiment Default there?",
        "dynamodb:PutItem": "its head, list entry and name guard, in one transaction",
    },
    "UpkeepMarks": LOGS | FOLLOW | SEND,
    "UpkeepIndexer": LOGS
    | READ
    | WRITE
    | RECEIVE
    | {"dynamodb:ConditionCheckItem": "no other indexer is at the same run while its entries go"},
    "EventsPublisher": LOGS
    | FOLLOW
    | {"sqs:SendMessage": "events that the bus refused, and what the consumer gave up"}
    | {"events:PutEvents": "events, on the bus of this deployment"},
    "WebhooksDeliver": LOGS
    | RECEIVE
    | {
        "sqs:ChangeMessageVisibility": "the pause until the next attempt",
        "sqs:SendMessage": "deliveries that were given up",
        "ssm:GetParameter": "the secret that signs",
    },
    "WebhooksDispatch": LOGS
    | {
        "dynamodb:Query": "the webhooks",
        "sqs:SendMessage": "deliveries; Lambda sends what it could not be called for",
    },
    "SharingDeclarer": LOGS
    | {
        "dynamodb:GetItem": "the share that a stack changes",
        "dynamodb:PutItem": "the share that a stack declares",
        "lambda:InvokeFunction": "the reconciler, after a share",
    },
    "SharingReconciler": LOGS
    | {
        "dynamodb:BatchGetItem": "the grants of many holders",
        "dynamodb:DeleteItem": "the record of a share that is gone",
        "dynamodb:GetItem": "a holder's grants, a share, before they are changed",
        "dynamodb:PutItem": "grants, what was found of a share, when the last run was",
        "dynamodb:Query": "the shares",
        "ram:AssociateResourceShare": "whom a share is to be with",
        "ram:CreateResourceShare": "a share that an operator made",
        "ram:DeleteResourceShare": "one that an operator deleted",
        "ram:DisassociateResourceShare": "whom it is not to be with any more",
        "ram:GetResourceShareAssociations": "whom each share is with: what grants follow from",
        "ram:GetResourceShares": "which shares there are",
        "ram:TagResource": "a share's tags, when it is made",
        "ram:UpdateResourceShare": "accounts outside the organisation are admitted",
        "ssm:DeleteParameter": "the parameter of a share that is gone",
        "ssm:DeleteResourcePolicy": "RAM, when a parameter is not shared any more",
        "ssm:GetParameter": "does it still say what it should?",
        "ssm:GetResourcePolicies": "RAM, when a parameter is shared",
        "ssm:PutParameter": "where consumers find the API",
        "ssm:PutResourcePolicy": "RAM, when a parameter is shared",
    },
    "UpkeepOverdue": LOGS
    | SEND
    | {"dynamodb:Query": "the experiments, the marks of each, and what deleted models left"}
    | {"dynamodb:BatchGetItem": "a deleted model's versions, which name their long tags"}
    | {
        f"dynamodb:{action}": "what deleted models left is removed"
        for action in ("BatchWriteItem", "DeleteItem")
    },
}
TOKENS = {"Authorizer": LOGS | {"dynamodb:BatchGetItem": "a token, and its principal's revocation"}}
"""Where the deployer wants them."""
UI = {
    "Doors": LOGS
    | {
        "dynamodb:BatchGetItem": "a code or a session, and its principal's revocation",
        "dynamodb:DeleteItem": "a code that is used, a session that is closed",
        "dynamodb:PutItem": "a session",
    },
    "UiPublisher": LOGS
    | {
        "s3:DeleteObject": "the files of the build before",
        "s3:GetObject": "the archive that was deployed",
        "s3:ListBucket": "which files the build before had",
        "s3:PutObject": "the UI's files",
    },
    "BrowserReader": {"s3:GetObject": "API Gateway sends the UI's files"},
}
"""Likewise."""
KEY = {
    "kms:Decrypt": "the table's or an object's data key",
    "kms:DescribeKey": "DynamoDB looks the key up with the caller's rights",
    "kms:Encrypt": "DynamoDB, on a write",
    "kms:GenerateDataKey": "a new object's data key",
    "kms:ReEncryptFrom": "DynamoDB, when the table's key changes",
    "kms:ReEncryptTo": "DynamoDB, when the table's key changes",
}
UNITS = {
    "SharingReconciler": JUSTIFIED["SharingReconciler"]
    | {"sts:AssumeRole": "the role that may list the accounts of an organisational unit"}
}
STREAM_KEY = {
    "kms:Decrypt": "the stream's data key, and the queue's",
    "kms:DescribeKey": "DynamoDB looks the key up with the caller's rights",
    "kms:GenerateDataKey": "a sent message's data key",
}
NO_RESOURCE = {
    "dynamodb:ListStreams",
    "ram:CreateResourceShare",
    "ram:GetResourceShareAssociations",
    "ram:GetResourceShares",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
"""Actions that know no resources (service authorization reference): the only ones that may say ``*``."""


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(assembly: Assembly) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statement of each role of ours, by the construct that the role belongs to."""
    for name, policy in assembly.all("AWS::IAM::Policy"):
        owner = name.removeprefix("").split("Role")[0]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            yield owner, statement


@pytest.mark.parametrize("name", ["default", "everything"])
def test_every_permission_is_justified_and_none_is_missing(
    name: str, request: pytest.FixtureRequest
) -> None:
    assembly: Assembly = request.getfixturevalue(name)
    uses = {
        "default": {},
        "everything": {
            "UpkeepMarks": STREAM_KEY,
            "EventsPublisher": STREAM_KEY,
            "WebhooksDeliver": ("kms:Decrypt", "kms:GenerateDataKey"),
            "UiPublisher": (),
            "BrowserReader": (),
        },
    }[name]
    other = {"default": {}, "everything": KEY}[name]
    justified = JUSTIFIED | {"default": {}, "everything": TOKENS | UI | UNITS}[name]
    held: dict[str, set[str]] = {}
    for owner, statement in statements(assembly):
        assert statement["Effect"] == "Allow"
        held.setdefault(owner, set()).update(as_list(statement["Action"]))
    assert held == {
        owner: set(actions) | set(uses.get(owner, other)) for owner, actions in justified.items()
    }


def test_the_authorizer_reads_tokens_and_nothing_else(everything: Assembly) -> None:
    (read,) = [
        statement
        for owner, statement in statements(everything)
        if owner == "Authorizer" and "dynamodb" in str(statement["Action"])
    ]
    assert read["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["T#*"]}}
    assert all(
        key.pk.startswith("T#")
        for key in (
            keys.token("a", "b"),
            keys.code("a", "b"),
            keys.session("a", "b"),
            keys.revocation("a"),
        )
    )


def test_the_doors_reach_codes_and_sessions_and_no_artifact(everything: Assembly) -> None:
    held = [statement for owner, statement in statements(everything) if owner == "Doors"]
    (table,) = (statement for statement in held if "dynamodb" in str(statement["Action"]))
    assert table["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["T#*"]}}
    assert not [statement for statement in held if "s3:" in str(statement["Action"])]


def test_api_gateway_reads_one_folder_of_the_uis_bucket(everything: Assembly) -> None:
    ((_, read),) = (one for one in statements(everything) if one[0] == "BrowserReader")
    folder = everything.only("Api", "Custom::CairnUiFiles")["Properties"]["Folder"]
    assert f"/{folder}/*" in str(read["Resource"])


def test_no_action_is_a_wildcard(default: Assembly, everything: Assembly) -> None:
    for assembly in (default, everything):
        for owner, statement in statements(assembly):
            assert not [a for a in as_list(statement["Action"]) if "*" in a], owner


def test_only_actions_without_resources_are_allowed_on_everything(default: Assembly) -> None:
    for owner, statement in statements(default):
        if "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= NO_RESOURCE, owner


def test_a_customers_key_is_used_through_its_service_alone(everything: Assembly) -> None:
    for _, statement in statements(everything):
        if any(action.startswith("kms:") for action in as_list(statement["Action"])):
            assert list(statement["Condition"]["StringEquals"]) == ["kms:ViaService"]


def test_roles_have_no_managed_policy_but_api_gateways_own(default: Assembly) -> None:
    managed = [
        name for name, role in default.all("AWS::IAM::Role") if "ManagedPolicyArns" in role["Properties"]
    ]
    assert [name for name in managed if "LogRole" not in name] == []


def test_every_role_is_bounded_where_the_deployer_says_so(default: Assembly, everything: Assembly) -> None:
    for _, role in everything.all("AWS::IAM::Role"):
        assert "developer-boundary" in str(role["Properties"]["PermissionsBoundary"])
    for _, role in default.all("AWS::IAM::Role"):
        assert "PermissionsBoundary" not in role["Properties"]


def test_objects_are_reached_in_the_folder_of_the_functions_task_alone(default: Assembly) -> None:
    folders = {"Tracking": "/blobs/*", "ArtifactsApi": "/artifacts/*"}
    found = {}
    for owner, statement in statements(default):
        if "s3:GetObject" in as_list(statement["Action"]):
            found[owner] = statement["Resource"]["Fn::Join"][1][-1]
    assert found == folders


def test_the_folders_are_those_that_the_core_uses() -> None:
    assert signature(S3Blobs).parameters["prefix"].default == permissions.BLOBS
    assert Settings.model_fields["artifact_prefix"].default == permissions.ARTIFACTS
