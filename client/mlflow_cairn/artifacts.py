"""Artifacts in Cairn's bucket for callers without rights on it.

MLflow's S3 repository goes first, with the caller's own credentials. Where S3 denies that, and the
tracking server says that the place is its own, the same call goes through the server's API, and the bytes
by presigned URLs. Every other bucket, and every other error, is as it was.
"""

import logging
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, ErrorCode
from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow.utils.rest_utils import http_request

from mlflow_cairn.shared import creds_of, plain
from mlflow_cairn.transfer import ApiArtifacts, known
from mlflow_cairn.uris import is_parameter

SERVER_INFO = "/api/3.0/mlflow/server-info"
ROOT_FIELD = "cairn_artifact_root"
"""Where the server says that its artifacts lie: ``s3://bucket/folder``. Other servers say nothing."""

_DENIALS = frozenset({"AccessDenied", "403", "Forbidden"})

_LOG = logging.getLogger(__name__)


def attach() -> None:
    """Put the detour before what is registered for ``s3``, MLflow's own or another plugin's class; and for
    ``mlflow-artifacts`` the uploads by parts in the place of MLflow's own."""
    registered = get_registered_artifact_repositories()
    if registered.get("mlflow-artifacts") is MlflowArtifactsRepository:
        registered["mlflow-artifacts"] = Proxied
    current = registered.get("s3")
    if not isinstance(current, type) or issubclass(current, Detour):
        return
    if issubclass(current, S3ArtifactRepository):
        registered["s3"] = type(current.__name__, (Detour, current), {"__doc__": Detour.__doc__})


class Detour:
    """An S3 repository that takes the way through Cairn's API where S3 denies the direct one."""

    artifact_uri: str
    tracking_uri: str | None
    _api: ApiArtifacts | None = None
    _denied: frozenset[str] = frozenset()

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        self._go("write", "log_artifact", local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """All files again after a denial: what arrived before is written once more."""
        self._go("write", "log_artifacts", local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> Any:
        return self._go("list", "list_artifacts", path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        self._go("delete", "delete_artifacts", artifact_path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._go("read", "_download_file", remote_file_path, local_path)

    def _go(self, right: str, operation: str, *arguments: Any) -> Any:
        """``right`` is what S3 denies once and for all: after a denial this repository asks it no more."""
        if right not in self._denied:
            try:
                return getattr(super(), operation)(*arguments)
            except Exception as error:
                if not is_denial(error) or not self._may_detour():
                    raise
                _LOG.debug("S3 denies %s in %s; going through the API", right, self.artifact_uri)
                self._denied |= {right}
        return getattr(self._api, operation)(*arguments)

    def _may_detour(self) -> bool:
        if self._api is None:
            self._api = api_artifacts(self.artifact_uri, self.tracking_uri)
        return self._api is not None


def api_artifacts(artifact_uri: str, tracking_uri: str | None) -> ApiArtifacts | None:
    """The same artifacts behind the tracking server's API; None where they are not that server's.

    1 request to the server for each tracking URI in a process.
    """
    tracking_uri = known(tracking_uri)
    path = _below(_root_of(tracking_uri), artifact_uri)
    return None if path is None else ApiArtifacts(f"mlflow-artifacts:/{quote(path)}", tracking_uri)


class Proxied(ApiArtifacts):
    """``mlflow-artifacts:`` of any tracking server: MLflow's own way for all but a Cairn in S3."""

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        server = known(self.tracking_uri)
        is_the_servers_own = urlsplit(self.artifact_uri).netloc == urlsplit(plain(server)).netloc
        if is_the_servers_own and _root_of(server):
            super().log_artifact(local_file, artifact_path)
        else:
            MlflowArtifactsRepository.log_artifact(self, local_file, artifact_path)


def _root_of(tracking_uri: str) -> str | None:
    """As ``artifact_root``; None as well where nobody can be asked."""
    if not (is_parameter(tracking_uri) or tracking_uri.startswith(("https://", "http://"))):
        return None
    try:
        return artifact_root(tracking_uri)
    except MlflowException:
        _LOG.debug("%s does not say where its artifacts lie", tracking_uri, exc_info=True)
        return None


@lru_cache(maxsize=16)
def artifact_root(tracking_uri: str) -> str | None:
    """Where a server keeps artifacts, as it says itself; None for a server that is no Cairn in AWS."""
    creds = creds_of(plain(tracking_uri))
    answer = http_request(creds, SERVER_INFO, "GET", timeout=10, raise_on_status=False)
    if answer.status_code == 404:  # an MLflow server before 3.17
        return None
    if answer.status_code != 200:
        raise MlflowException(f"{SERVER_INFO} answered {answer.status_code}")
    root = answer.json().get(ROOT_FIELD)
    return str(root) if root else None


def is_denial(error: BaseException) -> bool:
    """Whether S3 lacked a permission or the caller anything to ask with. boto3 and MLflow wrap the error
    that says so."""
    from botocore.exceptions import ClientError, NoCredentialsError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ClientError) and cause.response.get("Error", {}).get("Code") in _DENIALS:
            return True
        if isinstance(cause, MlflowException) and cause.error_code == ErrorCode.Name(PERMISSION_DENIED):
            return True
        if isinstance(cause, NoCredentialsError):
            return True
        if isinstance(cause, ModuleNotFoundError) and cause.name == "boto3":
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _below(root: str | None, uri: str) -> str | None:
    """The path of a URI below a root; None for any other place. MLflow drops a location's query."""
    place = uri.partition("?")[0]
    return place[len(root) + 1 :] if root and place.startswith(f"{root}/") else None
