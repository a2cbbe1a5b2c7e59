"""The artifact use-cases as a function in AWS has them: on S3, within what requests and answers carry."""

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from cairn.app import build_local
from cairn.http import Answer, App, handle
from cairn.services.ports import Carriage
from tests.api.client import event
from tests.artifacts.stores import BUCKET, PREFIX, Requests, local_client, s3_store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FILES = "/api/2.0/mlflow-artifacts/artifacts"
MPU = "/api/2.0/mlflow-artifacts/mpu"
V2 = "/api/2.0/mlflow"
LIMIT = 1_000


@pytest.fixture
def sent() -> Requests:
    return Requests()


@pytest.fixture
def app(bucket: "S3Client", endpoint: str, tmp_path: Path, sent: Requests) -> Iterator[App]:
    local = build_local(tmp_path / "cairn.db", tmp_path / "a", tmp_path / "b", tmp_path / "u")
    client = local_client(endpoint)
    sent.watch(client)
    stores = dataclasses.replace(
        local.stores, artifacts=s3_store(client), carriage=Carriage(upload=LIMIT, download=LIMIT)
    )
    yield dataclasses.replace(local, stores=stores)
    client.close()


def post(app: App, path: str, body: object) -> tuple[int, Any]:
    answer = handle(app, event("POST", path, content=json.dumps(body)))
    assert isinstance(answer.body, bytes)
    return answer.status, json.loads(answer.body)


def get(app: App, route: str, /, **query: str) -> Answer:
    return handle(app, event("GET", route, query={k: [v] for k, v in query.items()} or None, headers={}))


def put(app: App, path: str, data: bytes) -> Answer:
    headers = {"Content-Length": [str(len(data))]}
    return handle(app, event("PUT", f"{FILES}/{path}", headers=headers), io.BytesIO(data))


def content(answer: Answer) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)


@pytest.fixture
def run_id(app: App) -> str:
    """A run whose artifacts are in the bucket."""
    location = f"s3://{BUCKET}/{PREFIX}/7"
    _, made = post(app, f"{V2}/experiments/create", {"name": "s3", "artifact_location": location})
    _, made = post(app, f"{V2}/runs/create", {"experiment_id": made["experiment_id"]})
    run: str = made["run"]["info"]["run_id"]
    return run


def test_what_fits_passes_through(app: App) -> None:
    assert put(app, "0/r/a.txt", b"x" * LIMIT).status == 200
    answer = get(app, f"{FILES}/0/r/a.txt")
    assert (answer.status, content(answer)) == (200, b"x" * LIMIT)


def test_an_upload_that_does_not_fit_names_the_way_beyond(app: App, sent: Requests) -> None:
    answer = put(app, "0/r/a.txt", b"x" * (LIMIT + 1))
    said = json.loads(content(answer))
    assert (answer.status, said["error_code"]) == (413, "BAD_REQUEST")
    assert "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=1000" in said["message"]
    assert "s3://" in said["message"]
    assert sent.names == []


def test_a_download_that_does_not_fit_is_redirected_to_s3(app: App, bucket: "S3Client") -> None:
    bucket.put_object(Bucket=BUCKET, Key=f"{PREFIX}/0/r/big.bin", Body=b"y" * (LIMIT + 1))
    answer = get(app, f"{FILES}/0/r/big.bin")
    assert answer.status == 302
    assert content(answer) == b""
    assert requests.get(answer.headers["Location"], timeout=10).content == b"y" * (LIMIT + 1)


def test_the_client_is_given_a_url_and_a_size(app: App) -> None:
    put(app, "0/r/a.txt", b"hello")
    put(app, "0/r/empty", b"")
    said = json.loads(content(get(app, "/api/2.0/mlflow-artifacts/presigned/0/r/a.txt")))
    assert (said["headers"], said["file_size"]) == ({}, 5)
    assert requests.get(said["url"], timeout=10).content == b"hello"
    empty = json.loads(content(get(app, "/api/2.0/mlflow-artifacts/presigned/0/r/empty")))
    assert empty["file_size"] == 0
    assert get(app, "/api/2.0/mlflow-artifacts/presigned/0/r/nope").status == 404


