"""What a deployer may choose, validated before anything is synthesised.

A choice comes from the CDK context (``cdk deploy -c access=organisation:o-abc123``, or cdk.json), else from
the environment (``CAIRN_ACCESS``), else from the default here. docs/deploy.md explains each one; a test
compares the two.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from infra.gate import Gate

_LOG_YEARS = (365, 731, 1096, 1827, 2192, 2557, 2922, 3653)
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 400, 545, *_LOG_YEARS)
"""The retentions that CloudWatch Logs knows (PutRetentionPolicy, API reference)."""


class SettingsError(Exception):
    """A choice that cannot be deployed; the message names the setting, one line each."""


def _tags(value: object) -> object:
    """``team=ml,cost-centre=42`` as a mapping; a mapping (from cdk.json) as it is."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if any(not equals for _, equals, _ in pairs):
        raise ValueError("tags are written key=value,key=value")
    return {key.strip(): text.strip() for key, _, text in pairs}


class Settings(BaseModel):
    """The deployer's choices. Unknown context keys are CDK's own and are never passed in here."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    stage: str = Field(
        default="prod",
        pattern=r"^[a-z][a-z0-9-]{0,19}$",
        description="Name of the deployment: part of the stack names and the last segment of the URL.",
    )
    access: str = Field(
        default="own-account",
        description="Whose requests API Gateway lets in: own-account, organisation:o-..., "
        "accounts:111111111111,222222222222 or any-aws-principal. Each caller needs "
        "execute-api:Invoke of its own as well.",
    )
    owner_roles: str = Field(
        default="",
        max_length=1024,
        pattern=r"^[\w+=,.@* -]*$",
        description="The roles of this account that may do everything, by name, with * at the end for all "
        "that begin so, comma-separated. Empty: every principal of the account that may invoke the API.",
    )
    tokens: bool = Field(
        default=False,
        description="Whether callers may mint tokens for what cannot sign, and call by them below /t.",
    )
    ui: bool = Field(
        default=False,
        description="Serve MLflow's web UI below /ui, to browsers that `cairn ui` signed in.",
    )
    cloudfront: bool = Field(
        default=False,
        description="Put a CloudFront distribution, a stack of its own, before the web UI. Wants ui.",
    )
    ui_origin: str | None = Field(
        default=None,
        pattern=r"^https://[a-z0-9-]+(\.[a-z0-9-]+)+$",
        description="Origin of the distribution before the web UI, as browsers have it: its pages may call "
        "as the API's own do, and `cairn ui` leads there. https, a host in lower case, nothing behind it.",
    )
    cloudfront_certificate: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:acm:us-east-1:\d{12}:certificate/[0-9a-f-]+$",
        description="ARN of the certificate, of us-east-1, for the host of ui_origin: the distribution "
        "then has this name, and speaks TLS 1.2 at least. None: a name of cloudfront.net.",
    )
    organizations_role: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9_+=,.@/-]+$",
        description="ARN of a role that may list an organisation's accounts and units, for shares with "
        "organisational units. None: a share names accounts or the organisation.",
    )
    direct_s3: bool = Field(
        default=False,
        description="Let shares name accounts in the bucket's policy (cairn share create --direct-s3): the "
        "reconciler may then change that policy. Wants encryption aws-owned.",
    )
    keep_data: bool = Field(
        default=True,
        description="Keep the table and the bucket when the stack is deleted, and protect the table.",
    )
    encryption: Literal["aws-owned", "aws-managed", "customer"] = Field(
        default="aws-owned",
        description="Keys at rest: AWS's own (free), the account's aws/dynamodb and aws/s3 keys, or a "
        "customer-managed key that the data stack creates ($1 a month).",
    )
    artifacts: Literal["s3", "proxied"] = Field(
        default="s3",
        description="Where new experiments keep artifacts: s3 for s3:// locations that clients reach with "
        "their own credentials, proxied for mlflow-artifacts: locations, by presigned URLs.",
    )
    versioning: bool = Field(
        default=True, description="Keep overwritten and deleted artifacts as noncurrent versions."
    )
    noncurrent_days: int = Field(
        default=30, ge=1, le=3650, description="Days until a noncurrent version is deleted."
    )
    tiering_days: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="Days until an artifact moves to S3 Intelligent-Tiering; 0 for never.",
    )
    memory_mb: int = Field(
        default=1024, ge=256, le=10240, description="Memory of the API's functions; CPU grows with it."
    )
    rate_limit: int = Field(
        default=1000, ge=1, le=10000, description="Requests a second that the stage lets through."
    )
    burst_limit: int = Field(
        default=2000, ge=1, le=5000, description="Requests that may arrive at once above the rate."
    )
    alarm_email: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
        description="Who is told of alarms; AWS asks to confirm. None: alarms only change state.",
    )
    latency_alarm_ms: int = Field(
        default=3000, ge=50, le=29000, description="The p99 latency that raises an alarm."
    )
    log_days: int = Field(
        default=30, description="Days that CloudWatch keeps the logs of functions and gateway."
    )
    gateway_log_role: bool = Field(
        default=True,
        description="Create the role by which API Gateway writes logs. It is one setting per account and "
        "region: say false where the account has it already.",
    )
    permissions_boundary: str | None = Field(
        default=None,
        pattern=r"^[\w+=,.@/-]{1,128}$",
        description="Name of the IAM policy that bounds every role of the stacks.",
    )
    tags: Annotated[dict[str, str], BeforeValidator(_tags)] = Field(
        default_factory=dict, description="Tags of every resource: team=ml,cost-centre=42."
    )

    @field_validator("access")
    @classmethod
    def _access_is_a_gate(cls, value: str) -> str:
        Gate.parse(value)
        return value

    @field_validator("cloudfront", "ui_origin")
    @classmethod
    def _there_is_a_ui(cls, value: object, others: ValidationInfo) -> object:
        if value and not others.data.get("ui"):
            raise ValueError(f"{others.field_name} is of the web UI, which ui=true serves")
        return value

    @field_validator("cloudfront_certificate")
    @classmethod
    def _certificate_is_for_a_name(cls, value: str | None, others: ValidationInfo) -> str | None:
        origin = others.data.get("ui_origin") or ""
        if value and not others.data.get("cloudfront"):
            raise ValueError("the certificate is the distribution's, which cloudfront=true makes")
        if value and (not origin or origin.endswith(".cloudfront.net")):
            raise ValueError("the certificate is for a host of your own, which ui_origin names")
        return value

    @field_validator("encryption")
    @classmethod
    def _other_accounts_can_decrypt(cls, value: str, others: ValidationInfo) -> str:
        """Of S3's encryptions SSE-S3 alone asks nothing of the reader ("Protecting data with server-side
        encryption"): the account's aws/s3 key is for no other account, and a key's policy not ours."""
        if value != "aws-owned" and others.data.get("direct_s3"):
            raise ValueError("direct_s3 gives other accounts objects that they cannot decrypt: aws-owned")
        return value

    @field_validator("log_days")
    @classmethod
    def _log_days_exist(cls, value: int) -> int:
        if value not in LOG_DAYS:
            raise ValueError(f"CloudWatch Logs keeps {', '.join(map(str, LOG_DAYS))} days")
        return value

    @property
    def gate(self) -> Gate:
        return Gate.parse(self.access)

    @classmethod
    def load(cls, context: Mapping[str, object], environment: Mapping[str, str]) -> Self:
        """The settings that context, then environment, then the defaults give.

        Raises SettingsError with one line for each value that is not allowed.
        """
        chosen: dict[str, object] = {}
        for name in cls.model_fields:
            variable = f"CAIRN_{name.upper()}"
            if context.get(name) is not None:
                chosen[name] = context[name]
            elif environment.get(variable):
                chosen[name] = environment[variable]
        try:
            return cls.model_validate(chosen)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            raise SettingsError("\n".join(lines)) from error
