"""The stock MLflow client against a real ``cairn local``: what a training script does, from end to end."""

import concurrent.futures
import hashlib
import io
import json
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException

from tests.e2e.local_cairn import QUIET, LocalCairn, local_cairn

MEGABYTE = 2**20
WRITERS = 16


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCairn]:
    with local_cairn("--data", str(tmp_path_factory.mktemp("cairn"))) as server:
        yield server


@pytest.fixture
def client(server: LocalCairn) -> MlflowClient:
    return MlflowClient(tracking_uri=server.uri)


@pytest.fixture
def experiment(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    return str(client.create_experiment(name))


def test_version_is_the_pinned_mlflow(server: LocalCairn) -> None:
    assert server.request("GET", "/version") == (200, mlflow.__version__.encode())


def test_the_default_experiment_is_there(client: MlflowClient) -> None:
    assert client.get_experiment("0").name == "Default"


def test_a_whole_training(client: MlflowClient, experiment: str, tmp_path: Path) -> None:
    """Everything that a run has, logged, read back, and found by a search."""
    parent = client.create_run(experiment, run_name="parent")
    run = client.create_run(experiment, tags={"mlflow.parentRunId": parent.info.run_id}, run_name="child")
    run_id = run.info.run_id

    client.log_param(run_id, "depth", 3)
    client.set_tag(run_id, "team", "räder")
    for step in range(5):
        client.log_metric(run_id, "loss", 1 / (step + 1), step=step)
    client.log_batch(
        run_id,
        metrics=[Metric("nan", math.nan, 1, 0), Metric("inf", math.inf, 1, 0), Metric("f1", 0.9, 1, 0)],
        params=[Param("rate", "0.1")],
        tags=[RunTag("phase", "test")],
    )
    dataset = Dataset(name="wine", digest="abc", source_type="code", source="{}", schema="{}", profile="{}")
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    client.log_text(run_id, "größe\n", "notes/größe ü.txt")
    client.log_dict(run_id, {"a": [1, 2]}, "config.json")
    client.set_terminated(run_id)

    read = client.get_run(run_id)
    assert read.info.status == "FINISHED"
    assert read.info.run_name == "child"
    assert read.data.params == {"depth": "3", "rate": "0.1"}
    assert read.data.tags["team"] == "räder"
    assert read.data.metrics["loss"] == 0.2
    assert math.isnan(read.data.metrics["nan"])
    assert read.data.metrics["inf"] == sys.float_info.max  # MLflow's SQL store keeps infinities so
    assert read.inputs.dataset_inputs[0].dataset.name == "wine"
    assert [m.value for m in client.get_metric_history(run_id, "loss")] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]

    assert [f.path for f in client.list_artifacts(run_id)] == ["config.json", "notes"]
    assert [f.path for f in client.list_artifacts(run_id, "notes")] == ["notes/größe ü.txt"]
    folder = Path(client.download_artifacts(run_id, "", str(tmp_path)))
    assert (folder / "notes" / "größe ü.txt").read_text() == "größe\n"
    assert json.loads((folder / "config.json").read_text()) == {"a": [1, 2]}

    filters = [
        "metrics.loss < 0.5 AND params.depth = '3'",
        "tags.team LIKE 'r%' AND attributes.status = 'FINISHED'",
        f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        "dataset.name = 'wine'",
    ]
    for text in filters:
        assert [r.info.run_id for r in client.search_runs([experiment], text)] == [run_id], text
    assert len(client.search_runs([experiment])) == 2


def test_a_logged_model(client: MlflowClient, experiment: str, tmp_path: Path) -> None:
    run = client.create_run(experiment)
    model = client.create_logged_model(
        experiment,
        name="forest",
        source_run_id=run.info.run_id,
        params={"trees": "20"},
        tags={"kind": "demo"},
    )
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    client.log_model_artifacts(model.model_id, str(tmp_path / "model"))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_metric(run.info.run_id, "accuracy", 0.75, model_id=model.model_id)

    read = client.get_logged_model(model.model_id)
    assert (read.status, read.params, read.tags["kind"]) == (
        LoggedModelStatus.READY,
        {"trees": "20"},
        "demo",
    )
    assert [(m.key, m.value) for m in read.metrics] == [("accuracy", 0.75)]
    found = client.search_logged_models([experiment], "metrics.accuracy > 0.5 AND params.trees = '20'")
    assert [m.model_id for m in found] == [model.model_id]
    assert [f.path for f in client.list_logged_model_artifacts(model.model_id)] == ["MLmodel"]


