"""Requests about artifacts whose body is a message; uploads and downloads are bytes (``RawCall``).

``artifact_path`` comes from the path.
"""

from typing import Annotated

from pydantic import FailFast

from cairn.protocol.message import Message
from cairn.protocol.scalars import Given, Int64, Text


class ListArtifacts(Message):
    """Of a run; ``path`` is relative to its root."""

    run_id: Given
    run_uuid: Text = ""
    path: Text | None = None
    page_token: Text = ""


class ListProxiedArtifacts(Message):
    """``path`` is relative to the root of all proxied artifacts."""

    path: Text | None = None


class DeleteProxiedArtifact(Message):
    artifact_path: Given


class CreatePresignedUploadUrl(Message):
    """``expiration`` in seconds."""

    run_id: Text = ""
    model_id: Text = ""
    path: Given
    expiration: Int64 | None = None


class CreatePresignedDownloadUrl(Message):
    """``expiration`` in seconds."""

    run_id: Given
    path: Given
    expiration: Int64 | None = None


class GetPresignedDownloadUrl(Message):
    artifact_path: Given


class CreateMultipartUpload(Message):
    """``path`` is the file's path on the client; its last segment is the name below ``artifact_path``."""

    artifact_path: Given
    path: Given
    num_parts: Int64 = 0


class UploadedPart(Message):
    part_number: Int64 = 0
    etag: Text = ""
    url: Text = ""


class CompleteMultipartUpload(Message):
    artifact_path: Given
    path: Given
    upload_id: Text = ""
    parts: Annotated[list[UploadedPart], FailFast()]


class AbortMultipartUpload(Message):
    artifact_path: Given
    path: Given
    upload_id: Text = ""
