"""Artifacts in one S3 bucket: every byte lies under one prefix of it.

``mlflow-artifacts:/path`` is ``s3://bucket/prefix/path``; an ``s3://`` URI must name this bucket and lie
within the prefix. Bytes travel by presigned URL where they can, through this process where they must.
"""

import builtins
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, BinaryIO, TypedDict, cast

from cairn.artifacts.chunks import Body, Chunks
from cairn.artifacts.faults import fault, translated
from cairn.artifacts.paths import MAX_KEY_BYTES, foreign, place_of
from cairn.domain.artifacts import FileInfo, Part, Signed
from cairn.domain.attachments import disposition, inert_type, stored_type
from cairn.domain.paths import PROXIED_SCHEMES, join
from cairn.errors import InvalidParameterValue, ResourceDoesNotExist

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

MAX_PARTS = 10_000
"""Of one multipart upload (S3's limit)."""

PART_SECONDS = 12 * 3600
"""How long a part's URL is good. MLflow's one hour is too short for a large model on a slow line. A URL
signed with a role's credentials ends with them."""

_UNVERSIONED = "null"  # the version of what was written while the bucket kept none
_LOOKED_THROUGH = 5  # pages of versions
_PART_BYTES = 8 * 1024 * 1024
_WHOLE_BYTES = 8 * 1024 * 1024


