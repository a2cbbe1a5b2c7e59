"""Artifacts in S3 for a client that S3 refuses, and the same S3 for everybody else."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import (
    get_artifact_repository,
    get_registered_artifact_repositories,
)
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from mlflow_cairn import artifacts, transfer
from tests.client import old_mlflow
from tests.client.front import REGION, Front, front
from tests.client.shell import enter_shell
from tests.e2e.local_cairn import local_cairn
from tests.e2e.test_local_aws import moto_server

MIB = 2**20


@contextmanager
def denying_s3() -> Iterator[tuple[str, list[str]]]:
    """An S3 that knows the caller and allows nothing; its URL, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _deny(self) -> None:
            asked.append(f"{self.command} {self.path.partition('?')[0]}")
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            content = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _deny  # noqa: N815 -- http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Front, str, str, list[str]]]:
    aws = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": REGION}
    with ExitStack() as stack:
        moto = stack.enter_context(moto_server())
        server = stack.enter_context(local_cairn("--aws-endpoint", moto, environment=aws))
        gateway = stack.enter_context(front(server.uri, tmp_path_factory.mktemp("front")))
        denying, asked = stack.enter_context(denying_s3())
        yield gateway, moto, denying, asked


@pytest.fixture
def gateway(shared: tuple[Front, str, str, list[str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """The front of a server whose artifacts are in S3; this process's own S3 denies everything."""
    state, _, denying, asked = shared
    enter_shell(
        monkeypatch,
        state,
        MLFLOW_TRACKING_AUTH="cairn",
        MLFLOW_TRACKING_URI=state.uri,
        MLFLOW_CAIRN_HOSTS=state.uri,
        MLFLOW_S3_ENDPOINT_URL=denying,
        AWS_MAX_ATTEMPTS="1",
    )
    registered = get_registered_artifact_repositories()
    before = dict(registered)
    artifacts.artifact_root.cache_clear()
    asked.clear()
    yield state
    registered.update(before)
    assert state.refused == []


def stored(moto: str) -> dict[str, int]:
    """The size of every object by its key."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": REGION}
    s3 = boto3.client("s3", endpoint_url=moto, **keys)  # type: ignore[call-overload]
    (bucket,) = (b["Name"] for b in s3.list_buckets()["Buckets"])
    return {item["Key"]: item["Size"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}


def test_files_of_every_size_without_rights_on_the_bucket(
    gateway: Front, shared: tuple[Front, str, str, list[str]], tmp_path: Path
) -> None:
    moto = shared[1]
    client = MlflowClient(gateway.uri)
    run = client.create_run("0").info
    assert run.artifact_uri.startswith("s3://")
    source = tmp_path / "source"
    (source / "sub dir").mkdir(parents=True)
    sizes = {
        "empty": 0,
        "small ü.txt": 10,
        "sub dir/in one request": transfer.IN_REQUEST,
        "sub dir/in parts": 23 * MIB + 1,
    }
    for name, size in sizes.items():
        (source / name).write_bytes(os.urandom(size))
    client.log_artifacts(run.run_id, str(source), "out")
    prefix = f"{run.artifact_uri.split('/', 3)[3]}/out/"
    assert {key.removeprefix(prefix): size for key, size in stored(moto).items() if prefix in key} == sizes

    creates = [seen for seen in gateway.seen if "/mpu/create/" in seen.path]
    assert [seen.body.count(b'"num_parts": 3') for seen in creates] == [1]
    assert max(len(seen.body) for seen in gateway.seen) == transfer.IN_REQUEST

    listed = [(f.path, f.is_dir) for f in client.list_artifacts(run.run_id, "out")]
    assert listed == [("out/empty", False), ("out/small ü.txt", False), ("out/sub dir", True)]
    (tmp_path / "down").mkdir()
    down = Path(client.download_artifacts(run.run_id, "out", str(tmp_path / "down")))
    for name in sizes:
        assert (down / name).read_bytes() == (source / name).read_bytes(), name
    assert any("/mlflow-artifacts/presigned/" in seen.path for seen in gateway.seen)


def test_a_repository_asks_s3_once_for_what_it_denies(
    gateway: Front, shared: tuple[Front, str, str, list[str]], tmp_path: Path
) -> None:
    MlflowClient(gateway.uri).get_experiment("0")
    repository = get_artifact_repository(MlflowClient(gateway.uri).create_run("0").info.artifact_uri)
    (tmp_path / "a").write_text("x")
    for path in ("one", "two"):
        repository.log_artifact(str(tmp_path / "a"), path)
    for path in ("one", "two"):
        assert [f.path for f in repository.list_artifacts(path)] == [f"{path}/a"]
    assert [request.split()[0] for request in shared[3]] == ["PUT", "GET"]


def test_a_logged_model_and_a_text(gateway: Front, tmp_path: Path) -> None:
    client = MlflowClient(gateway.uri)
    run = client.create_run("0").info
    client.log_text(run.run_id, "words", "notes/a.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.run_id}/notes/a.txt") == "words"
    model = client.create_logged_model("0", name="net")
    (tmp_path / "MLmodel").write_text("flavors: {}")
    client.log_model_artifacts(model.model_id, str(tmp_path))
    assert [f.path for f in client.list_logged_model_artifacts(model.model_id)] == ["MLmodel"]


def test_large_files_of_a_proxied_location_go_in_parts(gateway: Front, tmp_path: Path) -> None:
    client = MlflowClient(gateway.uri)
    run = client.create_run(client.create_experiment("proxied", "mlflow-artifacts:/proxied")).info
    (tmp_path / "a.bin").write_bytes(os.urandom(11 * MIB))
    (tmp_path / "b.bin").write_bytes(b"small")
    client.log_artifacts(run.run_id, str(tmp_path))
    assert [(f.path, f.file_size) for f in client.list_artifacts(run.run_id)] == [
        ("a.bin", 11 * MIB),
        ("b.bin", 5),
    ]
    assert [seen.path.split("/")[5] for seen in gateway.seen if "/mpu/" in seen.path] == [
        "create",
        "complete",
    ]


def test_a_caller_with_rights_goes_to_s3_itself(
    gateway: Front,
    shared: tuple[Front, str, str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    _, moto, _, asked = shared
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", moto)
    client = MlflowClient(gateway.uri)
    run = client.create_run("0").info
    (tmp_path / "a.bin").write_bytes(os.urandom(5 * MIB))
    client.log_artifact(run.run_id, str(tmp_path / "a.bin"))
    assert [f.path for f in client.list_artifacts(run.run_id)] == ["a.bin"]
    assert not [
        seen.path for seen in gateway.seen if "artifacts" in seen.path or "server-info" in seen.path
    ]
    assert asked == []


@pytest.mark.parametrize(
    "uri", ["s3://somebody-elses/artifacts/x", "s3://{bucket}-2/artifacts/0/r/artifacts"]
)
def test_another_bucket_answers_for_itself(uri: str, gateway: Front, tmp_path: Path) -> None:
    """S3's own error, and no way round it."""
    client = MlflowClient(gateway.uri)
    root = client.get_experiment("0").artifact_location
    bucket = root.split("/")[2]
    repository = get_artifact_repository(uri.format(bucket=bucket))
    (tmp_path / "a").write_text("x")
    with pytest.raises(Exception, match="AccessDenied"):
        repository.log_artifact(str(tmp_path / "a"))
    with pytest.raises(MlflowException, match="Access Denied"):
        repository.list_artifacts()
    assert not [seen for seen in gateway.seen if "mlflow-artifacts" in seen.path]


def test_nothing_is_registered_for_s3_before_cairn_is_asked(gateway: Front) -> None:
    """Importing the plugin changes nothing; its first request does, once, and keeps what is there."""
    registered = get_registered_artifact_repositories()
    registered["s3"] = S3ArtifactRepository

    class Other(S3ArtifactRepository):  # as sagemaker-mlflow registers one
        pass

    registered["s3"] = Other
    MlflowClient(gateway.uri).get_experiment("0")
    attached = registered["s3"]
    assert issubclass(attached, artifacts.Detour)
    assert issubclass(attached, Other)
    MlflowClient(gateway.uri).get_experiment("0")
    assert registered["s3"] is attached


def test_an_upload_that_fails_is_aborted(
    gateway: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("the line is cut")

    monkeypatch.setattr(transfer, "cloud_storage_http_request", broken)
    client = MlflowClient(gateway.uri)
    run = client.create_run("0").info
    (tmp_path / "a.bin").write_bytes(bytes(6 * MIB))
    with pytest.raises(OSError, match="the line is cut"):
        client.log_artifact(run.run_id, str(tmp_path / "a.bin"))
    assert [seen.path.split("/")[5] for seen in gateway.seen if "/mpu/" in seen.path] == ["create", "abort"]


def test_parts_are_few_enough_and_large_enough() -> None:
    gib, tib = 2**30, 2**40
    assert transfer.size_of_parts(6 * MIB, 10 * MIB) == 10 * MIB
    assert transfer.size_of_parts(6 * MIB, 1) == 5 * MIB
    for size in (100 * gib, tib, 5 * tib):
        part = transfer.size_of_parts(size, 10 * MIB)
        assert part <= 5 * gib  # S3's bound
        assert -(-size // part) <= transfer.MANY_PARTS


def test_a_part_can_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        part = transfer.Slice(file, 3, 4)
        assert (len(part), part.read(2), part.read(), part.read()) == (4, b"34", b"56", b"")
        part.seek(0)
        assert b"".join(part) == b"3456"
        assert (part.seek(0, os.SEEK_END), part.read(1)) == (4, b"")


@pytest.mark.parametrize("python", [lambda: sys.executable, old_mlflow.environment], ids=["pinned", "3.5"])
def test_each_mlflow_from_a_process_of_its_own(python: Callable[[], Path | str], gateway: Front) -> None:
    """The older one has SageMaker's plugin beside ours: both are for ``s3``."""
    interpreter = str(python())
    name = "old" if interpreter != sys.executable else "new"
    ended = subprocess.run(
        [interpreter, str(Path(__file__).with_name("flow.py")), name],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert (seen["scheme"], seen["loss"]) == ("s3", 0.5)
    assert f"{name} model" in seen["models"]
    assert seen["equal"] == ["empty", "parts", "sub dir/ü 1"]
    if name == "old":
        assert seen["mlflow"] == "3.5.0"
        assert seen["s3"].index("mlflow_cairn.artifacts") < seen["s3"].index(
            "sagemaker_mlflow.s3_presigned_artifact_repo"
        )
