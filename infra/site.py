"""The files of the browser's front, ready to be put into a bucket: MLflow's own UI from the installed
wheel, byte for byte, with its licence; Cairn's overview; the page that signs a browser in.

One archive holds them all, with a list that says how each is sent. Text is compressed here, once: API
Gateway passes it on as it lies. ``index.html`` is not among them: the function of the doors has it, for who
is signed in. A build lies in build/layers under the hash of what went into it.
"""

import gzip
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

from cairn.artifacts.site import LIST
from cairn.domain.release import MLFLOW_VERSION
from cairn.local import overview
from cairn.local.files import type_of
from cairn.local.ui import find_build
from cairn.sharing.pages import ASK_AGAIN, IMMUTABLE
from infra import packages

STOCK, OWN = "stock", "own"
"""Whose policy a file has."""
PAGES = Path(__file__).with_name("pages")
HASHED = re.compile(r"\.[0-9a-f]{8,}\.")
"""In the names of files that never change: they carry a hash of their content."""

_COMPRESSED = ("text/", "application/json", "image/svg+xml")
_STATIC = "static-files"


@dataclass(frozen=True, slots=True)
class Site:
    """``archive`` to unpack into a bucket, ``doors`` the folder of the function that has the page."""

    archive: Path
    doors: Path
    content_hash: str


def build() -> Site:
    """3 s where it is not built yet. Raises SystemExit without the wheel of the API's version."""
    stock = find_build(MLFLOW_VERSION)
    if isinstance(stock, str):
        raise SystemExit(
            f"The UI comes from the mlflow package {MLFLOW_VERSION}: {stock} "
            f"pip install --no-deps mlflow=={MLFLOW_VERSION}, or deploy with ui=false."
        )
    files = dict(_files(stock))
    handler = packages.FUNCTIONS / "doors" / "handler.py"
    page = stock / "index.html"
    digest = sha256()
    for name, path in [*sorted(files.items()), ("index.html", page), ("handler.py", handler)]:
        digest.update(f"{name}\0".encode() + sha256(path.read_bytes()).digest())
    folder = packages.BUILD / f"site-{digest.hexdigest()[:16]}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.{packages.own_suffix()}")
        try:
            _pack(files, unfinished / "archive")
            _doors(unfinished / "doors", handler, page)
            packages.finish(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Site(folder / "archive" / "site.zip", folder / "doors", digest.hexdigest())


def _files(stock: Path) -> Iterator[tuple[str, Path]]:
    """By the path at which they are asked for, below the front's root. Pages are their folder's name."""
    for path in sorted(stock.rglob("*")):
        name = path.relative_to(stock).as_posix()
        if path.is_file() and name != "index.html":
            yield f"{_STATIC}/{name}", path
    for packed in distribution("mlflow").files or ():
        if packed.parent.name == "licenses" or packed.name.upper().startswith("NOTICE"):
            yield f"{_STATIC}/{packed.name}", Path(str(packed.locate()))
    for name, folder in (("cairn", overview.FILES), ("sign-in", PAGES / "sign-in")):
        for path in sorted(folder.iterdir()):
            yield f"{name}/{path.name}", path


def _pack(files: dict[str, Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    listed: dict[str, dict[str, str]] = {}
    with zipfile.ZipFile(folder / "site.zip", "w", zipfile.ZIP_STORED) as archive:
        for name, path in files.items():
            content, sent = path.read_bytes(), {"type": type_of(path.name)}
            sent["policy"] = STOCK if name.startswith(_STATIC) else OWN
            sent["cache"] = IMMUTABLE if HASHED.search(path.name) else ASK_AGAIN
            if sent["type"].startswith(_COMPRESSED):
                content, sent["encoding"] = gzip.compress(content, mtime=0), "gzip"
            listed[name] = sent
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.writestr(zipfile.ZipInfo(LIST), json.dumps(listed, indent=1))


def _doors(folder: Path, handler: Path, page: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copyfile(handler, folder / "handler.py")
    shutil.copyfile(page, folder / "index.html")
