"""What MLflow asks for by ``MLFLOW_TRACKING_AUTH=cairn``. The plugin's objects are wired here, once."""

import time
from collections.abc import Iterator

from botocore.session import Session
from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider

from mlflow_cairn.credentials import AwsIdentity
from mlflow_cairn.hosts import user_hosts
from mlflow_cairn.signing import CairnAuth
from mlflow_cairn.uris import is_arn


class CairnAuthProvider(RequestAuthProvider):
    """MLflow makes one for the process, and asks it for each request."""

    def __init__(self) -> None:
        self._auth = CairnAuth(AwsIdentity(Session, time.monotonic), named_hosts, _region_of)

    def get_name(self) -> str:
        return "cairn"

    def get_auth(self) -> CairnAuth:
        """Artifacts of Cairn's bucket become reachable without rights on it from here on: only where Cairn
        is in use, and after whatever other plugins registered for ``s3``."""
        from mlflow_cairn.artifacts import attach

        attach()
        return self._auth


def named_hosts() -> Iterator[str]:
    """The URIs and hosts that the user's own settings name. An ARN names none: the parameter's place is
    checked where it is read."""
    import mlflow

    yield from (uri for uri in (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) if not is_arn(uri))
    yield from user_hosts()


def _region_of(url: str) -> str | None:
    from mlflow_cairn.shared import region_of

    return region_of(url)
