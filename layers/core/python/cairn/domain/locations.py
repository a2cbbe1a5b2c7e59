"""Where artifacts lie: the URIs that follow from an experiment's location, by MLflow's rules."""

import posixpath
import re
from functools import lru_cache
from urllib.parse import quote, unquote, urlparse, urlunparse

_VERSIONS = "model-versions"
_NUMBER = re.compile("[1-9][0-9]{0,9}")


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


def version_artifacts(name: str, number: int) -> str:
    """Where the files of a model version are for who may read it and not the experiment they come from:
    a location that nothing is stored at, which the routes of proxied artifacts understand."""
    return f"mlflow-artifacts:/{_VERSIONS}/{_segment(name)}/{number}"


def version_of(path: str) -> tuple[str, int, str] | None:
    """Name and number of a model version, and a path below its files, of a path that ``version_artifacts``
    begins; None for any other. A version has one such path, so that nothing goes by two names."""
    kind, _, rest = path.partition("/")
    segment, _, rest = rest.partition("/")
    number, _, below = rest.partition("/")
    if kind != _VERSIONS or not _NUMBER.fullmatch(number):
        return None
    try:
        name = unquote(segment.replace("=", "%"), errors="surrogatepass")
    except UnicodeDecodeError:
        return None
    return (name, int(number), below) if name and _segment(name) == segment else None


def _segment(name: str) -> str:
    """A registered model's name as a segment of a path in a URL: percent signs would be taken for the
    client's own encoding."""
    return quote(name, safe="", errors="surrogatepass").replace("%", "=")
