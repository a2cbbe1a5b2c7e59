"""What changes daily: functions, layers, the REST API and its alarms. Deleting this stack loses no data."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cairn.protocol.routes import Route
from infra import packages, permissions
from infra.constructs.browser_front import OPEN, PART, BrowserFront, SiteFiles, browser_plan
from infra.constructs.default_experiment import DefaultExperiment
from infra.constructs.events import Events
from infra.constructs.function import Function
from infra.constructs.layers import Layers
from infra.constructs.logs import AuditQueries
from infra.constructs.monitoring import Monitoring
from infra.constructs.sharing import Sharing
from infra.constructs.tracking_api import BELOW, TrackingApi
from infra.constructs.upkeep import Upkeep
from infra.constructs.webhooks import Webhooks
from infra.nag import accept
from infra.resources import Resource, plan
from infra.settings import Settings
from infra.site import build as build_site
from infra.stacks.data import DataStack

REQUEST_TIMEOUT_S = 28
"""A second less than API Gateway waits (29 s), so that a slow function is the one to say so."""

AUTHORIZER_TIMEOUT_S = 10

_ROOTS = {"s3": "", "proxied": "mlflow-artifacts:/"}
"""What the functions are told (cairn.settings): empty is ``s3://bucket/prefix``."""

BUCKET_EXPORT = "ExportsOutputFnGetAttArtifacts82DD59A1Arn3B515032"
"""The name under which the data stack exports the bucket's ARN, as findings about it say."""


