"""What each function may do to table, bucket, queues, bus and their key: every action by name.

TransactWriteItems and TransactGetItems have no permission of their own: DynamoDB asks for those of the
actions in them (ConditionCheckItem for a check). Queries name the table: there is
no index.
"""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from cairn.storage import keys

ARTIFACTS = "artifacts"
"""The folder of the bucket that CAIRN_ARTIFACT_PREFIX names: all artifacts, nothing else."""
BLOBS = "blobs"
"""The folder of what outgrows the table (artifacts.blobs)."""

READ_TABLE = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
WRITE_TABLE = (
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
MAKE_DEFAULT = ("dynamodb:GetItem", "dynamodb:PutItem")
INDEX_TABLE = (*READ_TABLE, *WRITE_TABLE)
LOOK_FOR_MARKS = ("dynamodb:Query",)
SWEEP_MODELS = ("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem")
FOLLOW_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
LIST_STREAMS = ("dynamodb:ListStreams",)
SEND = ("sqs:SendMessage",)
PUBLISH = ("events:PutEvents",)
HIDE = ("sqs:ChangeMessageVisibility",)
READ_SECRETS = ("ssm:GetParameter",)
WRITE_SECRETS = ("ssm:DeleteParameter", "ssm:PutParameter")
INVOKE = ("lambda:InvokeFunction",)
LIST_WEBHOOKS = ("dynamodb:Query",)
READ_TOKENS = ("dynamodb:BatchGetItem",)
KEEP_SESSIONS = ("dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem")
FILL_SITE = ("s3:DeleteObject", "s3:PutObject")
RECONCILE = (
    "dynamodb:BatchGetItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
)
DECLARE = ("dynamodb:GetItem", "dynamodb:PutItem")
POINT = (
    "ssm:DeleteParameter",
    "ssm:DeleteResourcePolicy",
    "ssm:GetParameter",
    "ssm:GetResourcePolicies",
    "ssm:PutParameter",
    "ssm:PutResourcePolicy",
)
READ_RAM = ("ram:GetResourceShareAssociations", "ram:GetResourceShares")
MAKE_SHARES = ("ram:CreateResourceShare",)
TAG_SHARES = ("ram:TagResource",)
CHANGE_SHARES = (
    "ram:AssociateResourceShare",
    "ram:DeleteResourceShare",
    "ram:DisassociateResourceShare",
    "ram:UpdateResourceShare",
)
ASSUME = ("sts:AssumeRole",)
RECEIVE = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
OBJECTS = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject")
BLOB = ("s3:GetObject", "s3:PutObject")
NAME_ACCOUNTS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy")
LIST_BUCKET = ("s3:ListBucket",)
OLD_OBJECTS = ("s3:GetObjectVersion",)
LIST_VERSIONS = ("s3:ListBucketVersions",)


def on_table(table: dynamodb.ITable, actions: Sequence[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=[table.table_arn])


def on_stream(table: dynamodb.ITable) -> list[iam.PolicyStatement]:
    """What Lambda asks of the role of a stream's consumer ("Using AWS Lambda with Amazon DynamoDB"); the
    list of streams knows no resources (service authorization reference)."""
    assert table.table_stream_arn is not None
    return [
        iam.PolicyStatement(actions=list(FOLLOW_STREAM), resources=[table.table_stream_arn]),
        iam.PolicyStatement(actions=list(LIST_STREAMS), resources=["*"]),
    ]


def on_queues(queues: Sequence[sqs.IQueue], actions: Sequence[str]) -> iam.PolicyStatement:
    """A batch of messages has no permission of its own: it is SendMessage's, or DeleteMessage's."""
    return iam.PolicyStatement(actions=list(actions), resources=[queue.queue_arn for queue in queues])


def on_bus(bus: events.IEventBus) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(PUBLISH), resources=[bus.event_bus_arn])


def on_webhooks(table: dynamodb.ITable) -> iam.PolicyStatement:
    """The items of one partition: webhooks, nothing of experiments or models."""
    return iam.PolicyStatement(
        actions=list(LIST_WEBHOOKS),
        resources=[table.table_arn],
        conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [keys.WEBHOOKS]}},
    )


def on_tokens(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Tokens and their revocations by key: nothing of experiments or models, and no list of either."""
    return iam.PolicyStatement(
        actions=list(READ_TOKENS),
        resources=[table.table_arn],
        conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{keys.TOKENS}*"]}},
    )


def on_sharing(table: dynamodb.ITable, actions: Sequence[str]) -> iam.PolicyStatement:
    """The items of grants and shares, nothing of experiments or models. A share's record alone where the
    grants are somebody else's to write."""
    grants = [] if actions == DECLARE else [f"{keys.GRANTS}*"]
    return iam.PolicyStatement(
        actions=list(actions),
        resources=[table.table_arn],
        conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [*grants, keys.SHARES]}},
    )


def on_parameters(parameters: str) -> iam.PolicyStatement:
    """Those that shares point with. Their policies are RAM's to write, which it does with the rights of
    whoever shares ("Working with shared parameters", Systems Manager user guide)."""
    return iam.PolicyStatement(actions=list(POINT), resources=[parameters])


