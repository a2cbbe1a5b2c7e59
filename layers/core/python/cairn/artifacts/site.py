"""The UI's files in the bucket that API Gateway sends them from: put there at deploy, from one archive."""

import io
import json
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LIST = "files.json"
"""In the archive: from each file's path to its type, how long it is kept, whose policy it has, how it is
encoded."""
POLICY = "policy"
_AT_ONCE = 16


class SiteBucket:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def publish(self, archives: str, key: str, folder: str, policies: Mapping[str, str]) -> int:
        """Unpack an archive of another bucket into a folder of this one; the number of files. 1 GetObject,
        1 PutObject a file. What is there is written again. ``policies``: the Content-Security-Policy of
        each kind of page, which travels as metadata: API Gateway makes a header of it."""
        content = self._client.get_object(Bucket=archives, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed: dict[str, dict[str, str]] = json.loads(archive.read(LIST))
            files = [(name, archive.read(name), sent) for name, sent in listed.items()]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            keys = pool.map(
                lambda file: self._put(
                    f"{folder}/{file[0]}", file[1], file[2], policies[file[2]["policy"]]
                ),
                files,
            )
            return len(list(keys))

    def remove(self, folder: str) -> None:
        """1 ListObjectsV2 and 1 DeleteObjects for each 1,000 files; a folder that is not there is fine."""
        for page in self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{folder}/"
        ):
            keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
            if keys:
                deleted: Any = {"Objects": keys, "Quiet": True}
                failed = self._client.delete_objects(Bucket=self._bucket, Delete=deleted).get("Errors")
                if failed:
                    raise RuntimeError(f"{failed[0].get('Key')}: {failed[0].get('Message')}")

    def _put(self, key: str, content: bytes, sent: Mapping[str, str], policy: str) -> None:
        encoding: Any = {"ContentEncoding": sent["encoding"]} if "encoding" in sent else {}
        self._client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=content,
            ContentType=sent["type"],
            CacheControl=sent["cache"],
            Metadata={POLICY: policy},
            **encoding,
        )
