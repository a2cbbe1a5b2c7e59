"""A tracking URI that is the ARN of a share's parameter: read it, and believe of it what can be believed.

Whoever owns the parameter says where requests go that are signed with this machine's credentials. So the
place is one of API Gateway's own host names, in the parameter's region, or a host that the user named; by
https, and spelled without a doubt.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException

from mlflow_cairn.hosts import HOSTS_VARIABLE, gateway_region, hosts_of

_ARN = re.compile(
    r"arn:aws[a-z-]*:ssm:(?P<region>[a-z]{2,}(?:-[a-z]+)+-[0-9]+):[0-9]{12}:"
    r"parameter/cairn/(?:[a-z0-9-]+/)?shares/[\w.-]+",
    re.ASCII,
)
_URL = re.compile(
    r"https://(?P<host>[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._/-]*)?)", re.ASCII
)

Read = Callable[[str, str], str]
"""From a parameter's ARN and region to its value."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Where a share's tracking API is."""

    url: str
    region: str
    share: str


class Parameters:
    """Each parameter is read once in a process; a failure is not kept."""

    def __init__(self, read: Read, named: Callable[[], Iterable[str]]) -> None:
        self._read = read
        self._named = named
        self._lock = threading.Lock()
        self._known: dict[str, Shared] = {}

    def resolve(self, arn: str) -> Shared:
        """1 request for a parameter. Raises MlflowException for what is no share's parameter, for what
        cannot be read, and for a value that leads to a place that is not to be trusted."""
        found = _ARN.fullmatch(arn)
        if found is None:
            raise MlflowException.invalid_parameter_value(
                f"{arn} is not the ARN of a share's parameter: "
                "arn:aws:ssm:<region>:<account>:parameter/cairn/<stage>/shares/<name>."
            )
        with self._lock:
            if arn not in self._known:
                self._known[arn] = checked(self._read(arn, found["region"]), found["region"], self._named())
            return self._known[arn]

    def leading_to(self, url: str) -> Shared | None:
        """The share whose parameter was read and led to a URL, or above it."""
        with self._lock:
            known = list(self._known.values())
        return next((one for one in known if url == one.url or url.startswith(f"{one.url}/")), None)


def checked(value: str, region: str, named: Iterable[str]) -> Shared:
    """What a parameter of this region says; ``named`` are hosts and URIs of the user's own settings."""
    said = _json(value)
    url, there, share = (said.get(name) for name in ("url", "region", "share"))
    if said.get("version") != 1 or not all(isinstance(one, str) for one in (url, there, share)):
        raise _distrust("it is not what this version of mlflow-cairn understands; a newer one may")
    url, there, share = str(url), str(there), str(share)
    if there != region:
        raise _distrust(f"it says the region {there!r}, and lies in {region}")
    found = _URL.fullmatch(url)
    if found is None or ".." in url:
        raise _distrust("its URL is not a plain https URL")
    host, port = found["host"], found["port"] or "443"
    origin = f"https://{host}" if port == "443" else f"https://{host}:{port}"
    is_gateway = gateway_region(host) == region and port == "443"
    if not is_gateway and origin not in hosts_of(named):
        raise _distrust(
            f"it leads to {origin}, no host of API Gateway in {region}. If you trust it, add it to "
            f"{HOSTS_VARIABLE}"
        )
    return Shared(origin + found["path"].rstrip("/"), region, share)


def read_parameter(session: Callable[[], Any]) -> Read:
    """By botocore and this machine's credentials. ``session`` makes a botocore session."""

    def read(arn: str, region: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = session().create_client("ssm", region_name=region)
            return str(client.get_parameter(Name=arn)["Parameter"]["Value"])
        except (BotoCoreError, ClientError) as error:
            raise MlflowException(
                f"The share's parameter {arn} cannot be read: {error}. Has this account accepted its "
                "resource share, and may this principal ssm:GetParameter?"
            ) from error

    return read


def _json(value: str) -> dict[str, Any]:
    try:
        said = json.loads(value)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _distrust(reason: str) -> MlflowException:
    return MlflowException.invalid_parameter_value(f"The share's parameter is not followed: {reason}.")
