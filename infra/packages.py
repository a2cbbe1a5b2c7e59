"""The files that Lambda gets: the layer of third-party wheels, built without Docker, and the core layer.

The wheels are installed by ``uv pip install --target`` for the platform that runs them: Lambda's Python
3.13 on arm64, or this machine for the end-to-end test. A build lies in build/layers under the hash of what
went into it (the pinned requirements and the platform), so that it is made once, and a changed
requirement is a changed asset.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "layers" / "dependencies" / "requirements.txt"
CORE = ROOT / "layers" / "core"
FUNCTIONS = ROOT / "functions"
BUILD = ROOT / "build" / "layers"

NOT_IN_LAMBDA = ("python/cairn/local", "**/__pycache__", "**/*.pyc")
"""Left out of the core layer: the local server and its command line, and compiled files of this machine."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Where wheels run; ``options`` choose them in uv's words."""

    name: str
    options: tuple[str, ...]


LAMBDA = Platform(
    "lambda",
    ("--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.13", "--only-binary", ":all:"),
)
HOST = Platform(f"host-{sys.version_info.major}.{sys.version_info.minor}", ("--python", sys.executable))


@dataclass(frozen=True, slots=True)
class Layer:
    """A folder that becomes a layer, and the hash that names its content."""

    path: Path
    content_hash: str


def dependencies(platform: Platform = LAMBDA) -> Layer:
    """The third-party wheels for ``platform``; about 1 s when they are not built yet.

    Raises SystemExit where uv fails: no network and nothing cached, or a hash that does not match.
    """
    ingredients = REQUIREMENTS.read_bytes() + repr(platform).encode()
    content_hash = hashlib.sha256(ingredients).hexdigest()
    path = BUILD / f"dependencies-{platform.name}-{content_hash[:16]}"
    if not path.exists():
        _install(platform, path)
    return Layer(path, content_hash)


def _install(platform: Platform, path: Path) -> None:
    """Into a folder of its own first, so that an interrupted build is never taken for a finished one."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    command = [
        *_uv(), "pip", "install", "--quiet", "--no-deps", "--require-hashes",
        "--target", str(unfinished / "python"), *platform.options, "-r", str(REQUIREMENTS),
    ]  # fmt: skip
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 -- our own uv
        shutil.rmtree(unfinished, ignore_errors=True)
        raise SystemExit(f"The dependency layer could not be built for {platform.name}.")
    for litter in ("bin", ".lock"):
        found = unfinished / "python" / litter
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)
    try:
        unfinished.rename(path)
    except OSError:
        # Another process finished the same build first; the two are equal.
        shutil.rmtree(unfinished)


def _uv() -> list[str]:
    """Uv of this virtual environment, which need not be active."""
    if find_spec("uv") is None:
        raise SystemExit("uv is missing: install the infra dependency group (make setup).")
    return [sys.executable, "-m", "uv"]


def core_files() -> list[Path]:
    """What the core layer holds, as the CDK asset with NOT_IN_LAMBDA left out has it."""
    package = CORE / "python" / "cairn"
    return sorted(
        path
        for path in package.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.suffix != ".pyc"
        and not path.is_relative_to(package / "local")
    )


def zipped_size(files: list[Path], root: Path) -> int:
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
