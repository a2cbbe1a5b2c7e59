"""What each function may do to the table, the bucket and their key: every action by name.

TransactWriteItems and TransactGetItems have no permission of their own: DynamoDB asks for those of the
actions in them (ConditionCheckItem for a check, of which there is none). Queries name the table: there is
no index.
"""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

ARTIFACTS = "artifacts"
"""The folder of the bucket that CAIRN_ARTIFACT_PREFIX names: all artifacts, nothing else."""
BLOBS = "blobs"
"""The folder of what outgrows the table (artifacts.blobs)."""

READ_FACTS = ("dynamodb:BatchGetItem", "dynamodb:Query")
READ_TABLE = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
WRITE_TABLE = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
MAKE_DEFAULT = ("dynamodb:GetItem", "dynamodb:PutItem")
OBJECTS = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject")
BLOB = ("s3:GetObject", "s3:PutObject")
LIST_BUCKET = ("s3:ListBucket",)


def on_table(table: dynamodb.ITable, actions: Sequence[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=[table.table_arn])


def on_artifacts(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """Listing is of the whole bucket: with a condition on the prefix a missing object is 403, not 404."""
    return [
        iam.PolicyStatement(actions=list(OBJECTS), resources=[bucket.arn_for_objects(f"{ARTIFACTS}/*")]),
        iam.PolicyStatement(actions=list(LIST_BUCKET), resources=[bucket.bucket_arn]),
    ]


def on_blobs(bucket: s3.IBucket) -> iam.PolicyStatement:
    """Dataset profiles that outgrow the table; no artifact lies there."""
    return iam.PolicyStatement(actions=list(BLOB), resources=[bucket.arn_for_objects(f"{BLOBS}/*")])


def on_key(key: kms.IKey | None, service: str) -> list[iam.PolicyStatement]:
    """The customer's key, only through ``service`` (``dynamodb`` or ``s3``); nothing for AWS's own keys.

    DynamoDB uses the key with the caller's rights to open a table's own key ("AWS KMS key policy and
    permissions", DynamoDB developer guide); S3 needs Decrypt to read, and to finish a multipart upload.
    """
    if key is None:
        return []
    actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    if service == "dynamodb":
        actions += ["kms:DescribeKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
    return [
        iam.PolicyStatement(
            actions=actions,
            resources=[key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"{service}.{Aws.REGION}.{Aws.URL_SUFFIX}"}},
        )
    ]
