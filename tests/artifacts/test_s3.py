"""The S3 engine: presigned URLs over real HTTP, multipart uploads, paging, and what each call costs."""

import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from botocore.stub import Stubber

from cairn.artifacts.client import s3_client
from cairn.artifacts.faults import ERRORS, fault
from cairn.artifacts.s3 import S3Artifacts
from cairn.domain.artifacts import FileInfo, Part
from cairn.errors import (
    InternalError,
    InvalidParameterValue,
    PermissionDenied,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
)
from tests.artifacts.stores import BUCKET, PREFIX, Generated, Requests, local_client, read, s3_store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

RUN = f"s3://{BUCKET}/{PREFIX}/0/abc/artifacts"
PART = 5 * 1024 * 1024  # S3's smallest but for the last


@pytest.fixture
def sent() -> Requests:
    return Requests()


@pytest.fixture
def s3(bucket: "S3Client", endpoint: str, sent: Requests) -> Iterator[S3Artifacts]:
    client = local_client(endpoint)
    sent.watch(client)
    yield s3_store(client)
    client.close()


def put(store: S3Artifacts, path: str, data: bytes) -> None:
    store.save(f"{RUN}/{path}", io.BytesIO(data), len(data))


def test_both_spellings_of_a_location_are_one_object(s3: S3Artifacts, bucket: "S3Client") -> None:
    put(s3, "a.csv", b"1")
    assert read(s3, "mlflow-artifacts:/0/abc/artifacts/a.csv") == b"1"
    found = bucket.get_object(Bucket=BUCKET, Key="artifacts/0/abc/artifacts/a.csv")
    assert found["ContentType"] == "text/csv"
    found["Body"].close()


def test_more_than_a_page_of_objects_lists_whole(
    s3: S3Artifacts, bucket: "S3Client", sent: Requests
) -> None:
    names = [f"{number:04}" for number in range(1_003)]
    for name in names:
        bucket.put_object(Bucket=BUCKET, Key=f"{PREFIX}/0/abc/artifacts/many/{name}", Body=b"")
    assert [entry.path for entry in s3.list(f"{RUN}/many")] == names
    assert sent.names == ["ListObjectsV2", "ListObjectsV2"]
    s3.delete(f"{RUN}/many")
    assert s3.list(RUN) == []
    assert sent.names.count("DeleteObjects") == 2


def test_folder_markers_of_consoles_are_no_files(s3: S3Artifacts, bucket: "S3Client") -> None:
    bucket.put_object(Bucket=BUCKET, Key=f"{PREFIX}/0/abc/artifacts/d/", Body=b"")
    put(s3, "d/x", b"1")
    assert s3.list(RUN) == [FileInfo("d", is_dir=True)]
    assert [entry.path for entry in s3.list(f"{RUN}/d")] == ["x"]


def test_a_bucket_may_be_all_artifacts(bucket: "S3Client", endpoint: str) -> None:
    client = local_client(endpoint)
    store = S3Artifacts(client, BUCKET)
    store.save(f"s3://{BUCKET}/0/a", io.BytesIO(b"1"), 1)
    assert store.list(f"s3://{BUCKET}") == [FileInfo("0", is_dir=True)]
    assert read(store, "mlflow-artifacts:/0/a") == b"1"
    client.close()


def test_what_each_call_costs(s3: S3Artifacts, sent: Requests) -> None:
    def cost(*, of: str) -> list[str]:
        names, sent.names[:] = list(sent.names), []
        assert names, of
        return names

    put(s3, "a", b"1")
    assert cost(of="save") == ["PutObject"]
    read(s3, f"{RUN}/a")
    assert cost(of="open") == ["GetObject"]
    s3.list(RUN)
    assert cost(of="list") == ["ListObjectsV2"]
    s3.sign_download(f"{RUN}/a", 300)
    assert cost(of="sign_download") == ["HeadObject"]
    upload_id, _ = s3.begin_upload(f"{RUN}/b", 100)
    assert cost(of="begin_upload") == ["CreateMultipartUpload"]
    s3.abort_upload(f"{RUN}/b", upload_id)
    assert cost(of="abort_upload") == ["AbortMultipartUpload"]
    s3.delete(f"{RUN}/a")
    assert cost(of="delete") == ["DeleteObject", "ListObjectsV2"]
    s3.sign_upload(f"{RUN}/a", 300)
    assert sent.names == []


def test_a_presigned_download_serves_ranges_as_an_attachment(s3: S3Artifacts) -> None:
    put(s3, "d/ünï.html", b"<b>0123456789</b>")
    signed = s3.sign_download(f"{RUN}/d/ünï.html", 300)
    assert signed.file_size == 17
    whole = requests.get(signed.url, timeout=10)
    assert (whole.status_code, whole.content) == (200, b"<b>0123456789</b>")
    assert (
        whole.headers["Content-Disposition"]
        == "attachment; filename=uni.html; filename*=UTF-8''%C3%BCn%C3%AF.html"
    )
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8", "not rendered, whoever opens it"
    part = requests.get(signed.url, headers={"Range": "bytes=3-5"}, timeout=10)
    assert (part.status_code, part.content) == (206, b"012")
    assert part.headers["Content-Range"] == "bytes 3-5/17"


def test_a_presigned_download_of_nothing_is_refused(s3: S3Artifacts) -> None:
    put(s3, "d/x", b"1")
    with pytest.raises(ResourceDoesNotExist, match="No such artifact: '0/abc/artifacts/nope'"):
        s3.sign_download(f"{RUN}/nope", 300)
    with pytest.raises(InvalidParameterValue, match="refers to a directory"):
        s3.sign_download(f"{RUN}/d", 300)


