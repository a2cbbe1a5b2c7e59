"""A Lambda function with a role of its own that may do what is listed, write its logs, and be traced."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, IgnoreMode
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import packages
from infra.constructs.layers import ARCHITECTURE, RUNTIME, Layers
from infra.constructs.logs import BoundedLogs
from infra.nag import accept


class Function(Construct):
    """``name`` is the folder under functions/, unless its code is built in another ``folder``;
    ``statements`` are all that its role may do besides."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        description: str,
        layers: Layers,
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        memory_mb: int,
        timeout_s: int,
        log_days: int,
        folder: Path | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = BoundedLogs(self, "Logs", log_days).group
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What Cairn's {name} function may do",
        )
        # Through a policy of this construct, not AWSLambdaBasicExecutionRole: that one may create and
        # write every log group of the account.
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            )
        )
        for statement in statements:
            self.role.add_to_policy(statement)
        self.resource = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            handler="handler.handler",
            code=lambda_.Code.from_asset(
                str(folder or packages.FUNCTIONS / name),
                exclude=["**/__pycache__", "**/*.pyc"],
                ignore_mode=IgnoreMode.GLOB,
            ),
            layers=layers.all,
            role=self.role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            memory_size=memory_mb,
            timeout=Duration.seconds(timeout_s),
            environment={
                "POWERTOOLS_SERVICE_NAME": f"cairn-{name}",
                "POWERTOOLS_METRICS_NAMESPACE": "Cairn",
                # pydantic would look through the metadata of every installed package for plugins.
                "PYDANTIC_DISABLE_PLUGINS": "__all__",
                **environment,
            },
        )
        accept(
            self.resource,
            "AwsSolutions-L1",
            "The wheels of the dependency layer are pinned and built for this runtime; it moves with them.",
        )
        accept(
            self.role,
            "AwsSolutions-IAM5[Resource::*]",
            "xray:PutTraceSegments and PutTelemetryRecords know no resources (active tracing).",
        )