def test_deleted_runs_and_experiments_come_back(client: MlflowClient, experiment: str) -> None:
    run = client.create_run(experiment)
    client.delete_run(run.info.run_id)
    assert client.search_runs([experiment]) == []
    assert len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 1
    with pytest.raises(MlflowException, match="deleted"):
        client.log_metric(run.info.run_id, "m", 1)
    client.restore_run(run.info.run_id)
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    client.restore_experiment(experiment)
    assert len(client.search_runs([experiment])) == 1


def test_an_error_has_mlflows_shape(server: LocalCairn) -> None:
    status, body = server.request("GET", "/api/2.0/mlflow/runs/get?run_id=" + "f" * 32)
    assert status == 404
    assert json.loads(body)["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    status, body = server.request("GET", "/api/2.0/mlflow/no-such-thing")
    assert status == 404
    assert json.loads(body)["error_code"] == "ENDPOINT_NOT_FOUND"


def test_pages_of_runs_and_of_histories(client: MlflowClient, experiment: str) -> None:
    ids = [client.create_run(experiment, start_time=1000 + number).info.run_id for number in range(7)]
    pages: list[str] = []
    token = None
    while True:
        page = client.search_runs([experiment], max_results=3, page_token=token)
        pages += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    assert pages == ids[::-1]


def test_an_empty_artifact(client: MlflowClient, experiment: str, tmp_path: Path) -> None:
    run = client.create_run(experiment)
    (tmp_path / "empty.bin").touch()
    client.log_artifact(run.info.run_id, str(tmp_path / "empty.bin"))
    (listed,) = client.list_artifacts(run.info.run_id)
    assert (listed.path, listed.is_dir) == ("empty.bin", False)
    assert not listed.file_size  # MLflow's list leaves a size of 0 out
    target = tmp_path / "down"
    target.mkdir()
    assert Path(client.download_artifacts(run.info.run_id, "empty.bin", str(target))).read_bytes() == b""


def test_a_big_artifact_goes_up_and_down_without_being_held_in_memory(tmp_path: Path) -> None:
    content = os.urandom(MEGABYTE) * 200
    big = tmp_path / "big.bin"
    big.write_bytes(content)
    with local_cairn("--data", str(tmp_path / "data")) as server:
        client = MlflowClient(tracking_uri=server.uri)
        run_id = client.create_run("0").info.run_id
        before = server.peak_memory()
        client.log_artifact(run_id, str(big))
        target = tmp_path / "down"
        target.mkdir()
        down = Path(client.download_artifacts(run_id, "big.bin", str(target)))
        assert hashlib.sha256(down.read_bytes()).digest() == hashlib.sha256(content).digest()
        assert server.peak_memory() - before < 64 * MEGABYTE


def test_a_chunked_upload(
    server: LocalCairn, client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    run = client.create_run(experiment)
    root = run.info.artifact_uri.removeprefix("mlflow-artifacts:/")
    content = os.urandom(3 * MEGABYTE)
    status, _ = server.request(
        "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/chunked.bin", io.BytesIO(content)
    )
    assert status == 200
    down = client.download_artifacts(run.info.run_id, "chunked.bin", str(tmp_path))
    assert Path(down).read_bytes() == content


def test_no_path_leaves_the_artifact_folder(server: LocalCairn, tmp_path: Path) -> None:
    for path in ("../../secret", "%2e%2e/%2e%2e/secret", "..%2f..%2fsecret", "a/%00b", "%2fetc/passwd"):
        for method in ("GET", "PUT", "DELETE"):
            status, body = server.request(method, f"/api/2.0/mlflow-artifacts/artifacts/{path}", b"x")
            assert status in (400, 404), (method, path, status, body)
            assert "error_code" in json.loads(body)


def test_head_and_options(server: LocalCairn) -> None:
    assert server.request("HEAD", "/health") == (200, b"")
    assert server.request("OPTIONS", "/api/2.0/mlflow/runs/create") == (200, b"")
    status, body = server.request("OPTIONS", "/no/such/path")
    assert (status, json.loads(body)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_data_survives_a_restart_and_a_kill(tmp_path: Path) -> None:
    """Every call that was answered is there, whether the server ended in peace or by SIGKILL."""
    run_id, steps = "", 0
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGINT):
        with local_cairn("--data", str(tmp_path / "data")) as server:
            client = MlflowClient(tracking_uri=server.uri)
            if not run_id:
                run_id = client.create_run("0", run_name="survivor").info.run_id
                client.log_text(run_id, "still here", "note.txt")
            for _ in range(10):
                client.log_metric(run_id, "m", steps, step=steps, timestamp=1000 + steps)
                steps += 1
            server.process.send_signal(number)
            server.process.wait(timeout=30)
    with local_cairn("--data", str(tmp_path / "data")) as server:
        client = MlflowClient(tracking_uri=server.uri)
        assert client.get_run(run_id).info.run_name == "survivor"
        assert [m.step for m in client.get_metric_history(run_id, "m")] == list(range(steps))
        assert [r.info.run_id for r in client.search_runs(["0"], f"metrics.m = {steps - 1}")] == [run_id]
        down = client.download_artifacts(run_id, "note.txt", str(tmp_path))
        assert Path(down).read_text() == "still here"


def test_a_kill_in_the_middle_of_writes_leaves_a_whole_run(tmp_path: Path) -> None:
    with local_cairn("--data", str(tmp_path / "data")) as server:
        client = MlflowClient(tracking_uri=server.uri)
        run_id = client.create_run("0").info.run_id
        answered: list[int] = []

        def write() -> None:
            for step in range(10_000):
                try:
                    client.log_batch(run_id, [Metric("m", float(step), 1000 + step, step)])
                except MlflowException:
                    return  # the server is gone
                answered.append(step)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            while len(answered) < 20:
                time.sleep(0.01)
            server.process.kill()
            writing.result(timeout=60)
    with local_cairn("--data", str(tmp_path / "data")) as server:
        client = MlflowClient(tracking_uri=server.uri)
        there = [m.step for m in client.get_metric_history(run_id, "m")]
        assert there in (answered, [*answered, len(answered)])  # the last one may have lost its answer only
        assert client.get_run(run_id).data.metrics["m"] == there[-1] or len(there) > len(answered)


def _write_many(uri: str, run_id: str, writer: int) -> None:
    client = MlflowClient(tracking_uri=uri)
    for step in range(10):
        client.log_metric(
            run_id, "shared", writer * 100 + step, step=writer * 100 + step, timestamp=1000 + step
        )
        client.log_metric(run_id, f"own-{writer}", step, step=step, timestamp=1000 + step)
    client.log_batch(
        run_id, params=[Param(f"p-{writer}", str(writer))], tags=[RunTag(f"t-{writer}", str(writer))]
    )
    client.log_text(run_id, str(writer), f"{writer}.txt")


def _assert_nothing_lost(client: MlflowClient, run_id: str) -> None:
    data = client.get_run(run_id).data
    for writer in range(WRITERS):
        assert data.params[f"p-{writer}"] == data.tags[f"t-{writer}"] == str(writer)
        assert data.metrics[f"own-{writer}"] == 9
        assert len(client.get_metric_history(run_id, f"own-{writer}")) == 10
    expected = sorted(writer * 100 + step for writer in range(WRITERS) for step in range(10))
    assert sorted(m.step for m in client.get_metric_history(run_id, "shared")) == expected
    assert data.metrics["shared"] == expected[-1]
    assert len(client.list_artifacts(run_id)) == WRITERS


def test_many_threads_write_to_one_run(server: LocalCairn, client: MlflowClient, experiment: str) -> None:
    run_id = client.create_run(experiment).info.run_id
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda writer: _write_many(server.uri, run_id, writer), range(WRITERS)))
    _assert_nothing_lost(client, run_id)


