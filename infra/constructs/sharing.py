"""Sharing by RAM: the function that reconciles grants with RAM, and what calls for it.

The promise is the schedule; events only make it quicker, and so does the API after it has written a share.
The function's role may make, change and delete RAM shares that bear this deployment's tag, and parameters
below its own path; of the table it reaches grants and shares, no experiment and no run. With the setting
``direct_s3`` it may change the bucket's policy as well (docs/adr/0028-direct-s3.md).
"""

from aws_cdk import Aws, CfnOutput, Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra import permissions
from infra.constructs.experiment_share import export_of
from infra.constructs.function import Function
from infra.constructs.upkeep import MakeFunction
from infra.nag import accept_names
from infra.settings import Settings

TIMEOUT_S = 40
"""Between a schedule's tick and the last grant's end; with the tick's 5 minutes and the 15 s for which
grants are believed, 6 minutes are not passed (tests/sharing/test_timing.py)."""
EVERY = Duration.minutes(5)
DECLARE_TIMEOUT_S = 30
STALE_S = 300
"""An event that could not be delivered for so long is worth nothing: the schedule was there meanwhile."""
RAM_CALLS = (
    "AcceptResourceShareInvitation",
    "AssociateResourceShare",
    "CreateResourceShare",
    "DeleteResourceShare",
    "DisassociateResourceShare",
    "RejectResourceShareInvitation",
    "UpdateResourceShare",
)
"""What CloudTrail tells of, where a trail logs management events."""


class Sharing(Construct):
    """``reconciler``: the function. ``tracking`` writes shares, and calls for it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        table: dynamodb.ITable,
        bucket: s3.IBucket,
        key: kms.IKey | None,
        rest_api: apigateway.IRestApi,
        tracking: Function,
        make: MakeFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        path = f"parameter/cairn/{settings.stage}/shares"
        self.parameters = f"arn:{Aws.PARTITION}:ssm:{Aws.REGION}:{Aws.ACCOUNT_ID}:{path}"
        ram_shares = f"arn:{Aws.PARTITION}:ram:{Aws.REGION}:{Aws.ACCOUNT_ID}:resource-share/*"
        self.told = {
            "CAIRN_SHARES": self.parameters,
            "CAIRN_ORGANIZATIONS_ROLE": settings.organizations_role or "",
            **({"CAIRN_DIRECT_S3": "true"} if settings.direct_s3 else {}),
        }
        self.reconciler = make(
            self,
            "Reconciler",
            "reconciler",
            "Makes grants equal to what RAM says of shares",
            [
                permissions.on_sharing(table, permissions.RECONCILE),
                permissions.on_parameters(f"{self.parameters}/*"),
                *permissions.on_ram(ram_shares, settings.stage),
                *self._organizations(),
                *([permissions.on_policy(bucket)] if settings.direct_s3 else []),
                *permissions.on_key(key, "dynamodb"),
            ],
            timeout_s=TIMEOUT_S,
            environment={**self.told, "CAIRN_URI": self._uri(rest_api)},
        )
        for names in (f"{self.parameters}/*", ram_shares):
            accept_names(self.reconciler.role, names, _NAMES)
        self._trigger(self.reconciler.resource)
        writes = {
            **self.told,
            "CAIRN_GATE": settings.access,
            "CAIRN_RECONCILER": self.reconciler.resource.function_name,
        }
        tracking.role.add_to_policy(permissions.on_function(self.reconciler.resource))
        for name, value in writes.items():
            tracking.resource.add_environment(name, value)
        self._declare(table, key, make, writes)

    def _declare(
        self, table: dynamodb.ITable, key: kms.IKey | None, make: MakeFunction, told: dict[str, str]
    ) -> None:
        """Whoever may invoke this function shares what is here, as CloudFormation does for who deploys a
        stack with an ``ExperimentShare``."""
        self.declarer = make(
            self,
            "Declarer",
            "shares",
            "Keeps the shares that CloudFormation stacks declare",
            [
                permissions.on_sharing(table, permissions.DECLARE),
                permissions.on_function(self.reconciler.resource),
                *permissions.on_key(key, "dynamodb"),
            ],
            timeout_s=DECLARE_TIMEOUT_S,
            environment=told,
        )
        CfnOutput(
            self,
            "ReconcilerRole",
            value=self.reconciler.role.role_arn,
            description="Whom the role of organizations_role trusts (docs/sharing.md)",
        )
        CfnOutput(
            self,
            "DeclareShares",
            value=self.declarer.resource.function_arn,
            export_name=export_of(self._settings.stage),
            description="What ExperimentShare of other stacks calls (docs/sharing.md)",
        )

    def _uri(self, rest_api: apigateway.IRestApi) -> str:
        """By the stage's name in words: the stage itself waits for the functions, and one of those for this
        one."""
        host = f"{rest_api.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}"
        return f"https://{host}/{self._settings.stage}"

    def _organizations(self) -> list[iam.PolicyStatement]:
        role = self._settings.organizations_role
        return [] if role is None else [permissions.on_role(role)]

    def _trigger(self, function: lambda_.IFunction) -> None:
        target = targets.LambdaFunction(function)
        events.Rule(
            self,
            "Schedule",
            description="Reconciles shares: what this says is what is promised",
            schedule=events.Schedule.rate(EVERY),
            targets=[target],
        )
        events.Rule(
            self,
            "RamChanged",
            description="RAM says that a share changed (best effort)",
            event_pattern=events.EventPattern(
                source=["aws.ram"], detail_type=["Resource Sharing State Change"]
            ),
            targets=[target],
        )
        events.Rule(
            self,
            "RamCalled",
            description="Somebody changed a share in RAM (where a CloudTrail trail logs)",
            event_pattern=events.EventPattern(
                source=["aws.ram"],
                detail_type=["AWS API Call via CloudTrail"],
                detail={"eventSource": ["ram.amazonaws.com"], "eventName": list(RAM_CALLS)},
            ),
            targets=[target],
        )
        config = lambda_.CfnEventInvokeConfig(
            self,
            "Repeats",
            function_name=function.function_name,
            qualifier="$LATEST",
            maximum_event_age_in_seconds=STALE_S,
            maximum_retry_attempts=2,
        )
        config.node.add_dependency(self.reconciler.role)


_NAMES = "One for each share, under a name or an id that is known at run time only."
