"""Where artifacts lie: the URIs that follow from an experiment's location, by MLflow's rules."""

import posixpath
from functools import lru_cache
from urllib.parse import urlparse, urlunparse


def append_to_uri(uri: str, *parts: str) -> str:
    """Append to a URI's path and keep its query (MLflow's ``append_to_uri_path``)."""
    parsed = urlparse(uri)
    path = posixpath.join(parsed.path, *parts) if parsed.path else "/".join(parts)
    if not parsed.scheme:
        return posixpath.join(uri, *parts)
    if not parsed.path.startswith("/"):
        # urlunparse would make the relative path of ``file:a/b`` an absolute one.
        prefix = "" if parsed.netloc else parsed.scheme + ":"
        if prefix:
            return prefix + urlunparse(parsed._replace(scheme="", path=path))
        path = "/" + path
    return urlunparse(parsed._replace(path=path))


def run_artifacts(location: str, run_id: str) -> str:
    before, after = _around(location)
    return f"{before}{run_id}/artifacts{after}"


@lru_cache(maxsize=1_000)
def _around(location: str) -> tuple[str, str]:
    """What stands before and after a path that is appended: a search names a location for every run."""
    before, _, after = append_to_uri(location, "\0").partition("\0")
    return before, after


def model_artifacts(location: str, model_id: str) -> str:
    return append_to_uri(location, "models", model_id, "artifacts")
