"""The environment of a shell on a machine with AWS credentials, for MLflow's client and ``cairn``."""

import os

import pytest

from tests.client.front import REGION, Front
from tests.client.gateway import SECRETS
from tests.e2e.local_cairn import QUIET

SETTINGS = QUIET | {
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": next(iter(SECRETS)),
    "AWS_SECRET_ACCESS_KEY": next(iter(SECRETS.values())),
    "AWS_SESSION_TOKEN": "a/session+token==",
}


def enter_shell(monkeypatch: pytest.MonkeyPatch, front: Front, **more: str) -> None:
    """From here on this process is in one that trusts the front, which forgets what it saw before."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    trusted = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(front.certificate)}
    for name, value in (SETTINGS | trusted | more).items():
        monkeypatch.setenv(name, value)
    front.seen.clear()
    front.refused.clear()
