"""Which hosts a request is signed for, and in which region.

A signature is good for one host alone, but a request also carries the session token, and a server decides
where artifacts are said to lie. So only API Gateway's own names are signed for, and hosts that the user
named.
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator
from urllib.parse import SplitResult, urlsplit

from mlflow.exceptions import MlflowException

HOSTS_VARIABLE = "MLFLOW_CAIRN_HOSTS"
"""Further hosts to sign for, separated by commas: the custom domain of a second Cairn."""

_GATEWAY = re.compile(
    r"[a-z0-9]+(?:-vpce-[0-9a-f]+)?\.execute-api(?:-fips)?\.(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d+)"
    r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)"
)


def gateway_region(host: str) -> str | None:
    """The region of one of API Gateway's own host names; None for any other host."""
    found = _GATEWAY.fullmatch(host)
    return found["region"] if found else None


def needs_signature(url: str, named: Iterable[str]) -> bool:
    """True for ``https`` to a host to sign for, False for ``http`` to this machine, where nobody checks.

    ``named`` are URIs and hosts from the user's own settings. Raises MlflowException for everything else: a
    request that is not signed would be refused there without a word about why.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and _is_this_machine(host):
        return False
    if parts.scheme != "https":
        raise MlflowException.invalid_parameter_value(
            f"MLFLOW_TRACKING_AUTH=cairn signs requests by https alone, and {_origin(parts)} is not https."
        )
    if gateway_region(host) or _origin(parts) in hosts_of(named):
        return True
    raise MlflowException.invalid_parameter_value(
        f"MLFLOW_TRACKING_AUTH=cairn does not sign requests for {host}: it is neither the host of the "
        f"tracking or registry URI nor one of API Gateway's own. If you trust it, add it to "
        f"{HOSTS_VARIABLE}."
    )


def user_hosts() -> Iterator[str]:
    """Those of the user's own list."""
    yield from filter(None, (name.strip() for name in os.environ.get(HOSTS_VARIABLE, "").split(",")))


def hosts_of(named: Iterable[str]) -> set[str]:
    """The https origins among URIs and hosts that the user named."""
    return {_origin(urlsplit(uri)) for name in named if (uri := _as_uri(name)).startswith("https://")}


def _as_uri(name: str) -> str:
    return name if "://" in name else f"https://{name}"


def _origin(parts: SplitResult) -> str:
    default = {"https": 443, "http": 80}.get(parts.scheme)
    port = parts.port or default
    return f"{parts.scheme}://{parts.hostname}" + ("" if port == default else f":{port}")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
