"""Bytes that outgrow the table, by the SHA-256 of their content: no bytes ever overwrite others.

Dataset profiles over 100 KB lie here. No artifact URI reaches them: in S3 they have a prefix of their own,
locally a folder.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cairn.artifacts.faults import translated
from cairn.domain.attachments import BINARY
from cairn.errors import InternalError, ResourceDoesNotExist

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_KEY = re.compile(r"[0-9a-f]{64}")


class S3Blobs:
    """Blobs below ``prefix`` of a bucket (``services.ports.BlobStore``)."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str = "blobs") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix.strip("/")

    def put(self, data: bytes) -> str:
        """1 PutObject."""
        key = _key_of(data)
        with translated(key):
            self._client.put_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{key}", Body=data, ContentType=BINARY
            )
        return key

    def get(self, key: str) -> bytes:
        """1 GetObject."""
        _require_key(key)
        with translated(key):
            found = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{key}")
            return _checked(key, found["Body"].read())


class FolderBlobs:
    """Blobs in a folder, by the first two digits of their keys (``services.ports.BlobStore``)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, data: bytes) -> str:
        key = _key_of(data)
        path = self._path(key)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(dir=path.parent)
            staged = Path(name)
            try:
                with os.fdopen(number, "wb") as out:
                    out.write(data)
                staged.replace(path)
            finally:
                staged.unlink(missing_ok=True)
        return key

    def get(self, key: str) -> bytes:
        _require_key(key)
        try:
            return _checked(key, self._path(key).read_bytes())
        except FileNotFoundError:
            raise _unknown(key) from None

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / key


def _key_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _require_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise _unknown(key)


def _unknown(key: str) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(f"There are no bytes under the key {key!r}.")


def _checked(key: str, data: bytes) -> bytes:
    if _key_of(data) != key:
        raise InternalError(f"The bytes under the key {key!r} are damaged.")
    return data
