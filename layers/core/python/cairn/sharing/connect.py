"""The reconciler's clients, and how a request calls for it. Clients are made by ``boto3.client``, given."""

import logging
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cairn.domain.clock import Clock
from cairn.sharing.direct import BucketPolicy, Folder
from cairn.sharing.ram import Organization, OrganizationsClient, Parameters, Ram, Unavailable
from cairn.sharing.reconcile import GrantStore, Reconciler, Records
from cairn.sharing.shares import Here

MakeClient = Callable[..., Any]
"""``boto3.client``, or what stands for it: service name, region, endpoint, configuration, credentials."""

_PATIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})
"""The function has 40 s: one call that hangs must not cost the whole run."""
_ONCE = Config(connect_timeout=1, read_timeout=2, retries={"max_attempts": 0})
_SESSION = "cairn-reconciler"

_LOG = logging.getLogger(__name__)


def reconciler(
    client: MakeClient,
    endpoint: str | None,
    records: Records,
    grants: GrantStore,
    here: Here,
    organizations_role: str,
    clock: Clock,
    folder: Folder | None = None,
) -> Reconciler:
    """``organizations_role``: the ARN of the role that may read Organizations, "" where there is none.
    ``folder``: of the artifacts, where shares may name it in the bucket's policy."""

    def make(service: str, **more: Any) -> Any:
        return client(service, region_name=here.region, endpoint_url=endpoint, config=_PATIENT, **more)

    def organizations() -> OrganizationsClient:
        answer = make("sts").assume_role(RoleArn=organizations_role, RoleSessionName=_SESSION)
        given = answer["Credentials"]
        found: OrganizationsClient = make(
            "organizations",
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )
        return found

    organization = Organization(organizations)

    def units(unit: str) -> frozenset[str]:
        if not organizations_role:
            raise Unavailable("this deployment has no organizations_role.")
        return organization.accounts(unit)

    ram = Ram(make("ram"), here.deployment)
    policy = None if folder is None else BucketPolicy(make("s3"), folder, here.account)
    return Reconciler(records, grants, ram, Parameters(make("ssm")), units, here, clock, policy)


def nudge(client: MakeClient, endpoint: str | None, region: str, function: str) -> None:
    """Let the function come at once. It comes by the clock anyway: a failure here is told in the log."""
    try:
        made = client("lambda", region_name=region, endpoint_url=endpoint, config=_ONCE)
        made.invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")
    except (ClientError, BotoCoreError) as error:
        _LOG.warning("the reconciler comes by the clock alone: %s", error)