class S3Artifacts:
    """The artifacts below ``prefix`` of a bucket (``services.ports.ArtifactStore``).

    The client must sign with ``s3v4`` for the bucket's own region, or presigned URLs are redirected
    (``artifacts.client``).
    """

    def __init__(self, client: "S3Client", bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix.strip("/")

    def path_of(self, uri: str) -> str | None:
        """No request."""
        try:
            key = self._key(join(uri))
        except InvalidParameterValue:  # another bucket, another folder of it, or what is no place at all
            return None
        return key[len(self._prefix) :].lstrip("/")

    def list(self, uri: str) -> Sequence[FileInfo]:
        """1 ListObjectsV2 for each 1,000 entries. Names come out sorted."""
        folder = self._folder(uri)
        entries: builtins.list[FileInfo] = []
        pages = self._client.get_paginator("list_objects_v2")
        with translated(uri):
            for page in pages.paginate(Bucket=self._bucket, Prefix=folder, Delimiter="/"):
                entries.extend(
                    FileInfo(common["Prefix"][len(folder) : -1], is_dir=True)
                    for common in page.get("CommonPrefixes", ())
                )
                entries.extend(
                    FileInfo(item["Key"][len(folder) :], is_dir=False, file_size=item["Size"])
                    for item in page.get("Contents", ())
                )
        # without a name: the marker that consoles make for a folder, and keys with an empty segment
        return sorted((entry for entry in entries if entry.path), key=lambda entry: entry.path)

    def open(self, uri: str, version: str | None = None) -> tuple[Chunks, int]:
        """1 GetObject; where nothing is, 1 ListObjectsV2 more to tell a folder from a miss."""
        key = self._file(uri)
        of = _of(version)
        try:
            with translated(uri):
                found = self._client.get_object(Bucket=self._bucket, Key=key, **of)
        except ResourceDoesNotExist:
            raise self._missing(key) if version is None else _expired(uri) from None
        return Chunks(found["Body"]), found["ContentLength"]

    def save(self, uri: str, body: BinaryIO, length: int | None) -> None:
        """1 PutObject up to 8 MiB of known length. Past that a multipart upload, part by part, with 8 MiB
        (of a file over 80 GB: a 10,000th) in memory; one that fails is aborted and leaves nothing."""
        key = self._file(uri)
        source = Body(body, length)
        content_type = stored_type(key)
        with translated(uri):
            if length is not None and length <= _WHOLE_BYTES:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=source.read(), ContentType=content_type
                )
                return
            # 20 ms of a cold start that few requests need
            from boto3.s3.transfer import TransferConfig, create_transfer_manager

            config = TransferConfig(
                multipart_threshold=_WHOLE_BYTES,
                multipart_chunksize=max(_PART_BYTES, -(-(length or 0) // MAX_PARTS)),
                use_threads=False,
            )
            with create_transfer_manager(self._client, config) as transfers:
                whole = cast("IO[bytes]", source)  # s3transfer asks for ``read`` alone
                transfers.upload(whole, self._bucket, key, {"ContentType": content_type}).result()

    def delete(self, uri: str) -> None:
        """1 DeleteObject, 1 ListObjectsV2 and 1 DeleteObjects for each 1,000 objects below. In a versioned
        bucket the versions stay until its lifecycle ends them."""
        key = self._file(uri)
        with translated(uri):
            self._client.delete_object(Bucket=self._bucket, Key=key)
            for keys in self._below(f"{key}/"):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True}
                )
                failed = answer.get("Errors", ())
                if failed:
                    raise fault(failed[0].get("Code", ""), failed[0].get("Message", ""), uri)

    def begin_upload(self, uri: str, parts: int) -> tuple[str, Sequence[Signed]]:
        """1 CreateMultipartUpload; URLs are signed here. No parts (an empty file) are fine."""
        if not 0 <= parts <= MAX_PARTS:
            raise InvalidParameterValue(
                f"num_parts must be between 0 and {MAX_PARTS} (got {parts}). For a larger file raise the "
                "client's MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE."
            )
        key = self._file(uri)
        with translated(uri):
            upload_id = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=stored_type(key)
            )["UploadId"]
        urls = (
            self._client.generate_presigned_url(
                "upload_part",
                Params={
                    "Bucket": self._bucket,
                    "Key": key,
                    "UploadId": upload_id,
                    "PartNumber": number,
                },
                ExpiresIn=PART_SECONDS,
            )
            for number in range(1, parts + 1)
        )
        return upload_id, [Signed(url, {}) for url in urls]

    def complete_upload(self, uri: str, upload_id: str, parts: Sequence[Part]) -> None:
        """1 CompleteMultipartUpload. S3 knows no upload without parts: an empty file is written instead."""
        key = self._file(uri)
        if not parts:
            self.save(uri, io.BytesIO(), 0)
            self.abort_upload(uri, upload_id)
            return
        ordered = sorted(parts, key=lambda part: part.part_number)
        with translated(uri):
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [{"PartNumber": part.part_number, "ETag": part.etag} for part in ordered]
                },
            )

    def abort_upload(self, uri: str, upload_id: str) -> None:
        """1 AbortMultipartUpload."""
        key = self._file(uri)
        try:
            with translated(uri):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except ResourceDoesNotExist:
            return  # completed or aborted before: an abort may be sent again

    def versions(self, uri: str, most: int) -> Mapping[str, str]:
        """1 ListObjectVersions for each 1,000 versions, 5 at most: old ones are listed with the current.
        Objects from before the bucket kept versions have none."""
        folder, found = self._folder(uri), dict[str, str]()
        with translated(uri):
            pages = self._client.get_paginator("list_object_versions")
            for number, page in enumerate(pages.paginate(Bucket=self._bucket, Prefix=folder), start=1):
                found.update(
                    (item["Key"][len(folder) :], item["VersionId"])
                    for item in page.get("Versions", ())
                    if item["IsLatest"] and item["VersionId"] != _UNVERSIONED
                )
                if len(found) > most or (number == _LOOKED_THROUGH and page["IsTruncated"]):
                    return {}
        return found

    def sign_download(self, uri: str, seconds: int, version: str | None = None) -> Signed:
        """1 HeadObject. The URL answers with an attachment, whatever the type of the bytes, and as plain
        text where a browser would render them."""
        key = self._file(uri)
        of, inert = _of(version), inert_type(key)
        try:
            with translated(uri):
                size = self._client.head_object(Bucket=self._bucket, Key=key, **of)["ContentLength"]
        except ResourceDoesNotExist:
            raise self._missing(key) if version is None else _expired(uri) from None
        url = self._client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ResponseContentDisposition": disposition(key.rpartition("/")[2]),
                **({"ResponseContentType": inert} if inert else {}),
                **of,
            },
            ExpiresIn=seconds,
        )
        return Signed(url, {}, size)

    def sign_upload(self, uri: str, seconds: int) -> Signed:
        """No request. The Content-Type is part of the signature, as in MLflow."""
        key = self._file(uri)
        content_type = stored_type(key)
        url = self._client.generate_presigned_url(
            "put_object",
            Params={"Bucket": self._bucket, "Key": key, "ContentType": content_type},
            ExpiresIn=seconds,
        )
        return Signed(url, {"Content-Type": content_type})

    def _missing(self, key: str) -> ResourceDoesNotExist | InvalidParameterValue:
        """MLflow's words for a folder, and for nothing at all."""
        path = key.removeprefix(f"{self._prefix}/") if self._prefix else key
        with translated(path):
            below = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{key}/", MaxKeys=1)
        if below.get("KeyCount"):
            return InvalidParameterValue(f"Artifact path refers to a directory, not a file: '{path}'")
        return ResourceDoesNotExist(f"No such artifact: '{path}'")

    def _below(self, prefix: str) -> "Iterator[Sequence[ObjectIdentifierTypeDef]]":
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            if contents := page.get("Contents"):
                yield [{"Key": item["Key"]} for item in contents]

    def _file(self, uri: str) -> str:
        """The key of a file or folder, which is never the prefix itself."""
        key = self._key(uri)
        if key == self._prefix:
            raise InvalidParameterValue("Invalid path")
        return key

    def _folder(self, uri: str) -> str:
        """What the keys below start with."""
        key = self._key(uri)
        return f"{key}/" if key else ""

    def _key(self, uri: str) -> str:
        place = place_of(uri)
        if place.scheme in PROXIED_SCHEMES:
            key = "/".join(part for part in (self._prefix, place.key) if part)
        elif place.scheme == "s3" and place.authority == self._bucket:
            key = place.key
            if self._prefix and key != self._prefix and not key.startswith(f"{self._prefix}/"):
                raise foreign(uri)
        else:
            raise foreign(uri)
        if len(key.encode()) > MAX_KEY_BYTES:
            raise InvalidParameterValue(
                f"The path is too long: with its root it has {len(key.encode())} bytes, a key in S3 has at "
                f"most {MAX_KEY_BYTES}."
            )
        return key


class _Version(TypedDict, total=False):
    VersionId: str


def _of(version: str | None) -> _Version:
    return {} if version is None else {"VersionId": version}


def _expired(uri: str) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(
        f"{uri!r} was overwritten or deleted, and the bucket no longer keeps what it was: its lifecycle "
        "ends old versions."
    )
