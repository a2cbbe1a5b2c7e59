"""MLflow's own web UI at ``/`` and ``/static-files/``, unchanged, from the installed ``mlflow`` wheel.

The wheel is only looked into, never imported: that costs seconds. It must be of the version whose API this
is. Where it is missing, ``/`` says what to install. The UI is Apache-2.0 (Databricks and contributors), its
licence and notices lie in the wheel, among the files that are served.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote

from cairn.local.events import Environ, StartResponse, Wsgi, request_path
from cairn.local.files import File, file_of, read, send

_STATIC = "/static-files/"
_BUILD = "mlflow/server/js/build"
_HASHED = re.compile(r"\.[0-9a-f]{8,}\.")
"""In the names of files that never change: they carry a hash of their content."""

_CONTENT_SECURITY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",  # nothing inline: an artifact that is shown cannot run a script
        "style-src 'self' 'unsafe-inline'",  # emotion and plotly write style elements
        "img-src 'self' data: blob: https:",  # notes are Markdown, with pictures from anywhere
        "media-src 'self' data: blob: https:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "frame-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Cairn</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 42em; margin: 4em auto; padding: 0 1em }}
pre {{ padding: .8em 1em; border: 1px solid #8886; border-radius: 6px; overflow: auto }}
</style>
<h1>Cairn is running</h1>
<p>Scripts can log to it. To browse the runs here, Cairn shows MLflow's own UI, which it takes from the
<code>mlflow</code> package {wanted}. {problem}</p>
<p>Install it where <code>cairn</code> runs, then start <code>cairn local</code> again:</p>
<pre>pip install 'cairn-server[ui]'</pre>
<p>Only its files are needed, so this is enough and smaller:</p>
<pre>pip install --no-deps mlflow=={wanted}</pre>
</html>
"""


@dataclass(slots=True)
class StockUi:
    """The UI in front of ``behind``, which answers everything else.

    ``build`` is the folder of the UI's files, or a sentence that says why there is none. Files stay in
    memory once they were asked for (27 MB are all of them).
    """

    behind: Wsgi
    build: Path | str
    wanted: str
    _files: dict[str, File | None] = field(default_factory=dict)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], request_path(environ)
        if method not in {"GET", "HEAD"} or not (path == "/" or path.startswith(_STATIC)):
            return self.behind(environ, start_response)
        if isinstance(self.build, str):
            if path != "/":
                return self.behind(environ, start_response)
            file: File | None = _page(self.wanted, self.build)
        else:
            name = "index.html" if path == "/" else unquote(path.removeprefix(_STATIC))
            file = self._file(self.build, name)
        if file is None:
            return self.behind(environ, start_response)
        return send(file, environ, start_response)

    def _file(self, build: Path, name: str) -> File | None:
        """A file below the folder; None for what is missing or lies elsewhere."""
        if name not in self._files:
            found = (build / name).resolve() if "\0" not in name else build
            if not (found.is_relative_to(build) and found.is_file()):
                return None  # not kept: any number of names may be asked for
            kept = "public, max-age=31536000, immutable" if _HASHED.search(found.name) else "no-cache"
            self._files[name] = read(found, kept, _CONTENT_SECURITY)
        return self._files[name]


def find_build(wanted: str) -> Path | str:
    """The UI of the ``mlflow`` wheel of this version, or a sentence that says why there is none."""
    try:
        wheel = distribution("mlflow")
    except PackageNotFoundError:
        return "It is not installed."
    if wheel.version != wanted:
        return f"Version {wheel.version} is installed, whose UI may call for what is not here."
    build = Path(str(wheel.locate_file(_BUILD))).resolve()
    return build if (build / "index.html").is_file() else "The installed package has no UI in it."


def _page(wanted: str, problem: str) -> File:
    """Its own style is inline; it is not kept: the next start may have the UI."""
    content = _PAGE.format(wanted=escape(wanted), problem=escape(problem)).encode()
    return file_of(content, "text/html; charset=utf-8", "no-store", _CONTENT_SECURITY)
