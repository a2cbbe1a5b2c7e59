"""Where a model version may say that its files come from: MLflow's checks of ``model-versions/create``.

A source is a URI. One below a run's or a logged model's artifacts needs that run or model named beside it;
local paths are refused (there is no file system that client and server share) unless they lie below a
local root of the run or model; nothing may climb out of its root. After ``_validate_source_run``,
``_validate_source_model`` and ``_parse_model_uri`` of MLflow's server.
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, unquote_plus, urlparse, urlsplit

from cairn.domain.experiments import refuse_foreign_host
from cairn.errors import InvalidParameterValue

PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})
"""What MLflow's own senders give for a prompt, which has no files."""

_LOCAL_HOSTS = ("localhost", "127.0.0.1")
_DECODINGS = 10

Root = Callable[[str], str | None]
"""The artifact URI of a run or logged model by its id; None where there is none."""


@dataclass(frozen=True, slots=True)
class ModelUri:
    """``models:/<model_id>``, ``models:/<name>/<version, stage or latest>`` or ``models:/<name>@<alias>``;
    with a name alone it is the latest version."""

    model_id: str | None = None
    name: str | None = None
    version: str | None = None
    stage: str | None = None
    alias: str | None = None


def validate_prompt_source(source: str) -> None:
    if source not in PROMPT_SOURCES:
        raise InvalidParameterValue(
            f"Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder."
        )


def validate_scheme(source: str) -> None:
    """No source by which the server would connect to a host that a client names."""
    refuse_foreign_host(source, "source")


def model_uri(source: str) -> ModelUri | None:
    """What a ``models:`` source names; None for any other scheme. InvalidParameterValue for a bad one."""
    parsed = _split(source)
    if parsed.scheme != "models":
        return None
    if parsed.netloc:
        raise InvalidParameterValue(
            f"Invalid model version source: '{source}'. Registered model sources must use the active model "
            "registry."
        )
    parts = parsed.path.lstrip("/").split("/")
    if not parsed.path.startswith("/") or len(parts) > 2 or not parts[0].strip():
        raise _not_contained(source, "model_id")
    if len(parts) == 2:
        name, suffix = parts
        if not suffix.strip():
            raise _not_contained(source, "model_id")
        if suffix.isdigit():
            return ModelUri(name=name, version=suffix)
        return ModelUri(name=name) if suffix.lower() == "latest" else ModelUri(name=name, stage=suffix)
    if "@" in parts[0]:
        name, _, alias = parts[0].rpartition("@")
        if not alias.strip():
            raise _not_contained(source, "model_id")
        return ModelUri(name=name, alias=alias)
    return ModelUri(model_id=parts[0])


def run_and_path(source: str) -> tuple[str, str] | None:
    """Run and path of ``runs:/<run>/<path>``; None for what is no such URI."""
    parsed = _split(source)
    run_id, _, path = parsed.path.removeprefix("/").partition("/")
    return (run_id, path) if parsed.scheme == "runs" and parsed.path.startswith("/") and run_id else None


def validate_source_of_run(source: str, run_id: str, root_of: Root) -> None:
    """A source that comes with a run, or with neither run nor logged model (``run_id`` is empty)."""
    if _is_local(source):
        if run_id and _is_below_local(source, _root(source, run_id, "run_id", root_of)):
            return
        raise _local_refused(source, "run_id")
    _validate_no_relative_path(source)
    parsed = _split(source)
    if parsed.scheme == "runs":
        of = run_and_path(source)
        if not run_id or parsed.netloc or of is None or of[0] != run_id:
            raise _not_contained(source, "run_id")
        return
    named = model_uri(source)
    if named is not None and named.model_id is not None:
        raise _not_contained(source, "model_id")
    _validate_proxied(source, run_id, "run_id", root_of)


