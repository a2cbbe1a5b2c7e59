"""The files that Lambda gets: the layer of third-party wheels and the core layer, built without Docker.

The wheels are installed by ``uv pip install --target`` for the platform that runs them: Lambda's Python
3.13 on arm64, or this machine for the end-to-end test. Both layers carry compiled files where a Python of
that version is at hand: Lambda's file system is read-only, so what is not compiled here is compiled at
every cold start. A build lies in build/layers under the hash of what went into it: it is made once, and a
changed requirement or a changed core is a changed asset.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "layers" / "dependencies" / "requirements.txt"
CORE = ROOT / "layers" / "core"
FUNCTIONS = ROOT / "functions"
BUILD = ROOT / "build" / "layers"

LAMBDA_PYTHON = "CAIRN_LAMBDA_PYTHON"
"""The environment variable that names a Python 3.13 where none is on the path."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Where a layer runs: its Python's version, and how uv is asked for its wheels."""

    name: str
    python: str
    options: tuple[str, ...]


LAMBDA = Platform(
    "lambda",
    "3.13",
    ("--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.13", "--only-binary", ":all:"),
)
HOST = Platform("host", f"{sys.version_info.major}.{sys.version_info.minor}", ("--python", sys.executable))


@dataclass(frozen=True, slots=True)
class Layer:
    """A folder that becomes a layer, and the hash that names its content."""

    path: Path
    content_hash: str


def dependencies(platform: Platform = LAMBDA) -> Layer:
    """The third-party wheels for ``platform``; some seconds when they are not built yet.

    Raises SystemExit where uv fails: no network and nothing cached, or a hash that does not match.
    """
    return _built("dependencies", platform, [REQUIREMENTS.read_bytes()], lambda to: _install(platform, to))


def core(platform: Platform = LAMBDA) -> Layer:
    """The package ``cairn`` without its local server."""
    files = core_files()
    parts = (str(path.relative_to(CORE)).encode() + b"\0" + path.read_bytes() for path in files)
    return _built("core", platform, parts, lambda to: _copy(files, to))


def core_files() -> list[Path]:
    """What the core layer holds: no local server and command line, no compiled files of this machine."""
    package = CORE / "python" / "cairn"
    return sorted(
        path
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.is_relative_to(package / "local")
    )


def files_of(layer: Layer) -> list[Path]:
    return sorted(path for path in layer.path.rglob("*") if path.is_file())


def own_suffix() -> str:
    """Of a build that is not finished: this process's own."""
    return str(os.getpid())


def zipped_size(files: Iterable[Path], root: Path) -> int:
    """Bytes of a deflated archive, as Lambda counts a package."""
    target = BUILD / f"size-{os.getpid()}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(root))
        return target.stat().st_size
    finally:
        target.unlink(missing_ok=True)


def interpreter(platform: Platform) -> Path | None:
    """A Python of the platform's version on this machine, None where there is none that runs."""
    if platform.python == HOST.python:
        return Path(sys.executable)
    named = os.environ.get(LAMBDA_PYTHON) or shutil.which(f"python{platform.python}")
    if not named:
        return None
    check = f"import sys; sys.exit(sys.version_info[:2] != ({platform.python.replace('.', ', ')}))"
    found = subprocess.run([named, "-c", check], capture_output=True, check=False)  # noqa: S603 -- a Python
    return Path(named) if found.returncode == 0 else None


def _built(kind: str, platform: Platform, parts: Iterable[bytes], fill: Callable[[Path], None]) -> Layer:
    """The build of these ingredients, made by ``fill`` and compiled unless it is there already.

    It is made in a folder of its own first: an interrupted build is never taken for a finished one, and of
    two processes that build the same the slower one throws its copy away.
    """
    python = interpreter(platform)
    if python is None:
        sys.stderr.write(
            f"No Python {platform.python} here: the layer {kind} goes uncompiled, which makes cold starts "
            f"slower. Put one on the path, or name it in {LAMBDA_PYTHON}.\n"
        )
    digest = hashlib.sha256(repr((platform, python is not None)).encode())
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    path = BUILD / f"{kind}-{platform.name}-{digest.hexdigest()[:16]}"
    if not path.exists():
        unfinished = path.with_name(f"{path.name}.{own_suffix()}")
        try:
            fill(unfinished / "python")
            if python is not None:
                _compile(python, unfinished)
            finish(unfinished, path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Layer(path, digest.hexdigest())


def finish(unfinished: Path, path: Path) -> None:
    """Of two processes that build the same the slower one throws its copy away."""
    try:
        unfinished.rename(path)
    except OSError:
        if not path.exists():
            raise


def _install(platform: Platform, target: Path) -> None:
    if find_spec("uv") is None:
        raise SystemExit("uv is missing: install the infra dependency group (make setup).")
    command = [
        sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
        "--target", str(target), *platform.options, "-r", str(REQUIREMENTS),
    ]  # fmt: skip
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 -- our own uv
        raise SystemExit(f"The dependency layer could not be built for {platform.name}.")
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)


def _copy(files: Iterable[Path], target: Path) -> None:
    for path in files:
        copy = target / path.relative_to(CORE / "python")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _compile(python: Path, folder: Path) -> None:
    """Unchecked: an archive does not keep the times that a compiled file is otherwise compared with."""
    command = [
        str(python), "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
        "-s", str(folder), "-p", "/opt", str(folder),
    ]  # fmt: skip
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 -- the interpreter above
        raise SystemExit(f"The layer in {folder.name} could not be compiled.")
