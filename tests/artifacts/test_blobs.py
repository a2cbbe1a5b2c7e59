"""Blobs are found by their content, on both engines."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.artifacts.blobs import FolderBlobs, S3Blobs
from cairn.errors import InternalError, ResourceDoesNotExist
from cairn.services.ports import BlobStore
from tests.artifacts.stores import BUCKET, admin, local_client


@pytest.fixture
def blobs(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BlobStore]:
    if engine == "folder":
        yield FolderBlobs(tmp_path / "blobs")
        return
    request.getfixturevalue("bucket")
    client = local_client(request.getfixturevalue("endpoint"))
    yield S3Blobs(client, BUCKET)
    client.close()


@pytest.mark.parametrize("data", [b"", b"profile", bytes(range(256)) * 64_000])
def test_bytes_read_back_under_their_hash(blobs: BlobStore, data: bytes) -> None:
    key = blobs.put(data)
    assert key == hashlib.sha256(data).hexdigest()
    assert blobs.put(data) == key
    assert blobs.get(key) == data


@pytest.mark.parametrize(
    "key", ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 63 + "/", "0" * 64 + "\n"]
)
def test_an_unknown_key_is_told(blobs: BlobStore, key: str) -> None:
    with pytest.raises(ResourceDoesNotExist):
        blobs.get(key)


def test_damage_is_noticed(
    blobs: BlobStore, engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    key = blobs.put(b"profile")
    if engine == "folder":
        (tmp_path / "blobs" / key[:2] / key).write_bytes(b"damaged")
    else:
        client = admin(request.getfixturevalue("endpoint"))
        client.put_object(Bucket=BUCKET, Key=f"blobs/{key}", Body=b"damaged")
        client.close()
    with pytest.raises(InternalError, match="damaged"):
        blobs.get(key)