def test_an_empty_file_has_a_size(s3: S3Artifacts) -> None:
    put(s3, "empty", b"")
    assert s3.sign_download(f"{RUN}/empty", 300).file_size == 0


def test_a_presigned_upload_takes_the_file_with_its_headers(s3: S3Artifacts) -> None:
    signed = s3.sign_upload(f"{RUN}/d/plot.png", 300)
    assert signed.headers == {"Content-Type": "image/png"}
    query = parse_qs(urlsplit(signed.url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-type;host"]
    assert requests.put(signed.url, data=b"png", headers=signed.headers, timeout=10).status_code == 200
    assert read(s3, f"{RUN}/d/plot.png") == b"png"


def test_an_upload_in_parts(s3: S3Artifacts, bucket: "S3Client") -> None:
    uri = f"{RUN}/big/model.bin"
    upload_id, parts = s3.begin_upload(uri, 3)
    assert len(parts) == 3
    contents = [b"a" * PART, b"b" * PART, b"c"]
    etags = [
        requests.put(part.url, data=content, timeout=30).headers["ETag"]
        for part, content in zip(parts, contents, strict=True)
    ]
    assert s3.list(RUN) == []  # nothing is visible before the end
    done = [Part(number, etag) for number, etag in enumerate(etags, start=1)]
    s3.complete_upload(uri, upload_id, list(reversed(done)))
    assert hashlib.sha256(read(s3, uri)).digest() == hashlib.sha256(b"".join(contents)).digest()
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET)


def test_an_aborted_upload_leaves_nothing(s3: S3Artifacts, bucket: "S3Client") -> None:
    uri = f"{RUN}/big"
    upload_id, parts = s3.begin_upload(uri, 2)
    requests.put(parts[0].url, data=b"a" * PART, timeout=30)
    s3.abort_upload(uri, upload_id)
    s3.abort_upload(uri, upload_id)  # a client that lost the answer asks again
    assert s3.list(RUN) == []
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET)


def test_an_upload_that_is_unknown_cannot_be_completed(credentials: None) -> None:
    client = s3_client("us-east-1")
    with Stubber(client) as s3:  # moto answers 500
        s3.add_client_error("complete_multipart_upload", "NoSuchUpload", "gone", 404)
        with pytest.raises(ResourceDoesNotExist, match=r"gone \(NoSuchUpload\)"):
            s3_store(client).complete_upload(f"{RUN}/big", "no-such-upload", [Part(1, '"0"')])
    client.close()


def test_a_delete_that_fails_in_part_is_no_success(credentials: None) -> None:
    client = s3_client("us-east-1")
    with Stubber(client) as s3:
        s3.add_response("delete_object", {})
        s3.add_response("list_objects_v2", {"Contents": [{"Key": f"{PREFIX}/0/abc/artifacts/d/x"}]})
        s3.add_response("delete_objects", {"Errors": [{"Code": "AccessDenied", "Message": "no"}]})
        with pytest.raises(PermissionDenied, match=r"no \(AccessDenied\)"):
            s3_store(client).delete(f"{RUN}/d")
    client.close()


def test_an_empty_file_uploads_in_no_parts(s3: S3Artifacts, bucket: "S3Client") -> None:
    upload_id, parts = s3.begin_upload(f"{RUN}/empty", 0)
    assert parts == []
    s3.complete_upload(f"{RUN}/empty", upload_id, [])
    assert read(s3, f"{RUN}/empty") == b""
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("parts", [-1, 10_001])
def test_parts_have_a_limit(s3: S3Artifacts, sent: Requests, parts: int) -> None:
    with pytest.raises(InvalidParameterValue, match=f"got {parts}"):
        s3.begin_upload(f"{RUN}/big", parts)
    assert sent.names == []


def test_a_large_save_is_aborted_when_it_breaks(
    s3: S3Artifacts, bucket: "S3Client", sent: Requests
) -> None:
    with pytest.raises(ConnectionResetError):
        s3.save(f"{RUN}/big", Generated(40_000_000, fails_at=20_000_000), None)  # type: ignore[arg-type]
    assert sent.names[0] == "CreateMultipartUpload"
    assert sent.names[-1] == "AbortMultipartUpload"
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET)


def test_urls_name_the_region_and_sign_the_least(credentials: None) -> None:
    client = s3_client("eu-central-1")
    store = S3Artifacts(client, BUCKET, PREFIX)
    url = urlsplit(store.sign_upload(f"{RUN}/a b?.bin", 604_800).url)
    query = parse_qs(url.query)
    client.close()
    assert url.scheme == "https"
    assert url.netloc == f"{BUCKET}.s3.eu-central-1.amazonaws.com"
    assert url.path == "/artifacts/0/abc/artifacts/a%20b%3F.bin"
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["604800"]
    assert not any("checksum" in name.lower() for name in query)


def test_a_missing_bucket_is_told(bucket: "S3Client", endpoint: str) -> None:
    client = local_client(endpoint)
    with pytest.raises(ResourceDoesNotExist, match="NoSuchBucket"):
        S3Artifacts(client, "never-made").list("mlflow-artifacts:/")
    client.close()


def test_a_store_that_cannot_be_reached_is_a_passing_fault(credentials: None) -> None:
    client = s3_client("us-east-1", "http://127.0.0.1:9")
    with pytest.raises(TemporarilyUnavailable, match="could not be reached"):
        S3Artifacts(client, BUCKET).list("mlflow-artifacts:/")
    client.close()


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_fault_says_what_and_where(code: str) -> None:
    said = fault(code, "said so", "s3://b/k")
    assert "'s3://b/k': said so" in said.message
    assert said.code != "INTERNAL_ERROR"


def test_an_unknown_fault_is_ours() -> None:
    assert isinstance(fault("InvalidAccessKeyId", "", "s3://b/k"), InternalError)