def validate_source_of_model(source: str, model_id: str, root_of: Root) -> None:
    """A source that comes with a logged model."""
    if _is_local(source):
        if _is_below_local(source, _root(source, model_id, "model_id", root_of)):
            return
        raise _local_refused(source, "model_id")
    _validate_no_relative_path(source)
    named = model_uri(source)
    if named is not None and named.model_id is not None and named.model_id != model_id:
        raise _not_contained(source, "model_id")
    if _split(source).scheme == "runs":
        raise _not_contained(source, "model_id")
    _validate_proxied(source, model_id, "model_id", root_of)


def lineage_differs(source: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid model version source: '{source}'. The run_id and model_id request parameters must match "
        "the referenced model version."
    )


def prompt_as_source(source: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid model version source: '{source}'. Prompt versions cannot be used as model version "
        "sources."
    )


def _validate_proxied(source: str, identity: str, parameter: str, root_of: Root) -> None:
    if _split(source).scheme.lower() != "mlflow-artifacts":
        return
    if not identity or not _is_within(source, _root(source, identity, parameter, root_of)):
        raise _not_contained(source, parameter)


def _root(source: str, identity: str, parameter: str, root_of: Root) -> str:
    root = root_of(identity)
    if root is None:
        raise _not_contained(source, parameter)
    return root


def _validate_no_relative_path(source: str) -> None:
    """``_validate_non_local_source_contains_relative_paths``: the path is absolute and normal, decoded."""
    decoded = source
    for _ in range(_DECODINGS):
        once = unquote_plus(decoded)
        if once == decoded:
            break
        decoded = once
    else:
        raise _relative(source)
    path = re.sub("/+", "/", _split(decoded).path.rstrip("/"))
    climbs = "\0" in path or ".." in decoded.split("/")
    if climbs or not path.startswith("/") or posixpath.normpath(path) != path:
        raise _relative(source)


def _is_local(source: str) -> bool:
    """``is_local_uri``; a file on another host is refused at once, where MLflow answers 500."""
    parsed = _split(source)
    if not parsed.scheme:
        return True
    if parsed.scheme != "file":
        return False
    host = parsed.hostname
    if host and host != "." and not host.startswith(_LOCAL_HOSTS):
        raise InvalidParameterValue(f"{source} is not a valid remote uri.")
    return True


def _is_below_local(source: str, root: str) -> bool:
    if not _is_local(root):
        return False
    path, above = _local_path(source), _local_path(root)
    return path.startswith("/") and (path == above or path.startswith(above.rstrip("/") + "/"))


def _local_path(uri: str) -> str:
    path = unquote(_split(uri).path) if uri.startswith("file:") else uri
    return posixpath.normpath(path)


def _is_within(source: str, root: str) -> bool:
    """``_is_uri_within_root``: scheme, authority and whole segments of the path, decoded."""
    (scheme, authority, parts), (root_scheme, root_authority, root_parts) = _parts(source), _parts(root)
    same = scheme == root_scheme and authority == root_authority
    return same and bool(root_parts) and parts[: len(root_parts)] == root_parts


def _parts(uri: str) -> tuple[str, str, list[str]]:
    parsed = _split(uri)
    segments = [_decoded(segment) for segment in parsed.path.split("/") if segment]
    return parsed.scheme.lower(), parsed.netloc.lower(), segments


def _decoded(segment: str) -> str:
    while (once := unquote(segment)) != segment:
        segment = once
    return segment


def _split(uri: str) -> SplitResult:
    try:
        urlparse(uri)
        return urlsplit(uri)
    except ValueError:
        raise InvalidParameterValue(f"Invalid model version source: '{uri}'.") from None


def _relative(source: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid model version source: '{source}'. If supplying a source as an http, https, local file "
        "path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without "
        "relative path references present. Please provide an absolute path."
    )


def _local_refused(source: str, parameter: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid model version source: '{source}'. To use a local path as a model version source, the "
        f"{parameter} request parameter has to be specified and the local path has to be contained within "
        f"the artifact directory of the run specified by the {parameter}."
    )


def _not_contained(source: str, parameter: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid model version source: '{source}'. The {parameter} request parameter must identify the "
        "resource that contains the source."
    )