def on_ram(shares: str, stage: str) -> list[iam.PolicyStatement]:
    """Lists and the making of a share know no resource (service authorization reference). What is made is
    of parameters alone and bears the deployment's tag; what is changed bears it."""
    asked = {"aws:RequestTag/cairn:deployment": stage}
    return [
        iam.PolicyStatement(actions=list(READ_RAM), resources=["*"]),
        iam.PolicyStatement(
            actions=list(MAKE_SHARES),
            resources=["*"],
            conditions={"StringEquals": {**asked, "ram:RequestedResourceType": "ssm:Parameter"}},
        ),
        iam.PolicyStatement(
            actions=list(TAG_SHARES), resources=[shares], conditions={"StringEquals": asked}
        ),
        iam.PolicyStatement(
            actions=list(CHANGE_SHARES),
            resources=[shares],
            conditions={"StringEquals": {"aws:ResourceTag/cairn:deployment": stage}},
        ),
    ]


def on_policy(bucket: s3.IBucket) -> iam.PolicyStatement:
    """The bucket's policy, whole: IAM has no condition on what is put (service authorization reference)."""
    return iam.PolicyStatement(actions=list(NAME_ACCOUNTS), resources=[bucket.bucket_arn])


def on_role(role: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(ASSUME), resources=[role])


def on_sessions(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Codes and sessions by key, in the partitions that they share with tokens."""
    return iam.PolicyStatement(
        actions=list(KEEP_SESSIONS),
        resources=[table.table_arn],
        conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{keys.TOKENS}*"]}},
    )


def on_archive(bucket: s3.IBucket, key: str) -> iam.PolicyStatement:
    """One object of the CDK's own bucket."""
    return iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(key)])


def on_site(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """A bucket of released files: filled, and emptied of old ones; the function reads none."""
    return [
        iam.PolicyStatement(actions=list(FILL_SITE), resources=[bucket.arn_for_objects("*")]),
        on_listing(bucket),
    ]


def on_site_files(bucket: s3.IBucket, folder: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(f"{folder}/*")])


def on_secrets(parameters: str, actions: Sequence[str]) -> iam.PolicyStatement:
    """``parameters`` is the ARN of all below a path."""
    return iam.PolicyStatement(actions=list(actions), resources=[parameters])


def on_function(function: lambda_.IFunction) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(INVOKE), resources=[function.function_arn])


def on_artifacts(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """Old versions of objects are those of model versions. Listing is of the whole bucket: with a condition
    on the prefix a missing object is 403, not 404."""
    return [
        iam.PolicyStatement(
            actions=[*OBJECTS, *OLD_OBJECTS], resources=[bucket.arn_for_objects(f"{ARTIFACTS}/*")]
        ),
        on_listing(bucket),
    ]


def on_listing(bucket: s3.IBucket) -> iam.PolicyStatement:
    """The names of artifacts, which GraphQL lists; no byte of them."""
    return iam.PolicyStatement(actions=list(LIST_BUCKET), resources=[bucket.bucket_arn])


def on_versions(bucket: s3.IBucket) -> iam.PolicyStatement:
    """A model version notes which versions of its files it is made of."""
    return iam.PolicyStatement(
        actions=list(LIST_VERSIONS),
        resources=[bucket.bucket_arn],
        conditions={"StringLike": {"s3:prefix": f"{ARTIFACTS}/*"}},
    )


def on_blobs(bucket: s3.IBucket) -> iam.PolicyStatement:
    """Dataset profiles that outgrow the table; no artifact lies there."""
    return iam.PolicyStatement(actions=list(BLOB), resources=[bucket.arn_for_objects(f"{BLOBS}/*")])


_DATA_KEY = ("kms:Decrypt", "kms:GenerateDataKey")
_TABLE_KEY = ("kms:DescribeKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo")
KEY_USES = {
    "dynamodb": ("dynamodb", (*_DATA_KEY, *_TABLE_KEY)),
    "stream": ("dynamodb", ("kms:Decrypt", "kms:DescribeKey")),
    "s3": ("s3", _DATA_KEY),
    "sqs": ("sqs", _DATA_KEY),
    "secrets-read": ("ssm", ("kms:Decrypt",)),
    "secrets-write": ("ssm", ("kms:Encrypt",)),
}
"""What a key is used for: through which service, by which actions."""


def on_key(key: kms.IKey | None, use: str) -> list[iam.PolicyStatement]:
    """The customer's key, for one of ``KEY_USES`` through its service alone; nothing for AWS's own keys.

    DynamoDB uses the key with the caller's rights to open a table's own key ("AWS KMS key policy and
    permissions", DynamoDB developer guide); S3 needs Decrypt to read, and to finish a multipart upload; SQS
    needs both to take a message, and Decrypt to give it ("Key management", SQS developer guide). SSM needs
    Encrypt to write a standard parameter, Decrypt to read it ("AWS KMS encryption for Parameter Store").
    """
    if key is None:
        return []
    service, actions = KEY_USES[use]
    return [
        iam.PolicyStatement(
            actions=list(actions),
            resources=[key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"{service}.{Aws.REGION}.{Aws.URL_SUFFIX}"}},
        )
    ]