def test_many_processes_write_to_one_run(server: LocalCairn, client: MlflowClient, experiment: str) -> None:
    run_id = client.create_run(experiment).info.run_id
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        jobs = [pool.submit(_write_many, server.uri, run_id, writer) for writer in range(WRITERS)]
        for job in jobs:
            job.result(timeout=120)
    _assert_nothing_lost(client, run_id)


def test_two_servers_on_one_folder_lose_nothing(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with local_cairn("--data", data) as one, local_cairn("--data", data) as other:
        client = MlflowClient(tracking_uri=one.uri)
        run_id = client.create_run("0").info.run_id
        uris = [one.uri, other.uri] * (WRITERS // 2)
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda writer: _write_many(uris[writer], run_id, writer), range(WRITERS)))
        _assert_nothing_lost(client, run_id)
        _assert_nothing_lost(MlflowClient(tracking_uri=other.uri), run_id)


def test_many_clients_create_and_search_at_once(
    server: LocalCairn, client: MlflowClient, experiment: str
) -> None:
    def train(number: int) -> tuple[str, int]:
        own = MlflowClient(tracking_uri=server.uri)
        run_id: Any = own.create_run(experiment, tags={"number": str(number)}).info.run_id
        own.log_metric(run_id, "score", number)
        found = own.search_runs([experiment], f"tags.number = '{number}' AND metrics.score = {number}")
        own.set_terminated(run_id)
        return run_id, len(found)

    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        results = list(pool.map(train, range(3 * WRITERS)))
    assert [count for _, count in results] == [1] * len(results)  # a search reads its own writes
    runs = client.search_runs([experiment], order_by=["metrics.score ASC"])
    assert [run.info.run_id for run in runs] == [run_id for run_id, _ in results]
