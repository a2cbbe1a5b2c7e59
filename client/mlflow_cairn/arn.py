"""Stores for tracking URIs that are ARNs: those of shares' parameters here, all others by other plugins.

MLflow keeps one plugin for each scheme, the one that it happens to load last, and sagemaker-mlflow takes
the scheme ``arn`` as well. So what is registered here looks at the ARN's service and calls the other plugin
for every ARN that is not of Systems Manager; and once it is registered it stays so. MLflow loads this
module in the middle of its own start: the stores are imported when they are made.
"""

from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import entry_points
from typing import Any

from botocore.session import Session
from mlflow.exceptions import MlflowException
from mlflow.tracking.registry import StoreRegistry
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import MlflowHostCreds

from mlflow_cairn.parameter import Parameters, is_parameter, read_parameter
from mlflow_cairn.provider import CairnAuthProvider, user_hosts

SCHEME = "arn"

Build = Callable[..., Any]


class ByService:
    """What MLflow is given for the scheme: our stores for our ARNs, another plugin's for all others."""

    def __init__(self, group: str, ours: Build) -> None:
        self._group = group
        self._ours = ours

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        uri = arguments[0] if arguments else named.get("store_uri", named.get("tracking_uri"))
        if is_parameter(str(uri)):
            return self._ours(*arguments, **named)
        return self._other(str(uri))(*arguments, **named)

    def _other(self, uri: str) -> Build:
        for entry in entry_points(group=self._group, name=SCHEME):
            build: Build = entry.load()
            if not isinstance(build, ByService):
                return build
        raise MlflowException.invalid_parameter_value(
            f"No plugin for {uri} is installed: mlflow-cairn is for the parameters of shares, "
            "sagemaker-mlflow for tracking servers of SageMaker."
        )


def stay(registry: Any) -> None:
    """Have a class of registries leave the scheme to us once it is ours, whatever is loaded after."""
    register = registry.register

    def registered(self: Any, scheme: str, store_builder: Build) -> None:
        ours = isinstance(self._registry.get(SCHEME), ByService)
        if scheme != SCHEME or not ours or isinstance(store_builder, ByService):
            register(self, scheme, store_builder)

    registry.register = registered


@cache
def parameters() -> Parameters:
    return Parameters(read_parameter(Session), user_hosts)


def plain(tracking_uri: str) -> str:
    """A tracking URI as requests go to it: an ARN's place."""
    return parameters().resolve(tracking_uri).url if is_parameter(tracking_uri) else tracking_uri


def creds_of(url: str) -> MlflowHostCreds:
    """What MLflow's own function says, but that requests are signed which go where a share's parameter led,
    whatever the environment says of passwords and tokens."""
    creds = get_default_host_creds(url)
    if parameters().lead_to(url):
        creds.auth = CairnAuthProvider.NAME
        creds.aws_sigv4 = False
        creds.username = creds.password = creds.token = None
    return creds


def _creds(arn: str) -> MlflowHostCreds:
    return creds_of(plain(arn))


def _tracking(store_uri: str, **_: Any) -> Any:
    from mlflow.store.tracking.rest_store import RestStore

    _attach()
    return RestStore(partial(_creds, store_uri))


def _registry(store_uri: str, **_: Any) -> Any:
    from mlflow.store.model_registry.rest_store import RestStore

    _attach()
    return RestStore(partial(_creds, store_uri))


def _scorers(tracking_uri: str | None = None) -> Any:
    from mlflow.genai.scorers.registry import MlflowTrackingStore

    return MlflowTrackingStore(tracking_uri)


def _attach() -> None:
    """MLflow's repositories of files take no credentials from a store: they ask by URL, each for itself."""
    from mlflow.store.artifact import http_artifact_repo, mlflow_artifacts_repo

    from mlflow_cairn.artifacts import attach

    attach()
    for module in (http_artifact_repo, mlflow_artifacts_repo):
        module.get_default_host_creds = creds_of


stay(StoreRegistry)
tracking_store = ByService("mlflow.tracking_store", _tracking)
registry_store = ByService("mlflow.model_registry_store", _registry)
scorer_store = ByService("mlflow.scorer_store", _scorers)