def test_an_upload_in_parts(app: App) -> None:
    asked = {"path": "C:\\Users\\ada\\big.bin", "num_parts": 2}
    status, made = post(app, f"{MPU}/create/0/r/model", asked)
    assert status == 200
    assert [credential["part_number"] for credential in made["credentials"]] == [1, 2]
    parts = [
        {
            "part_number": credential["part_number"],
            "etag": requests.put(credential["url"], data=data, timeout=30).headers["ETag"],
            "url": credential["url"],
        }
        for credential, data in zip(made["credentials"], (b"a" * 5 * 2**20, b"b"), strict=True)
    ]
    done = {"path": "/home/ada/big.bin", "upload_id": made["upload_id"], "parts": parts}
    assert post(app, f"{MPU}/complete/0/r/model", done) == (200, {})
    said = json.loads(content(get(app, FILES, path="0/r/model")))
    assert said == {"files": [{"path": "big.bin", "is_dir": False, "file_size": 5 * 2**20 + 1}]}


def test_more_parts_than_an_answer_has_room_for_are_refused(app: App, bucket: "S3Client") -> None:
    status, said = post(app, f"{MPU}/create/0/r", {"path": "big.bin", "num_parts": 100})
    assert (status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE" in said["message"]
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET)


def test_presigned_urls_of_a_run(app: App, run_id: str) -> None:
    asked = {"run_id": run_id, "path": "d/a.csv"}
    status, up = post(app, f"{V2}/artifacts/presigned-upload-url", asked)
    assert (status, up["headers"]) == (200, {"Content-Type": "text/csv"})
    assert (
        requests.put(up["presigned_url"], data=b"1,2", headers=up["headers"], timeout=10).status_code == 200
    )
    status, down = post(app, f"{V2}/artifacts/presigned-download-url", asked | {"expiration": 60})
    assert (status, down["file_size"]) == (200, 3)
    assert "X-Amz-Expires=60&" in down["presigned_url"]
    assert requests.get(down["presigned_url"], timeout=10).content == b"1,2"
    said = json.loads(content(get(app, f"{V2}/artifacts/list", run_id=run_id, path="d")))
    assert said["files"] == [{"path": "d/a.csv", "is_dir": False, "file_size": 3}]
    answer = get(app, "/get-artifact", run_id=run_id, path="d/a.csv")
    assert (content(answer), answer.headers["Content-Type"]) == (b"1,2", "text/plain")


@pytest.mark.parametrize(("expiration", "given"), [(900, 900), (901, 900), (604_800, 900)])
def test_no_url_outlives_a_revoked_share_by_more_than_a_quarter_of_an_hour(
    app: App, run_id: str, expiration: int, given: int
) -> None:
    asked = {"run_id": run_id, "path": "a", "expiration": expiration}
    up = post(app, f"{V2}/artifacts/presigned-upload-url", asked)[1]
    requests.put(up["presigned_url"], data=b"1", headers=up.get("headers", {}), timeout=10)
    down = post(app, f"{V2}/artifacts/presigned-download-url", asked)[1]
    for said in (up, down):
        assert f"X-Amz-Expires={given}&" in said["presigned_url"]


@pytest.mark.parametrize("route", ["presigned-upload-url", "presigned-download-url"])
@pytest.mark.parametrize("expiration", [0, -1, 604_801])
def test_a_url_that_is_dead_on_arrival_is_refused(
    app: App, run_id: str, route: str, expiration: int
) -> None:
    asked = {"run_id": run_id, "path": "a", "expiration": expiration}
    status, said = post(app, f"{V2}/artifacts/{route}", asked)
    assert (status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert said["message"] == f"expiration must be between 1 and 604800 seconds (got {expiration})."


def test_presigned_urls_stay_in_the_runs_root(app: App, run_id: str, sent: Requests) -> None:
    for route in ("presigned-upload-url", "presigned-download-url"):
        for path in ("../x", "%2e%2e/x", "/x", "a//b", "a\\b", "\0"):
            status, said = post(app, f"{V2}/artifacts/{route}", {"run_id": run_id, "path": path})
            assert (status, said["message"]) == (400, "Invalid path")
    assert sent.names == []


def test_a_location_elsewhere_is_not_served(app: App, sent: Requests) -> None:
    made: Any
    _, made = post(app, f"{V2}/experiments/create", {"name": "x", "artifact_location": "s3://other/x"})
    _, made = post(app, f"{V2}/runs/create", {"experiment_id": made["experiment_id"]})
    run_id = made["run"]["info"]["run_id"]
    answer = get(app, f"{V2}/artifacts/list", run_id=run_id)
    said = json.loads(content(answer))
    assert (answer.status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "outside of this server's artifact storage" in said["message"]
    status, _ = post(app, f"{V2}/artifacts/presigned-upload-url", {"run_id": run_id, "path": "a"})
    assert status == 400
    assert sent.names == []
