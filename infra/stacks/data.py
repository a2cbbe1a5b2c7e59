"""What is kept: the table and the bucket. Nothing here changes when the API does."""

from aws_cdk import Aws, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.nag import accept
from infra.settings import Settings

STALE_UPLOAD_DAYS = 7
"""A multipart upload that nobody finished is billed until it is aborted."""

_TABLE_KEYS = {
    "aws-owned": dynamodb.TableEncryption.DEFAULT,
    "aws-managed": dynamodb.TableEncryption.AWS_MANAGED,
    "customer": dynamodb.TableEncryption.CUSTOMER_MANAGED,
}
_BUCKET_KEYS = {
    "aws-owned": s3.BucketEncryption.S3_MANAGED,
    "aws-managed": s3.BucketEncryption.KMS_MANAGED,
    "customer": s3.BucketEncryption.KMS,
}


class DataStack(Stack):
    """``key`` is None unless the encryption is the customer's."""

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Cairn: experiments and artifacts (kept when the API is deployed or removed)",
            termination_protection=settings.keep_data,
        )
        removal = RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY
        self.key = self._key(removal) if settings.encryption == "customer" else None
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="ttl",
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            encryption=_TABLE_KEYS[settings.encryption],
            encryption_key=self.key,
            deletion_protection=settings.keep_data,
            removal_policy=removal,
        )
        self.bucket = s3.Bucket(
            self,
            "Artifacts",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            encryption=_BUCKET_KEYS[settings.encryption],
            encryption_key=self.key,
            # One data key for many objects: without it every GET and PUT is a KMS request.
            bucket_key_enabled=settings.encryption != "aws-owned",
            versioned=settings.versioning,
            lifecycle_rules=_lifecycle(settings),
            cors=_cors(settings),
            removal_policy=removal,
        )
        accept(
            self.bucket,
            "AwsSolutions-S1",
            "Who read which object is CloudTrail's to log (data events); a log bucket of its own would be "
            "one more thing to keep and to pay. docs/deploy.md says how to switch either on.",
        )
        CfnOutput(self, "TableName", value=self.table.table_name)
        CfnOutput(self, "BucketName", value=self.bucket.bucket_name)

    def _key(self, removal: RemovalPolicy) -> kms.Key:
        return kms.Key(
            self,
            "Key",
            description="Cairn's experiments and artifacts",
            enable_key_rotation=True,
            removal_policy=removal,
        )


def _cors(settings: Settings) -> list[s3.CorsRule]:
    """Pages of the UI read artifacts by presigned URLs, to which the API redirects them. Its host has the
    id of an API that this stack does not know; so any API of the region may ask: without a signature S3
    gives nothing, and whoever has one may read without a browser. A distribution has a name of its own."""
    if not settings.ui:
        return []
    return [
        s3.CorsRule(
            allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD],
            allowed_origins=[
                f"https://*.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}",
                *([settings.ui_origin] if settings.ui_origin else []),
            ],
            allowed_headers=["*"],
            exposed_headers=["Content-Disposition", "Content-Length", "Content-Range", "ETag"],
            max_age=3600,
        )
    ]


def _lifecycle(settings: Settings) -> list[s3.LifecycleRule]:
    rules = [
        s3.LifecycleRule(
            id="stale-uploads",
            abort_incomplete_multipart_upload_after=Duration.days(STALE_UPLOAD_DAYS),
        )
    ]
    if settings.tiering_days:
        rules.append(
            s3.LifecycleRule(
                id="tiering",
                transitions=[
                    s3.Transition(
                        storage_class=s3.StorageClass.INTELLIGENT_TIERING,
                        transition_after=Duration.days(settings.tiering_days),
                    )
                ],
            )
        )
    if settings.versioning:
        rules.append(
            s3.LifecycleRule(
                id="noncurrent-versions",
                noncurrent_version_expiration=Duration.days(settings.noncurrent_days),
                expired_object_delete_marker=True,
            )
        )
    return rules
