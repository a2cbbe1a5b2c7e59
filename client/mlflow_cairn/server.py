"""Calls to Cairn's own routes, for the command line: signed, without MLflow's client in between."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from botocore.session import Session

from mlflow_cairn.credentials import AwsIdentity
from mlflow_cairn.signing import CairnAuth

OWN = "/api/3.0/cairn"
BELOW = "/t"
"""What a deployment's token front has behind its tracking URI."""

_TIMEOUT_S = 30


class Failed(Exception):
    """The server, or the way to it, said no: a line for the user."""


@dataclass(frozen=True, slots=True)
class Server:
    """``uri`` is the tracking URI of the signed front."""

    uri: str
    verify: str | bool = True

    @classmethod
    def of(cls, uri: str, verify: str | bool = True) -> "Server":
        """Of a tracking URI, be it the token front's."""
        plain = uri.rstrip("/")
        return cls(plain.removesuffix(BELOW), verify)

    @property
    def token_uri(self) -> str:
        return self.uri + BELOW

    def get(self, path: str) -> dict[str, Any]:
        return self.call("GET", path)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self.call("POST", path, body)

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Raises Failed, with MLflow's message where the server gave one."""
        auth = CairnAuth(AwsIdentity(Session, time.monotonic), lambda: [self.uri])
        try:
            answer = requests.request(
                method,
                f"{self.uri}{OWN}/{path}",
                json=body,
                auth=auth,
                timeout=_TIMEOUT_S,
                verify=self.verify,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Failed(f"{self.uri} does not answer: {error}") from None
        said = _json(answer)
        if answer.status_code != 200:
            message = said.get("message") or answer.reason
            raise Failed(f"{said.get('error_code', answer.status_code)}: {message}")
        return said


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
