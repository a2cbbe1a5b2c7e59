"""How a downloaded artifact presents itself: its content type and the name to save it under.

Artifacts are always attachments, so that no browser runs one in the tracking server's origin.
"""

import mimetypes
import posixpath
import re
import unicodedata
from urllib.parse import quote

BINARY = "application/octet-stream"

_TEXT = frozenset(
    (
        *("txt", "log", "err", "cfg", "conf", "cnf", "cf", "ini", "properties", "prop", "hocon", "toml"),
        *("yaml", "yml", "xml", "json", "js", "py", "py3", "csv", "tsv", "md", "rst", "ipynb"),
        *("MLmodel", "mlproject"),
    )
)
"""Extensions, and whole names of files without one."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def served_type(path: str) -> str:
    """The Content-Type of an answer: MLflow's ``_guess_mime_type``, which shows many formats as text. A
    script is text under each of its names: a page's policy allows scripts of its own origin."""
    name = posixpath.basename(path)
    extension = posixpath.splitext(name)[1].replace(".", "") or name
    guessed = stored_type(name)
    return "text/plain" if extension in _TEXT or guessed.endswith("javascript") else guessed


def inert_type(path: str) -> str | None:
    """The Content-Type under which S3 is to answer, where that of the object is one that browsers run or
    render: HTML, SVG, XML, scripts. None for all others, which keep their own."""
    guessed = stored_type(path)
    active = guessed.endswith(("html", "xml", "javascript", "ecmascript"))
    return "text/plain; charset=utf-8" if active else None


def stored_type(path: str) -> str:
    """The Content-Type of an object in S3: what MLflow's S3 repository guesses by the file's name."""
    return mimetypes.guess_type(posixpath.basename(path))[0] or BINARY


def disposition(filename: str) -> str:
    """A Content-Disposition for any name (RFC 6266, RFC 5987), in MLflow's wording.

    A name that is not ASCII comes twice: without its accents, and percent-encoded.
    """
    if filename.isascii():
        return f"attachment; filename={_quoted(filename)}"
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode("ascii") or "download"
    encoded = quote(filename, safe="!#$&+-.^_`|~")
    return f"attachment; filename={_quoted(plain)}; filename*=UTF-8''{encoded}"


def _quoted(value: str) -> str:
    """A token as it is, anything else as a quoted string."""
    if _TOKEN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
