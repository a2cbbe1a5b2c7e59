"""What the artifact suites share: moto's server in a process of its own, and small readers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from cairn.artifacts.client import s3_client
from cairn.artifacts.folder import FolderArtifacts
from cairn.artifacts.s3 import S3Artifacts
from cairn.services.ports import ArtifactStore

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BUCKET = "cairn-artifacts"
PREFIX = "artifacts"
ROOT = "mlflow-artifacts:/"

_SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@contextmanager
def moto_server() -> Iterator[str]:
    """Its URL. In another process, so that what it keeps in memory is not counted as ours."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)


def local_client(endpoint: str) -> "S3Client":
    return s3_client("us-east-1", endpoint)


def admin(endpoint: str) -> "S3Client":
    """Another client than the one under test."""
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


def read(store: ArtifactStore, uri: str) -> bytes:
    chunks, length = store.open(uri)
    data = b"".join(chunks)
    assert len(data) == length
    return data


class Generated:
    """A stream of ``size`` bytes that never exist at once; it may break at ``fails_at``."""

    def __init__(self, size: int, fails_at: int | None = None) -> None:
        self._left = size
        self._given = 0
        self._fails_at = fails_at

    def read(self, size: int = -1, /) -> bytes:
        if self._fails_at is not None and self._given >= self._fails_at:
            raise ConnectionResetError("the client went away")
        count = self._left if size < 0 else min(size, self._left)
        self._left -= count
        self._given += count
        return b"x" * count


@dataclass
class Requests:
    """The names of the requests that a client sent."""

    names: list[str] = field(default_factory=list)

    def watch(self, client: "S3Client") -> None:
        client.meta.events.register("before-call.s3", self._note)

    def _note(self, model: object, **_: object) -> None:
        self.names.append(getattr(model, "name", ""))


def folder_store(path: Path) -> FolderArtifacts:
    return FolderArtifacts(path / "artifacts", path / "uploads")


def s3_store(client: "S3Client") -> S3Artifacts:
    return S3Artifacts(client, BUCKET, PREFIX)
