"""Cairn's own page at ``/cairn``: four files of this package, the same for every front that serves them.

They name each other, the API and MLflow's UI by relative addresses alone, so that a front may put them
below any path, as ``cairn`` and ``cairn/...`` beside the UI's ``index.html``; nothing in them is inline,
so that their policy allows scripts and styles of this origin and nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cairn.domain.pages import OWN_POLICY
from cairn.local.events import Environ, StartResponse, Wsgi, request_path, respond
from cairn.local.files import File, read, send

FILES = Path(__file__).with_name("overview")
PAGE = "/cairn"


@cache
def _files() -> Mapping[str, File]:
    """By path."""
    found = {f"{PAGE}/{path.name}": read(path, "no-cache", OWN_POLICY) for path in FILES.iterdir()}
    return {PAGE: found.pop(f"{PAGE}/index.html"), **found}


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The page in front of ``behind``, which answers everything else."""

    behind: Wsgi
    files: Mapping[str, File] = field(default_factory=_files)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = request_path(environ)
        if environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
            if path in self.files:
                return send(self.files[path], environ, start_response)
            if path == f"{PAGE}/":  # its relative addresses would lead astray
                return respond(308, {"Location": f"..{PAGE}"}, b"", start_response, with_body=True)
        return self.behind(environ, start_response)
