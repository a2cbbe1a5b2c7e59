"""MLflow's own client by the ARN of a share's parameter; and beside SageMaker's plugin, which has ARNs."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking.registry import StoreRegistry

from mlflow_cairn import arn as arns
from mlflow_cairn import cli, shared
from mlflow_cairn.arn import ByService, stay
from tests.client import old_mlflow
from tests.client.deployed import Deployed, deployed
from tests.client.front import REGION, front
from tests.client.shell import enter_shell

ARN = f"arn:aws:ssm:{REGION}:111122223333:parameter/cairn/prod/shares/fraud"
SAGEMAKER = f"arn:aws:sagemaker:{REGION}:111122223333:mlflow-tracking-server/lab"


class Ssm:
    """A Systems Manager that has one parameter, and who asked it for what."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self.asked: list[str] = []
        self.uri = ""

    def point(self, url: str, region: str = REGION) -> None:
        self.value = {"version": 1, "url": url, "region": region, "share": "fraud"}

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.asked.append(f"{handler.headers['X-Amz-Target']} {body['Name']}")
        parameter = {"Name": body["Name"], "Type": "String", "Value": json.dumps(self.value)}
        content = json.dumps({"Parameter": parameter}).encode()
        if not self.value:
            content = b'{"__type": "AccessDeniedException", "message": "not shared with you"}'
        handler.send_response(200 if self.value else 400)
        handler.send_header("Content-Type", "application/x-amz-json-1.1")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def systems_manager() -> Iterator[Ssm]:
    state = Ssm()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.uri = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployed, Ssm]]:
    with deployed(tmp_path_factory.mktemp("deployed")) as server, systems_manager() as ssm:
        yield server, ssm


@pytest.fixture
def share(started: tuple[Deployed, Ssm], monkeypatch: pytest.MonkeyPatch) -> tuple[Deployed, Ssm]:
    """The consumer's machine: an ARN and credentials, and a host that stands for API Gateway's."""
    server, ssm = started
    there = {"MLFLOW_TRACKING_URI": ARN, "MLFLOW_CAIRN_HOSTS": server.uri, "AWS_ENDPOINT_URL_SSM": ssm.uri}
    enter_shell(monkeypatch, server, **there)
    ssm.point(server.uri)
    ssm.asked.clear()
    shared.parameters.cache_clear()
    return server, ssm


def test_everything_works_by_the_arn_alone(share: tuple[Deployed, Ssm], tmp_path: Path) -> None:
    from mlflow.genai.scorers import list_scorers

    server, ssm = share
    client = MlflowClient()
    experiment = client.create_experiment("by arn")
    run = client.create_run(experiment).info
    client.log_metric(run.run_id, "loss", 0.5)
    assert [found.info.run_id for found in client.search_runs([experiment], "metrics.loss < 1")] == [
        run.run_id
    ]
    client.create_registered_model("by arn", tags={"a b": "c"})
    assert [model.name for model in client.search_registered_models("name LIKE 'by %'")] == ["by arn"]
    (tmp_path / "ü 1").write_bytes(os.urandom(100_000))
    client.log_artifact(run.run_id, str(tmp_path / "ü 1"), "some files")
    assert [file.path for file in client.list_artifacts(run.run_id, "some files")] == ["some files/ü 1"]
    (tmp_path / "down").mkdir()
    down = client.download_artifacts(run.run_id, "some files/ü 1", str(tmp_path / "down"))
    assert Path(down).read_bytes() == (tmp_path / "ü 1").read_bytes()
    assert list_scorers(experiment_id=experiment) == []
    assert server.refused == []
    assert all("idempotency-key" in seen.headers for seen in server.seen if seen.path.endswith("/create"))
    assert ssm.asked == [f"AmazonSSM.GetParameter {ARN}"], "once in a process"


