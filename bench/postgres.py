"""A PostgreSQL of this process: a new cluster in a temporary folder, from the machine's own package.

PostgreSQL refuses to run as root; there it runs as ``nobody``. Settings are the package's defaults.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.servers import HOST, free_port

DEBIAN = Path("/usr/lib/postgresql")
START_SECONDS = 60.0
_USER = "bench"


@dataclass(frozen=True, slots=True)
class Installed:
    """Programs of one version, ``15.7`` for instance."""

    programs: Path
    version: str


def installed() -> Installed | None:
    """The newest of Debian's packages, or what PATH has; None where there is no server."""
    found = [path for path in DEBIAN.glob("*/bin") if path.parent.name.isdigit()]
    found.sort(key=lambda path: int(path.parent.name), reverse=True)
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    for programs in found:
        if (programs / "initdb").exists() and (programs / "postgres").exists():
            said = subprocess.run(
                [programs / "postgres", "--version"], capture_output=True, text=True, check=True
            ).stdout
            number = re.search(r"\d+(\.\d+)*", said)
            return Installed(programs, number.group() if number else "of unknown version")
    return None


@contextmanager
def serving(package: Installed) -> Iterator[str]:
    """The URI of an empty database, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="cairn-bench-postgres-"))
    identity = _identity()
    try:
        if identity is not None:
            os.chown(folder, *identity)
        yield from _serving(package, folder, identity)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serving(package: Installed, folder: Path, identity: tuple[int, int] | None) -> Iterator[str]:
    user, group = identity or (None, None)
    data, log = folder / "data", folder / "log"
    made = subprocess.run(
        [
            *(package.programs / "initdb", "--pgdata", data, "--username", _USER),
            *("--auth", "trust", "--encoding", "UTF8", "--locale", "C"),
        ],
        cwd=folder,
        user=user,
        group=group,
        extra_groups=None if identity is None else [],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise RuntimeError(f"initdb: {made.stderr[-2000:]}")
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(package.programs / "postgres", "-D", data, "-p", str(port), "-k", folder),
                *("-c", f"listen_addresses={HOST}"),
            ],
            cwd=folder,
            user=user,
            group=group,
            extra_groups=None if identity is None else [],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield f"postgresql+psycopg2://{_USER}@{HOST}:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # a "fast shutdown": connections are closed, files are whole
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _identity() -> tuple[int, int] | None:
    """User and group to run as; None is ours."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text(errors="replace")
        if "database system is ready to accept connections" in text:
            with socket.create_connection((HOST, port), timeout=5):
                return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-3000:]}")
