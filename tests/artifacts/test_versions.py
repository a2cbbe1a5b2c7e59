"""Files as they were when a model version was made of them: buckets that keep versions, and folders."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from botocore.stub import Stubber

from cairn.artifacts.folder import FolderArtifacts
from cairn.artifacts.s3 import S3Artifacts
from cairn.domain.registry import RegisteredModel
from cairn.errors import ResourceDoesNotExist
from cairn.protocol.messages.registry import CreateModelVersion
from cairn.services.model_versions import create_model_version, get_model_version_artifact
from cairn.services.ports import Carriage, Download, RawCall, Redirect, Stores
from cairn.sharing.caller import Caller, local_caller
from cairn.storage.sqlite import SqliteTable
from tests.artifacts.stores import BUCKET, PREFIX, Requests, local_client, s3_store
from tests.storage.stores import MemoryBlobs, use_case_stores

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MODEL = f"s3://{BUCKET}/{PREFIX}/0/models/m-1/artifacts"


@pytest.fixture
def sent() -> Requests:
    return Requests()


@pytest.fixture
def s3(bucket: "S3Client", endpoint: str, sent: Requests) -> Iterator[S3Artifacts]:
    bucket.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    client = local_client(endpoint)
    sent.watch(client)
    yield s3_store(client)
    client.close()
    for page in bucket.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for item in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            bucket.delete_object(Bucket=BUCKET, Key=item["Key"], VersionId=item["VersionId"])


@pytest.fixture
def stores(s3: S3Artifacts) -> Iterator[Stores]:
    table = SqliteTable(None)
    found = replace(use_case_stores(table, MemoryBlobs()), artifacts=s3)
    found.registry.models.create(RegisteredModel("net", 1, 1), "0" * 16)
    yield found
    table.close()


def put(store: S3Artifacts, path: str, data: bytes) -> None:
    store.save(f"{MODEL}/{path}", io.BytesIO(data), len(data))


def caller() -> Caller:
    return local_caller({"identity": {"user": "local:ada"}})


def create(stores: Stores, source: str = MODEL) -> None:
    create_model_version(stores, caller(), CreateModelVersion(name="net", source=source))


def asked(stores: Stores, version: int, path: str) -> Download | Redirect:
    query = {"name": ["net"], "version": [str(version)], "path": [path]}
    answer = get_model_version_artifact(stores, caller(), RawCall({}, query, {}, io.BytesIO(), 0))
    assert isinstance(answer, Download | Redirect)
    return answer


def read(stores: Stores, version: int, path: str) -> bytes:
    answer = asked(stores, version, path)
    assert isinstance(answer, Download)
    return b"".join(answer.chunks)


def test_a_version_keeps_its_bytes(stores: Stores, s3: S3Artifacts) -> None:
    put(s3, "model.pkl", b"old")
    put(s3, "data/deep/w.bin", b"weights")
    create(stores)
    put(s3, "model.pkl", b"new")
    s3.delete(f"{MODEL}/data")
    create(stores, "models:/net/1")
    create(stores)
    put(s3, "later.txt", b"later")
    for copy in (1, 2):
        assert read(stores, copy, "model.pkl") == b"old"
        assert read(stores, copy, "data/deep/w.bin") == b"weights"
        assert read(stores, copy, "later.txt") == b"later"  # not there when the version was made
    assert read(stores, 3, "model.pkl") == b"new"
    with pytest.raises(ResourceDoesNotExist):
        asked(stores, 3, "data/deep/w.bin")


def test_what_is_too_large_for_an_answer_is_fetched_as_it_was(stores: Stores, s3: S3Artifacts) -> None:
    stores = replace(stores, carriage=Carriage(download=2))
    put(s3, "model.pkl", b"old")
    create(stores)
    put(s3, "model.pkl", b"new!")
    answer = asked(stores, 1, "model.pkl")
    assert isinstance(answer, Redirect)
    assert requests.get(answer.url, timeout=10).content == b"old"


def test_a_version_that_the_bucket_gave_up_is_missing(
    stores: Stores, s3: S3Artifacts, bucket: "S3Client"
) -> None:
    """Other bytes in its place would be worse."""
    put(s3, "model.pkl", b"old")
    create(stores)
    pinned = s3.versions(MODEL, 10)["model.pkl"]
    put(s3, "model.pkl", b"new")
    key = f"{MODEL}/model.pkl".removeprefix(f"s3://{BUCKET}/")
    bucket.delete_object(Bucket=BUCKET, Key=key, VersionId=pinned)
    with pytest.raises(ResourceDoesNotExist, match="no longer keeps"):
        asked(stores, 1, "model.pkl")
    with pytest.raises(ResourceDoesNotExist, match="no longer keeps"):
        s3.sign_download(f"{MODEL}/model.pkl", 10, pinned)


def test_versions_are_of_what_is_there_now(s3: S3Artifacts, sent: Requests) -> None:
    for path in ("a", "b/c", "gone"):
        for data in (b"1", b"22"):
            put(s3, path, data)
    s3.delete(f"{MODEL}/gone")
    s3.save(f"{MODEL}2/beside", io.BytesIO(b"3"), 1)
    sent.names.clear()
    found = s3.versions(MODEL, 2)
    assert sorted(found) == ["a", "b/c"]
    assert sent.names == ["ListObjectVersions"]
    for path in found:
        chunks, size = s3.open(f"{MODEL}/{path}", found[path])
        assert (b"".join(chunks), size) == (b"22", 2)
    assert s3.versions(MODEL, 1) == {}
    assert s3.versions(f"{MODEL}/nothing", 1) == {}


def test_a_search_through_old_versions_ends(credentials: None) -> None:
    client = local_client("http://127.0.0.1:9")
    pages = 5
    with Stubber(client) as stubber:
        for number in range(pages):
            page = {"IsTruncated": True, "NextKeyMarker": f"k{number}", "NextVersionIdMarker": "v"}
            stubber.add_response("list_object_versions", page)
        assert s3_store(client).versions(MODEL, 10) == {}
        stubber.assert_no_pending_responses()


def test_files_that_are_not_ours_are_not_pinned(stores: Stores, sent: Requests) -> None:
    sent.names.clear()
    for source in ("s3://elsewhere/model", "gs://elsewhere/model", f"s3://{BUCKET}/other/model"):
        create(stores, source)
    assert stores.registry.versions.pinned("net", 3)[1] == {}
    assert sent.names == []


def test_a_bucket_without_versions_pins_nothing(bucket: "S3Client", endpoint: str) -> None:
    client = local_client(endpoint)
    store = s3_store(client)
    put(store, "a", b"1")
    assert store.versions(MODEL, 10) == {}
    client.close()


def test_a_folder_keeps_no_versions(tmp_path: Path) -> None:
    store = FolderArtifacts(tmp_path / "a", tmp_path / "staging")
    store.save("mlflow-artifacts:/x/a", io.BytesIO(b"1"), 1)
    assert store.versions("mlflow-artifacts:/x", 10) == {}