def test_the_region_is_the_parameters_and_not_the_consumers(
    share: tuple[Deployed, Ssm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server, _ = share
    assert MlflowClient().get_experiment("0").name == "Default"
    assert f"/{REGION}/execute-api/" in server.seen[-1].headers["authorization"]


@pytest.mark.parametrize("module", ["arn", "provider", "server"])
def test_any_part_of_the_plugin_may_be_imported_first(module: str) -> None:
    """MLflow loads the plugin while it starts, also when a part of the plugin made it start."""
    script = (
        f"import mlflow_cairn.{module}\n"
        "from mlflow.tracking._tracking_service.utils import _tracking_store_registry as registry\n"
        "assert type(registry._registry['arn']).__module__ == 'mlflow_cairn.arn'"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_the_command_takes_the_arn_too(
    share: tuple[Deployed, Ssm], capsys: pytest.CaptureFixture[str]
) -> None:
    server, _ = share
    assert cli.main(["whoami"]) == 0
    said = capsys.readouterr().out
    assert "arn:aws:iam::123456789012:role/Train" in said
    assert server.uri in said


def test_a_parameter_that_leads_to_a_stranger_is_not_followed(share: tuple[Deployed, Ssm]) -> None:
    server, ssm = share
    with front(None) as stranger:
        for url in (stranger.uri, stranger.uri.replace("http:", "https:"), f"{server.uri}@127.0.0.1"):
            ssm.point(url)
            shared.parameters.cache_clear()
            with pytest.raises(MlflowException, match="is not followed"):
                MlflowClient(f"{ARN}-{abs(hash(url))}").get_experiment("0")
        assert stranger.seen == []
    ssm.point(server.uri, "us-east-1")
    with pytest.raises(MlflowException, match="is not followed"):
        MlflowClient(f"{ARN}-elsewhere").get_experiment("0")
    assert server.seen == []


def test_a_parameter_that_is_not_shared_is_said_so(share: tuple[Deployed, Ssm]) -> None:
    _, ssm = share
    ssm.value = {}
    with pytest.raises(MlflowException, match="accepted its resource share"):
        MlflowClient(f"{ARN}-pending").get_experiment("0")


def test_a_redirect_is_not_signed_anew(share: tuple[Deployed, Ssm]) -> None:
    server, _ = share
    with front(None) as stranger:
        path = "/api/2.0/mlflow/experiments/get"
        server.moved = {path: (302, f"{stranger.uri}/there")}
        try:
            MlflowClient().get_experiment("0")
        except MlflowException:
            pass  # what the stranger answers is no experiment
        finally:
            server.moved = {}
        (asked,) = stranger.seen
    assert not [name for name in asked.headers if name.startswith(("x-amz", "authorization", "idemp"))]


def theirs(store_uri: str, **_: object) -> tuple[str, str]:
    return "sagemaker", store_uri


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_whichever_plugin_is_loaded_last_each_has_its_arns(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Entry:
        def load(self) -> Callable[..., object]:
            return theirs

    class Registry(StoreRegistry):
        pass

    stay(Registry)
    ours = ByService("mlflow.tracking_store", lambda store_uri, **_: ("cairn", store_uri))
    registry = Registry("mlflow.tracking_store")
    for builder in (ours, theirs) if first == "ours" else (theirs, ours):
        registry.register("arn", builder)
    registry.register("https", theirs)
    monkeypatch.setattr(arns, "entry_points", lambda **_: [Entry()])
    assert registry.get_store_builder(ARN)(store_uri=ARN, artifact_uri=None) == ("cairn", ARN)
    assert registry.get_store_builder(SAGEMAKER)(store_uri=SAGEMAKER) == ("sagemaker", SAGEMAKER)
    assert registry.get_store_builder("https://x")(store_uri="https://x") == ("sagemaker", "https://x")


def test_without_the_other_plugin_its_arns_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arns, "entry_points", lambda **_: [])
    with pytest.raises(MlflowException, match="sagemaker-mlflow"):
        arns.tracking_store(store_uri=SAGEMAKER, artifact_uri=None)


BESIDE = """
import json, mlflow
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.tracking._model_registry.utils import _get_store as registry
from mlflow.genai.scorers.registry import _scorer_store_registry as scorers
arn, sagemaker = {arn!r}, {sagemaker!r}
print(json.dumps({{
    "ours": [type(s).__module__ for s in (_get_store(arn), registry(arn))],
    "theirs": [type(s).__module__ for s in (_get_store(sagemaker), registry(sagemaker))],
    "scorers": type(scorers._registry["arn"]).__module__,
    "name": mlflow.MlflowClient(arn).get_experiment("0").name,
}}))
"""


@pytest.mark.parametrize("python", [old_mlflow.environment], ids=["3.5 beside sagemaker-mlflow"])
def test_beside_sagemakers_plugin(python: Callable[[], Path], share: tuple[Deployed, Ssm]) -> None:
    script = BESIDE.format(arn=ARN, sagemaker=SAGEMAKER)
    ended = subprocess.run(
        [str(python()), "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert json.loads(ended.stdout.splitlines()[-1]) == {
        "ours": ["mlflow.store.tracking.rest_store", "mlflow.store.model_registry.rest_store"],
        "theirs": [
            "sagemaker_mlflow.mlflow_sagemaker_store",
            "sagemaker_mlflow.mlflow_sagemaker_registry_store",
        ],
        "scorers": "mlflow_cairn.arn",
        "name": "Default",
    }
    assert sys.executable != str(python())
