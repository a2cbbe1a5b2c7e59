"""Stores for tracking URIs that are ARNs: those of shares' parameters here, all others by other plugins.

MLflow keeps one plugin for each scheme, the one that it happens to load last, and sagemaker-mlflow takes
the scheme ``arn`` as well. So what is registered here looks at the ARN's service and calls the other plugin
for every ARN that is not of Systems Manager; and once it is registered it stays so. MLflow loads this
module in the middle of its own start, perhaps because another one of this package asked for it: all else is
imported when a store is made.
"""

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import Any

from mlflow_cairn.uris import is_parameter

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
        from mlflow.exceptions import MlflowException

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


def _creds(arn: str) -> Any:
    from mlflow_cairn.shared import creds_of, plain

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
    from mlflow_cairn.shared import creds_of

    attach()
    for module in (http_artifact_repo, mlflow_artifacts_repo):
        module.get_default_host_creds = creds_of


tracking_store = ByService("mlflow.tracking_store", _tracking)
registry_store = ByService("mlflow.model_registry_store", _registry)
scorer_store = ByService("mlflow.scorer_store", _scorers)

from mlflow.tracking.registry import StoreRegistry  # noqa: E402 -- it loads what stands above

stay(StoreRegistry)
