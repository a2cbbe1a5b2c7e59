"""Artifacts through Cairn's API: small files in the request, larger ones in parts by presigned URLs.

Lists and downloads are MLflow's own (it downloads by presigned URL where the server announces so, which
Cairn does). Its upload is not used: it sends up to 500 MB in one request, and API Gateway takes 10.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from mlflow.entities.multipart_upload import MultipartUploadCredential, MultipartUploadPart
from mlflow.environment_variables import MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE, MLFLOW_S3_IGNORE_TLS
from mlflow.store.artifact.artifact_repo import verify_artifact_path
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.utils.request_utils import augmented_raise_for_status, cloud_storage_http_request

from mlflow_cairn.shared import plain

IN_REQUEST = 4 * 1024 * 1024
"""Bytes of a file that go in the request itself: one request instead of three. Cairn takes 4.5 MB there."""

SMALLEST_PART = 5 * 1024 * 1024
"""S3's own bound, for all parts but the last."""

MANY_PARTS = 2_000
"""Of one upload. S3 takes 10,000, but the URLs of all parts must fit one answer of Lambda (6 MB)."""

THREADS = 8
"""Parts that travel at once. None is held in memory."""


def known(tracking_uri: str | None) -> str:
    """A tracking URI, or the one in effect. Older clients leave it out."""
    if tracking_uri is None:
        import mlflow

        return str(mlflow.get_tracking_uri())
    return tracking_uri


class ApiArtifacts(MlflowArtifactsRepository):
    """``mlflow-artifacts:`` of a Cairn in AWS, uploads of any size included."""

    @classmethod
    def resolve_uri(cls, artifact_uri: str, tracking_uri: str) -> str:
        return str(super().resolve_uri(artifact_uri, plain(tracking_uri)))

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """1 request up to 4 MiB; past that 2 requests, and 1 to S3 for each part."""
        verify_artifact_path(artifact_path)
        size = os.path.getsize(local_file)  # noqa: PTH202 -- MLflow's callers pass strings
        if size <= IN_REQUEST:
            super().log_artifact(local_file, artifact_path)
        else:
            self._upload_parts(str(local_file), size, artifact_path)

    def _upload_parts(self, local_file: str, size: int, artifact_path: str | None) -> None:
        """An upload that fails is aborted; what it sent is not kept."""
        part_size = size_of_parts(size, MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE.get())
        starts = range(0, size, part_size)
        upload = self.create_multipart_upload(local_file, len(starts), artifact_path)
        try:
            parts = _send(upload.credentials, local_file, starts, part_size, size)
            self.complete_multipart_upload(local_file, upload.upload_id, parts, artifact_path)
        except BaseException:
            self.abort_multipart_upload(local_file, upload.upload_id, artifact_path)
            raise


def size_of_parts(size: int, wanted: int) -> int:
    """``wanted`` bytes, unless S3 asks for more, or the parts would be too many."""
    return max(wanted, SMALLEST_PART, -(-size // MANY_PARTS))


def _send(
    credentials: Sequence[MultipartUploadCredential],
    local_file: str,
    starts: Sequence[int],
    part_size: int,
    size: int,
) -> list[MultipartUploadPart]:
    def put(credential: MultipartUploadCredential) -> MultipartUploadPart:
        start = starts[credential.part_number - 1]
        with open(local_file, "rb") as file:  # noqa: PTH123 -- each part reads on its own
            answer = cloud_storage_http_request(
                "put",
                credential.url,
                data=Slice(file, start, min(part_size, size - start)),
                headers=credential.headers,
                verify=not MLFLOW_S3_IGNORE_TLS.get(),
            )
        augmented_raise_for_status(answer)
        return MultipartUploadPart(credential.part_number, answer.headers["ETag"], credential.url)

    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="mlflow-cairn-part")
    try:
        return list(pool.map(put, credentials))
    finally:
        pool.shutdown(cancel_futures=True)  # after a failure the parts that wait are not sent


class Slice:
    """A part of a file as a body of known length, which a retry can send again."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        self._file = file
        self._start = start
        self._length = length
        file.seek(start)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(1024 * 1024):
            yield chunk

    def read(self, size: int | None = -1) -> bytes:
        left = self._length - self.tell()
        return self._file.read(left if size is None or size < 0 else min(size, left))

    def tell(self) -> int:
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """How requests measures a body by seeking to its end, and urllib3 rewinds it to its start."""
        base: Any = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._length}[whence]
        return self._file.seek(self._start + base + offset) - self._start
