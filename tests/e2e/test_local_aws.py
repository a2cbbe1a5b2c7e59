"""``cairn local --aws-endpoint``: the same API on DynamoDB and S3, those of moto's server."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import boto3
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from tests.e2e.local_cairn import QUIET, local_cairn

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


@contextmanager
def moto_server() -> Iterator[str]:
    """moto in a process of its own, as a user would run it; its URL."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            assert process.poll() is None
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (QUIET | CREDENTIALS).items():
        monkeypatch.setenv(name, value)


def test_it_makes_table_and_bucket_once_and_finds_them_again(endpoint: str) -> None:
    with local_cairn("--aws-endpoint", endpoint) as server:
        client = MlflowClient(tracking_uri=server.uri)
        run_id = client.create_run("0").info.run_id
        client.log_batch(run_id, [Metric("m", 1.5, 1, 0)], [Param("p", "x")])
        assert endpoint in "\n".join(server.output)
    with local_cairn("--aws-endpoint", endpoint) as server:
        client = MlflowClient(tracking_uri=server.uri)
        data = client.get_run(run_id).data
        assert (data.metrics, data.params) == ({"m": 1.5}, {"p": "x"})
        assert [r.info.run_id for r in client.search_runs(["0"], "metrics.m > 1")] == [run_id]
    tables = boto3.client("dynamodb", endpoint_url=endpoint).list_tables()["TableNames"]
    buckets = boto3.client("s3", endpoint_url=endpoint).list_buckets()["Buckets"]
    assert (len(tables), len(buckets)) == (1, 1)


def test_artifacts_are_in_the_bucket(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written by the client, with the location that the experiment has, and read back."""
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint)
    with local_cairn("--aws-endpoint", endpoint) as server:
        client = MlflowClient(tracking_uri=server.uri)
        run_id = client.create_run(client.create_experiment("files")).info.run_id
        client.log_text(run_id, "in the bucket", "notes/a.txt")
        (tmp_path / "big.bin").write_bytes(b"x" * (12 * 2**20))
        client.log_artifact(run_id, str(tmp_path / "big.bin"))
        assert [f.path for f in client.list_artifacts(run_id)] == ["big.bin", "notes"]
        target = tmp_path / "down"
        target.mkdir()
        down = Path(client.download_artifacts(run_id, "", str(target)))
        assert (down / "notes" / "a.txt").read_text() == "in the bucket"
        assert (down / "big.bin").stat().st_size == 12 * 2**20
    s3 = boto3.client("s3", endpoint_url=endpoint)
    (bucket,) = (b["Name"] for b in s3.list_buckets()["Buckets"])
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert any(key.endswith(f"{run_id}/artifacts/notes/a.txt") for key in keys)
