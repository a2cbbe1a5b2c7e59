"""Where the shares' parameters of this process lead: the one place that knows, and what follows from it."""

from functools import cache

from botocore.session import Session
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import MlflowHostCreds

from mlflow_cairn.hosts import user_hosts
from mlflow_cairn.parameter import Parameters, read_parameter
from mlflow_cairn.uris import is_parameter


@cache
def parameters() -> Parameters:
    return Parameters(read_parameter(Session), user_hosts)


def plain(tracking_uri: str) -> str:
    """A tracking URI as requests go to it: an ARN's place."""
    return parameters().resolve(tracking_uri).url if is_parameter(tracking_uri) else tracking_uri


def region_of(url: str) -> str | None:
    """The region of a share whose parameter led to a URL."""
    found = parameters().leading_to(url)
    return None if found is None else found.region


def creds_of(url: str) -> MlflowHostCreds:
    """What MLflow's own function says, but that requests are signed which go where a share's parameter led,
    whatever the environment says of passwords and tokens."""
    creds = get_default_host_creds(url)
    if parameters().leading_to(url) is not None:
        creds.auth = "cairn"
        creds.aws_sigv4 = False
        creds.username = creds.password = creds.token = None
    return creds
