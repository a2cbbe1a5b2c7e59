"""The stock client moves large files of an ``mlflow-artifacts:`` location by presigned URL, in parts."""

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from mlflow import MlflowClient

from tests.artifacts.stores import moto_server
from tests.e2e.local_cairn import QUIET, LocalCairn, local_cairn

MEBIBYTE = 2**20
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def server(endpoint: str) -> Iterator[LocalCairn]:
    with local_cairn("--aws-endpoint", endpoint, environment=CREDENTIALS) as server:
        yield server


@pytest.fixture
def run_id(server: LocalCairn, request: pytest.FixtureRequest) -> str:
    """A run whose artifacts the server proxies to S3."""
    client = MlflowClient(tracking_uri=server.uri)
    location = f"mlflow-artifacts:/{request.node.name}"
    experiment_id = client.create_experiment(request.node.name, artifact_location=location)
    return str(client.create_run(experiment_id).info.run_id)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without credentials of its own."""
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(MEBIBYTE))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MEBIBYTE))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(4 * MEBIBYTE))


def objects(endpoint: str, run_id: str) -> dict[str, str]:
    """The ETags of a run's objects, by name. One of n parts ends in ``-n``."""
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    (bucket,) = (found["Name"] for found in s3.list_buckets()["Buckets"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    s3.close()
    root = f"/{run_id}/artifacts/"
    return {
        item["Key"].partition(root)[2]: item["ETag"].strip('"') for item in found if root in item["Key"]
    }


def test_a_large_file_goes_and_comes_in_parts(
    server: LocalCairn, endpoint: str, run_id: str, tmp_path: Path
) -> None:
    client = MlflowClient(tracking_uri=server.uri)
    content = os.urandom(12 * MEBIBYTE)
    (tmp_path / "große Datei.bin").write_bytes(content)
    client.log_artifact(run_id, str(tmp_path / "große Datei.bin"), "model")
    (stored,) = objects(endpoint, run_id).items()
    assert stored[0] == "model/große Datei.bin"
    assert stored[1].endswith("-3")
    down = tmp_path / "down"
    down.mkdir()
    path = client.download_artifacts(run_id, "model/große Datei.bin", str(down))
    assert Path(path).read_bytes() == content


def test_small_and_empty_files_pass_through(
    server: LocalCairn, endpoint: str, run_id: str, tmp_path: Path
) -> None:
    client = MlflowClient(tracking_uri=server.uri)
    (tmp_path / "up" / "d").mkdir(parents=True)
    (tmp_path / "up" / "small").write_bytes(b"1")
    (tmp_path / "up" / "d" / "empty").write_bytes(b"")
    client.log_artifacts(run_id, str(tmp_path / "up"))
    assert sorted(objects(endpoint, run_id)) == ["d/empty", "small"]
    down = tmp_path / "down"
    down.mkdir()
    folder = Path(client.download_artifacts(run_id, "", str(down)))
    assert (folder / "small").read_bytes() == b"1"
    assert (folder / "d" / "empty").read_bytes() == b""


def test_every_file_may_go_in_parts(
    server: LocalCairn, endpoint: str, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also an empty one, which has none: MLflow's own server answers it with 500."""
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "0")
    client = MlflowClient(tracking_uri=server.uri)
    (tmp_path / "small").write_bytes(b"1")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("small", "empty"):
        client.log_artifact(run_id, str(tmp_path / name))
    stored = objects(endpoint, run_id)
    assert sorted(stored) == ["empty", "small"]
    assert stored["small"].endswith("-1")


def test_a_folder_makes_the_client_fall_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are forced on the client, the server keeps its files in a folder: one plain PUT."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "big").write_bytes(b"x" * (6 * MEBIBYTE))
    with local_cairn("--data", str(tmp_path / "cairn")) as server:
        client = MlflowClient(tracking_uri=server.uri)
        run_id = client.create_run("0").info.run_id
        client.log_artifact(run_id, str(tmp_path / "big"))
        stored = tmp_path / "cairn" / "artifacts" / "0" / run_id / "artifacts" / "big"
        assert stored.stat().st_size == 6 * MEBIBYTE
