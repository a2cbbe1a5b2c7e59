"""The settings of a deployed function: one model of its environment, checked once at its start.

Each variable is described here and in docs/settings.md; a test compares the two. A local server has no
environment of its own: its command line says where the data is.
"""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator


class SettingsError(Exception):
    """The environment does not describe a deployment; the message names the variables."""


class Settings(BaseModel):
    """Environment variables, by alias."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    table: str = Field(alias="CAIRN_TABLE", min_length=1, description="Name of the DynamoDB table.")
    bucket: str = Field(
        alias="CAIRN_BUCKET",
        min_length=1,
        description="Name of the S3 bucket that holds artifacts and large dataset profiles.",
    )
    region: str = Field(
        alias="AWS_REGION",
        min_length=1,
        description="Region of table and bucket. Lambda sets it by itself.",
    )
    artifact_prefix: str = Field(
        default="artifacts",
        alias="CAIRN_ARTIFACT_PREFIX",
        min_length=1,
        description="Folder of the bucket below which every artifact lies, those of `mlflow-artifacts:` "
        "locations too.",
    )
    artifact_root: str = Field(
        default="",
        alias="CAIRN_ARTIFACT_ROOT",
        description="Where new experiments keep their artifacts, unless their creator says otherwise: the "
        "experiment's id is appended. Empty for `s3://<bucket>/<prefix>`, which clients write with their "
        "own credentials; `mlflow-artifacts:/` sends every byte through this API or a presigned URL.",
    )
    multipart: bool = Field(
        default=True,
        alias="CAIRN_MULTIPART",
        description="Whether clients are told (`server-info`) to move large files of `mlflow-artifacts:` "
        "locations in parts, by presigned URLs.",
    )
    quiet_ms: int = Field(
        default=90_000,
        alias="CAIRN_QUIET_MS",
        ge=300,
        description="Milliseconds after a run's last write at which it is indexed. Two thirds of them must "
        "be more than a request can last (29 s): less is for tests against an emulator.",
    )
    queue: str = Field(
        default="",
        alias="CAIRN_QUEUE",
        description="URL of the SQS queue of background work; for the functions that send to it.",
    )
    event_bus: str = Field(
        default="",
        alias="CAIRN_EVENT_BUS",
        description="Name of the EventBridge bus; for the function that publishes events.",
    )
    dead_letters: str = Field(
        default="",
        alias="CAIRN_DEAD_LETTERS",
        description="URL of the SQS queue of events that the bus refused; for the same function.",
    )
    secrets_path: str = Field(
        default="/cairn-local/webhooks",
        alias="CAIRN_SECRETS_PATH",
        description="Path of the SSM parameters that hold the secrets of webhooks.",
    )
    secrets_key: str = Field(
        default="",
        alias="CAIRN_SECRETS_KEY",
        description="ARN of the KMS key that encrypts them; empty for the account's `aws/ssm`.",
    )
    deliver_function: str = Field(
        default="",
        alias="CAIRN_DELIVER_FUNCTION",
        description="Name of the function that delivers webhooks; for the one that tests them.",
    )
    deliveries: str = Field(
        default="",
        alias="CAIRN_DELIVERIES",
        description="URL of the SQS queue of webhook deliveries.",
    )
    deliveries_failed: str = Field(
        default="",
        alias="CAIRN_DELIVERIES_FAILED",
        description="URL of the queue of those that were given up.",
    )
    account: str = Field(
        default="",
        alias="CAIRN_ACCOUNT",
        description="Id of the AWS account that Cairn is deployed to, whose principals may do everything; "
        "empty: nobody may anything without a grant.",
    )
    owner_roles: str = Field(
        default="",
        alias="CAIRN_OWNER_ROLES",
        description="Comma-separated names of the account's roles that may do everything, with `*` at the "
        "end for all that begin so; empty: each of its principals may.",
    )
    tokens: bool = Field(
        default=False,
        alias="CAIRN_TOKENS",
        description="Whether callers may mint tokens for what cannot sign (docs/sharing.md).",
    )
    ui: bool = Field(
        default=False,
        alias="CAIRN_UI",
        description="Whether callers may sign a browser in to the web UI (docs/ui.md).",
    )
    ui_origin: str = Field(
        default="",
        alias="CAIRN_UI_ORIGIN",
        pattern=r"^$|^https://[a-z0-9.-]+$",
        description="Origin of the distribution before the web UI, whose pages may call as the API's own "
        "do; empty: none (docs/ui.md).",
    )
    shares: str = Field(
        default="",
        alias="CAIRN_SHARES",
        description="ARN below which the SSM parameters of shares lie; empty: nothing is shared by RAM.",
    )
    reconciler: str = Field(
        default="",
        alias="CAIRN_RECONCILER",
        description="Name of the function that reconciles grants with RAM; for the one that writes shares.",
    )
    organizations_role: str = Field(
        default="",
        alias="CAIRN_ORGANIZATIONS_ROLE",
        description="ARN of the role that may read Organizations; empty: no share with organisational "
        "units.",
    )
    gate: str = Field(
        default="",
        alias="CAIRN_GATE",
        description="Whose requests API Gateway lets in, as the deployer chose (`access`); for what a "
        "share's owner is told.",
    )
    direct_s3: bool = Field(
        default=False,
        alias="CAIRN_DIRECT_S3",
        description="Whether the bucket's policy may name the accounts of shares that say so.",
    )
    uri: str = Field(
        default="",
        alias="CAIRN_URI",
        description="The tracking URI that shares' parameters tell; for the function that writes them.",
    )
    endpoint: str | None = Field(
        default=None,
        alias="AWS_ENDPOINT_URL",
        description="An emulator's URL instead of AWS.",
    )

    @field_validator("artifact_root")
    @classmethod
    def _root_is_served(cls, value: str) -> str:
        if value and not value.startswith(("s3://", "mlflow-artifacts:/")):
            raise ValueError("an artifact root starts with s3:// or mlflow-artifacts:/")
        return value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises SettingsError, which names what is missing or wrong and shows no value."""
        try:
            return cls.model_validate(dict(environment))
        except ValidationError as error:
            wrong = [
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)
            ]
            raise SettingsError("; ".join(wrong)) from None

    @property
    def roles_of_owner(self) -> tuple[str, ...]:
        return tuple(filter(None, map(str.strip, self.owner_roles.split(","))))

    def location_of(self, experiment_id: str) -> str:
        """The default artifact location of an experiment."""
        root = self.artifact_root or f"s3://{self.bucket}/{self.artifact_prefix}"
        return f"{root.rstrip('/')}/{experiment_id}"
