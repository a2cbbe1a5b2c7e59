"""Paths of artifacts: what a client may name, and how it is joined to the URI of its run or model.

The rules are MLflow's ``validate_path_is_safe`` with its one message, and stricter where MLflow leaves a
hole or answers 500: backslashes, drive letters, control characters, empty segments and bytes that are no
UTF-8 are refused on every platform. Nothing here touches a file or a bucket.
"""

import re
from urllib.parse import unquote

from cairn.errors import InvalidParameterValue

PROXIED_SCHEMES = frozenset({"http", "https", "mlflow-artifacts"})
"""Artifact URIs whose bytes pass through the tracking server (MLflow's list)."""

_DECODINGS = 10  # MLflow's bound: what is still encoded after ten rounds is an attack, not a name
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\#]")
_DRIVE = re.compile(r"[A-Za-z]:")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)")


def safe_path(path: str) -> str:
    """The path relative to its root, normalised; ``""`` is the root itself.

    Percent-encoding is undone until nothing changes, as in MLflow, so that no encoding hides a dot or a
    slash. ``.`` segments and one trailing slash vanish. Raises InvalidParameterValue ("Invalid path") for
    whatever could leave the root or names nothing.
    """
    decoded = _decoded(path)
    segments = decoded.removesuffix("/").split("/") if decoded else []
    safe = "/".join(segment for segment in segments if segment != ".")
    if (
        # An absolute path begins with an empty segment; ``..?`` is ``..`` to who parses it as a URL.
        any(segment.rstrip("?;") in ("", "..") for segment in segments)
        or _REFUSED.search(decoded)
        or _DRIVE.match(safe)
        or scheme_of(safe) == "file"
    ):
        raise _invalid()
    return safe


def file_path(path: str) -> str:
    """The path of a file to write: as ``safe_path``, and it must end in a name and need no normalising.

    MLflow's client refuses the same before it sends ("Names ... must not resolve to other names").
    """
    safe = safe_path(path)
    if not safe or safe != _decoded(path):
        raise _invalid()
    return safe


def local_name(path: str) -> str:
    """The last segment of a path on the client's machine, be it POSIX or Windows."""
    return re.split(r"[/\\]", path)[-1]


def join(root_uri: str, path: str = "") -> str:
    """The URI of a safe path below an artifact root.

    A root's query string is dropped, as MLflow's S3 repository does: in the result everything behind the
    authority is path, so that a ``?`` in a file's name keeps its meaning.
    """
    root = root_uri.partition("?")[0].rstrip("/")
    if root.endswith(":"):
        root += "/"  # ``mlflow-artifacts:/`` is a root of its own
    if not path:
        return root
    return root + path if root.endswith("/") else f"{root}/{path}"


def scheme_of(uri: str) -> str:
    """The scheme in lower case; ``""`` for a path without one."""
    match = _SCHEME.match(uri)
    return match.group().lower() if match else ""


def _decoded(path: str) -> str:
    for _ in range(_DECODINGS):
        try:
            # strict: MLflow puts U+FFFD for bytes that are no UTF-8, so that two names become one
            decoded = unquote(path, errors="strict")
            decoded.encode()
        except UnicodeError:
            raise _invalid() from None
        if decoded == path:
            return decoded
        path = decoded
    raise _invalid()


def _invalid() -> InvalidParameterValue:
    return InvalidParameterValue("Invalid path")
