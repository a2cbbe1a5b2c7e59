"""The data folder of a local server: one SQLite file, the artifacts, and room for uploads under way.

    .cairn/
      cairn.db      (and cairn.db-wal, cairn.db-shm while it is open)
      artifacts/    <experiment id>/<run id>/artifacts/...
      blobs/        what is too large for the database: profiles of datasets
      secrets/      those of webhooks, a file each, for its owner's eyes alone
      uploads/      files while they arrive; empty when no server runs
      servers.lock  held by every server of this folder
      events.lock   held by the one of them that tells of events

Several servers may share a folder on one machine: the file is in WAL mode and artifacts appear whole. The
lock only tells each of them about the others. A folder on a network file system is for one server alone:
SQLite's WAL needs shared memory.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl


class Unusable(Exception):
    """What the user asked for cannot work: the message is one line for the terminal."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """``shared`` tells that another server had the folder open when this one came."""

    root: Path
    shared: bool

    @property
    def database(self) -> Path:
        return self.root / "cairn.db"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def events_lock(self) -> Path:
        return self.root / "events.lock"


@contextmanager
def open_folder(path: Path) -> Iterator[DataFolder]:
    """The folder, made where it is missing, and its lock for as long as the context lasts.

    Raises Unusable where it cannot be made or written.
    """
    root = path.expanduser().absolute()
    try:
        for name in ("artifacts", "blobs", "uploads"):
            (root / name).mkdir(parents=True, exist_ok=True)
        ignore = root / ".gitignore"  # training scripts are run in repositories
        if not ignore.exists():
            ignore.write_text("*\n")
        lock = (root / "servers.lock").open("a")
    except OSError as error:
        raise Unusable(f"cannot keep data in {root}: {error.strerror or error}") from error
    with lock:
        if not os.access(root, os.W_OK | os.X_OK):
            raise Unusable(f"cannot keep data in {root}: it is not writable")
        try:
            shared = _join(lock)
        except OSError as error:  # a network file system without locks has no shared memory either
            raise Unusable(f"cannot keep data in {root}: no locks there ({error.strerror})") from error
        folder = DataFolder(root, shared)
        if not shared:
            _drop_leftovers(folder.uploads)
        yield folder


def _drop_leftovers(uploads: Path) -> None:
    """What a killed server had not received whole; nobody was told that it is there."""
    for path in uploads.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _join(lock: IO[str]) -> bool:
    """Take a share of the lock; whether somebody else holds one. It ends with the process."""
    if sys.platform == "win32":  # no such locks, so no word about other servers
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    fcntl.flock(lock, fcntl.LOCK_SH)
    return not alone


def take(path: Path) -> IO[str] | None:
    """The lock for this process alone, for as long as the file is open; None where somebody else has it."""
    lock = path.open("a")
    if sys.platform != "win32":
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
    return lock