class ApiStack(Stack):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataStack,
        routes: Iterable[Route],
        platform: packages.Platform,
        quiet_ms: int | None = None,
    ) -> None:
        super().__init__(
            scope, construct_id, description="Cairn: MLflow's REST API (functions and gateway)"
        )
        self._settings = settings
        self._data = data
        self._quiet_ms = quiet_ms
        self._layers = Layers(self, "Layers", platform)
        table, bucket, key = data.table, data.bucket, data.key
        self.tracking = self._function(
            self,
            "Tracking",
            "tracking",
            "Experiments, runs, metrics, logged models",
            [
                permissions.on_table(table, permissions.READ_TABLE + permissions.WRITE_TABLE),
                permissions.on_blobs(bucket),
                permissions.on_listing(bucket),
                permissions.on_versions(bucket),
                *permissions.on_key(key, "dynamodb"),
                *permissions.on_key(key, "s3"),
            ],
        )
        self.artifacts = self._function(
            self,
            "ArtifactsApi",
            "artifacts",
            "Artifacts: lists, bytes, multipart uploads, presigned URLs",
            [
                permissions.on_table(table, permissions.READ_TABLE),
                *permissions.on_artifacts(bucket),
                *permissions.on_key(key, "dynamodb"),
                *permissions.on_key(key, "s3"),
            ],
        )
        for function, folder in (
            (self.tracking, permissions.BLOBS),
            (self.artifacts, permissions.ARTIFACTS),
        ):
            accept(
                function.role,
                f"AwsSolutions-IAM5[Resource::{data.stack_name}:{BUCKET_EXPORT}/{folder}/*]",
                "Objects of one folder, under names that are known at run time only.",
            )
        self.bootstrap = self._function(
            self,
            "Bootstrap",
            "bootstrap",
            "Makes the experiment Default at deploy",
            [
                permissions.on_table(table, permissions.MAKE_DEFAULT),
                *permissions.on_key(key, "dynamodb"),
            ],
        )
        DefaultExperiment(self, "DefaultExperiment", self.bootstrap)
        self.authorizer = self._authorizer() if settings.tokens or settings.ui else None
        planned = plan(routes)
        self.api = TrackingApi(
            self,
            "Api",
            stage=settings.stage,
            plan=planned,
            functions={"tracking": self.tracking.resource, "artifacts": self.artifacts.resource},
            artifact_root=f"s3://{bucket.bucket_name}/{permissions.ARTIFACTS}",
            gate=settings.gate,
            rate_limit=settings.rate_limit,
            burst_limit=settings.burst_limit,
            log_days=settings.log_days,
            log_role=settings.gateway_log_role,
            authorizer=self.authorizer.resource if self.authorizer and settings.tokens else None,
            open_paths=OPEN if settings.ui else (),
        )
        if settings.ui and self.authorizer:
            self._serve_ui(self.authorizer, planned)
        self.upkeep = Upkeep(self, "Upkeep", settings=settings, table=table, key=key, make=self._function)
        self.events = Events(self, "Events", settings=settings, table=table, key=key, make=self._function)
        self.webhooks = Webhooks(
            self,
            "Webhooks",
            settings=settings,
            table=table,
            key=key,
            bus=self.events.bus,
            tracking=self.tracking,
            make=self._function,
        )
        self.sharing = Sharing(
            self,
            "Sharing",
            settings=settings,
            table=table,
            bucket=bucket,
            key=key,
            rest_api=self.api.rest_api,
            tracking=self.tracking,
            make=self._function,
        )
        groups = [one.resource.log_group for one in (self.tracking, self.artifacts)]
        AuditQueries(self, "Audit", settings.stage, groups)
        Monitoring(
            self,
            "Monitoring",
            settings=settings,
            rest_api=self.api.rest_api,
            functions={"Tracking": self.tracking.resource, "Artifacts": self.artifacts.resource},
            upkeep=self.upkeep,
            events=self.events,
            webhooks=self.webhooks,
            sharing=self.sharing,
            table=table,
        )
        CfnOutput(
            self,
            "TrackingUri",
            value=self.api.tracking_uri,
            description="MLFLOW_TRACKING_URI; with MLFLOW_TRACKING_AWS_SIGV4=true",
        )
        if settings.tokens:
            CfnOutput(
                self,
                "TokenTrackingUri",
                value=f"{self.api.tracking_uri}/{BELOW}",
                description="MLFLOW_TRACKING_URI for what cannot sign; with MLFLOW_TRACKING_TOKEN",
            )
        CfnOutput(
            self,
            "EventBusName",
            value=self.events.bus.event_bus_name,
            description="The EventBridge bus of docs/events.md: rules on it start what hangs on an event",
        )
        CfnOutput(self, "EventBusArn", value=self.events.bus.event_bus_arn)
        CfnOutput(
            self,
            "InvokeArn",
            value=self.api.rest_api.arn_for_execute_api("*", "/*", settings.stage),
            description="The resource of execute-api:Invoke in a caller's identity policy",
        )

    def _authorizer(self) -> Function:
        """Answers on the way to every request by a token or a browser; reads tokens and sessions alone."""
        return self._function(
            self,
            "Authorizer",
            "authorizer",
            "Finds whom a token or a session stands for",
            [permissions.on_tokens(self._data.table), *permissions.on_key(self._data.key, "dynamodb")],
            timeout_s=AUTHORIZER_TIMEOUT_S,
        )

    def _serve_ui(self, authorizer: Function, planned: Resource) -> None:
        site = build_site()
        files = SiteFiles(self, "Ui", site=site, artifacts=self._data.bucket, make=self._function)
        doors = self._function(
            self,
            "Doors",
            "doors",
            "Signs browsers in and out, and sends them the UI's page",
            [permissions.on_sessions(self._data.table), *permissions.on_key(self._data.key, "dynamodb")],
            timeout_s=AUTHORIZER_TIMEOUT_S,
            folder=site.doors,
        )
        front = BrowserFront(
            self,
            "Browser",
            rest_api=self.api.rest_api,
            authorizer=authorizer.resource,
            doors=doors,
            files=files,
        )
        self.api.add(front.root, browser_plan(planned), "", front.guard)
        CfnOutput(
            self,
            "UiUrl",
            value=f"{self._settings.ui_origin or self.api.tracking_uri}/{PART}",
            description="MLflow's web UI, for browsers that `cairn ui` signed in",
        )

    def _function(
        self,
        scope: Construct,
        construct_id: str,
        name: str,
        description: str,
        statements: Sequence[iam.PolicyStatement],
        *,
        timeout_s: int = REQUEST_TIMEOUT_S,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Function:
        quiet = {} if self._quiet_ms is None else {"CAIRN_QUIET_MS": str(self._quiet_ms)}
        return Function(
            scope,
            construct_id,
            name=name,
            description=description,
            layers=self._layers,
            environment={
                "CAIRN_TABLE": self._data.table.table_name,
                "CAIRN_BUCKET": self._data.bucket.bucket_name,
                "CAIRN_ARTIFACT_PREFIX": permissions.ARTIFACTS,
                "CAIRN_ARTIFACT_ROOT": _ROOTS[self._settings.artifacts],
                "CAIRN_ACCOUNT": self.account,
                "CAIRN_OWNER_ROLES": self._settings.owner_roles,
                **({"CAIRN_TOKENS": "true"} if self._settings.tokens else {}),
                **({"CAIRN_UI": "true"} if self._settings.ui else {}),
                **({"CAIRN_UI_ORIGIN": self._settings.ui_origin} if self._settings.ui_origin else {}),
                **quiet,
                **(environment or {}),
            },
            statements=statements,
            memory_mb=self._settings.memory_mb,
            timeout_s=timeout_s,
            log_days=self._settings.log_days,
            folder=folder,
        )
