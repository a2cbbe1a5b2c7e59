"""A stage of Cairn in the emulator: its stacks deployed, and IAM users and roles who call it."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra import packages
from infra.app import build
from infra.settings import Settings
from tests.e2e.deployment import ACCOUNT, deploy
from tests.e2e.emulator import REGION, Emulator, running

QUIET_MS = 3_000


@dataclass(frozen=True, slots=True)
class Deployment:
    """``uri`` is the tracking URI at the emulator; ``users`` are IAM principals with their keys, and a
    session token where they are roles."""

    uri: str
    emulator: Emulator
    bucket: str
    table: str
    bus: str
    invoke: Mapping[str, object]
    """The statement that lets a principal call the API."""
    users: dict[str, Credentials] = field(default_factory=dict)

    def send(
        self,
        user: str,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "application/json",
        secret: str | None = None,
    ) -> requests.Response:
        """A request that ``user`` signs, with another secret than the user's where one is given."""
        own = self.users[user]
        request = AWSRequest(method, self.uri + path, {"Content-Type": content_type}, body)
        signing = Credentials(own.access_key, secret or own.secret_key, own.token)
        SigV4Auth(signing, "execute-api", REGION).add_auth(request)
        return self.unsigned(method, path, body, dict(request.headers))

    def unsigned(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> requests.Response:
        return requests.request(
            method,
            self.uri + path,
            data=body,
            headers=headers,
            timeout=60,
            verify=str(self.emulator.certificate),
        )

    def post(self, path: str, body: Mapping[str, object], user: str = "ada") -> dict[str, Any]:
        """A request that succeeds."""
        answer = self.send(user, "POST", f"/api/2.0/mlflow/{path}", json.dumps(body).encode())
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def items(self, pk: str) -> list[dict[str, dict[str, str]]]:
        """What the table holds in a partition, with the rights of the account's owner."""
        answer = self.emulator.client("dynamodb").query(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
        )
        return list(answer["Items"])

    def environment(self, user: str) -> dict[str, str]:
        """What a training machine sets: a tracking URI, SigV4, credentials; and where AWS is today."""
        own = self.users[user]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_", "CAIRN_"))}
        trust = str(self.emulator.certificate)
        return kept | {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_AWS_SIGV4": "true",
            "MLFLOW_TRACKING_SERVER_CERT_PATH": trust,
            "MLFLOW_S3_ENDPOINT_URL": self.emulator.url,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "AWS_ACCESS_KEY_ID": own.access_key,
            "AWS_SECRET_ACCESS_KEY": own.secret_key,
            **({"AWS_SESSION_TOKEN": own.token} if own.token else {}),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CA_BUNDLE": trust,
        }

    def add_user(self, name: str, *statements: Mapping[str, object]) -> None:
        iam = self.emulator.client("iam")
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="cairn", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self.users[name] = Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def add_role(self, name: str, *statements: Mapping[str, object]) -> None:
        """A role, and a session of it."""
        iam = self.emulator.client("iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="cairn", PolicyDocument=policy)
        session = self.emulator.client("sts").assume_role(RoleArn=arn, RoleSessionName="job-7")[
            "Credentials"
        ]
        self.users[name] = Credentials(
            session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
        )


@contextmanager
def deployment(folder: Path, settings: Settings) -> Iterator[Deployment]:
    """The stacks of these settings, created in an emulator that ends with the block."""
    assembly = folder / "cdk.out"
    build(settings, platform=packages.HOST, quiet_ms=QUIET_MS, outdir=assembly, environment={}).synth()
    with running(folder) as emulator:
        outputs = deploy(emulator, assembly, REGION)
        _allow_batches(emulator)
        api = outputs[f"Cairn-{settings.stage}-Api"]
        data = outputs[f"Cairn-{settings.stage}-Data"]
        # https://<api id>.execute-api.<region>.amazonaws.com/<stage>, at the emulator's own address
        api_id = api["TrackingUri"].removeprefix("https://").partition(".")[0]
        uri = f"{emulator.url}/_aws/execute-api/{api_id}/{settings.stage}"
        invoke = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": api["InvokeArn"]}
        yield Deployment(uri, emulator, data["BucketName"], data["TableName"], api["EventBusName"], invoke)


def _allow_batches(emulator: Emulator) -> None:
    """In AWS a batch of messages asks for sqs:SendMessage, which the roles have ("Actions, resources, and
    condition keys for Amazon SQS"); the emulator asks for an action that AWS does not know."""
    iam = emulator.client("iam")
    statement = {"Effect": "Allow", "Action": "sqs:SendMessageBatch", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for role in iam.list_roles()["Roles"]:
        if any(name in role["RoleName"] for name in ("UpkeepMarks", "UpkeepOverdue", "WebhooksDispatch")):
            iam.put_role_policy(RoleName=role["RoleName"], PolicyName="batch", PolicyDocument=document)
