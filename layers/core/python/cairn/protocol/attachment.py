"""The headers of a downloaded file: its media type and its name, as MLflow's server gives them.

After ``_guess_mime_type`` and ``_content_disposition_attachment`` (mlflow/utils/mime_type_utils.py,
mlflow/server/handlers.py).
"""

import mimetypes
import posixpath
import unicodedata
from urllib.parse import quote

_TEXT = frozenset(
    "txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv tsv md rst "
    "ipynb MLmodel MLproject".split()
)
"""Extensions, and whole names without one, that are shown as text."""


def attachment_headers(path: str, length: int) -> dict[str, str]:
    """``length`` in bytes. A browser saves the file and does not guess another type."""
    name = posixpath.basename(path)
    return {
        "Content-Type": _media_type(name),
        "Content-Disposition": _disposition(name),
        "Content-Length": str(length),
        "X-Content-Type-Options": "nosniff",
    }


def _media_type(name: str) -> str:
    extension = posixpath.splitext(name)[1].removeprefix(".") or name
    if extension in _TEXT:
        return "text/plain"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _disposition(name: str) -> str:
    """RFC 6266: an ASCII name, and the real one (RFC 5987) beside it where that is another."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii") or "download"
    safe = "".join(c if c.isprintable() and c not in '"\\' else "_" for c in plain)
    if name == safe:
        return f'attachment; filename="{safe}"'
    encoded = quote(name, safe="", errors="replace")
    return f"attachment; filename=\"{safe}\"; filename*=UTF-8''{encoded}"
