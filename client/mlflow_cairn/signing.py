"""SigV4 for ``execute-api`` over whatever MLflow sends: any query, any body, no redirect."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from mlflow.exceptions import MlflowException
from requests import PreparedRequest, Response
from requests.auth import AuthBase

from mlflow_cairn.body import settle
from mlflow_cairn.creation import HEADER, name_creation
from mlflow_cairn.credentials import AwsIdentity
from mlflow_cairn.encoding import strict
from mlflow_cairn.hosts import gateway_region, needs_signature

SERVICE = "execute-api"

ADDED = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256", HEADER)
"""What a signed request has and a redirected one must not: S3 refuses headers of another signature, and a
stranger's host must not see the session token."""

TOKEN = "Bearer cairn_"  # noqa: S105 -- what the header of a token begins with, no token

_SIGNED = ("Content-Type", HEADER)
"""Signed beside the host and ``x-amz-*``. Not more: what lies between may change the others."""


class CairnAuth(AuthBase):
    """Signs what goes to trusted hosts (``hosts``); ``named`` gives those of the user's settings,
    ``region_of`` the region of a URL where it is known from elsewhere."""

    def __init__(
        self,
        identity: AwsIdentity,
        named: Callable[[], Iterable[str]],
        region_of: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._identity = identity
        self._named = named
        self._region_of = region_of

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign a prepared request in place. Its body, if it is a stream, is read to its end before. One
        that bears a token of Cairn's (MLFLOW_TRACKING_TOKEN) is not signed; a token, too, goes to trusted
        hosts alone."""
        assert request.url is not None
        signs = needs_signature(request.url, self._named())
        name_creation(request)
        request.register_hook("response", _unsign_redirect)
        if signs and not _text(request.headers.get("Authorization", "")).startswith(TOKEN):
            self._sign(request)
        return request

    def _sign(self, request: PreparedRequest) -> None:
        assert request.url is not None
        url = strict(request.url)
        host = urlsplit(url).hostname or ""
        region = gateway_region(host) or self._region_of(request.url) or self._identity.region()
        if region is None:
            raise MlflowException.invalid_parameter_value(
                f"The region of {host} is not in its name. Set AWS_REGION."
            )
        request.url = url
        headers = {name: _text(request.headers[name]) for name in _SIGNED if name in request.headers}
        headers["X-Amz-Content-SHA256"] = settle(request)
        unsigned = AWSRequest(method=request.method, url=url, headers=headers)
        SigV4Auth(self._identity.keys(), SERVICE, region).add_auth(unsigned)
        request.headers.update(unsigned.headers.items())


def _unsign_redirect(response: Response, **_: Any) -> None:
    """Before requests copies the headers for the next hop. requests itself drops ``Authorization`` alone,
    and only for another host."""
    if response.is_redirect:
        for name in ADDED:
            response.request.headers.pop(name, None)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
