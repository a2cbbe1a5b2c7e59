"""Artifact URIs as places: which scheme, which bucket or host, which key.

What a client may name is decided in ``domain.paths``; here an engine takes a finished URI apart, and
refuses once more what could leave its root: an experiment's location is a client's word too.
"""

import re
from dataclasses import dataclass

from cairn.domain.paths import scheme_of
from cairn.errors import InvalidParameterValue

MAX_KEY_BYTES = 1024
"""Of a key in S3, in UTF-8. A folder keeps to it too: what is logged on a laptop can move to S3."""

_REFUSED = re.compile("[\0\ud800-\udfff]")
_PROXY_ANCHOR = "/api/2.0/mlflow-artifacts/artifacts/"
"""Where an ``http(s)`` artifact URI turns into a path of the artifact root (MLflow's route anchor)."""


@dataclass(frozen=True, slots=True)
class Place:
    """``authority`` is the bucket of ``s3``, else a host or nothing; ``key`` has no slash at its ends."""

    scheme: str
    authority: str
    key: str


def place_of(uri: str) -> Place:
    """The place that a URI names; ``?`` and ``%`` are characters like any other.

    Raises InvalidParameterValue ("Invalid path") for segments that are empty, ``.`` or ``..``, for NUL
    and for lone surrogates.
    """
    scheme = scheme_of(uri)
    rest = uri[len(scheme) + 1 :] if scheme else uri
    authority = ""
    if rest.startswith("//"):
        authority, _, rest = rest[2:].partition("/")
    if scheme in ("http", "https"):
        _, anchor, rest = f"/{rest}".partition(_PROXY_ANCHOR)
        if not anchor:
            raise foreign(uri)
    key = rest.removeprefix("/").removesuffix("/")
    if key and any(segment in ("", ".", "..") or _REFUSED.search(segment) for segment in key.split("/")):
        raise InvalidParameterValue("Invalid path")
    return Place(scheme, authority, key)


def foreign(uri: str) -> InvalidParameterValue:
    """The answer for a location whose bytes this deployment does not hold."""
    return InvalidParameterValue(
        f"The artifacts at {uri!r} are outside of this server's artifact storage. Read and write them with "
        "your own access to that storage."
    )
