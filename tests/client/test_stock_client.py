"""MLflow's own client with the plugin: through a front that checks every signature, to ``cairn local``."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from mlflow_cairn import creation
from mlflow_cairn.provider import CairnAuthProvider
from tests.client.front import Front, front
from tests.client.shell import enter_shell
from tests.e2e.local_cairn import local_cairn


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    with ExitStack() as stack:
        server = stack.enter_context(local_cairn("--data", str(folder / "data")))
        yield stack.enter_context(front(server.uri, folder))


@pytest.fixture
def gateway(shared: Front, monkeypatch: pytest.MonkeyPatch) -> Front:
    enter_shell(monkeypatch, shared, MLFLOW_TRACKING_AUTH="cairn", MLFLOW_CAIRN_HOSTS=shared.uri)
    shared.losses = 0
    return shared


def test_everything_a_training_does_is_signed_rightly(gateway: Front, tmp_path: Path) -> None:
    client = MlflowClient(gateway.uri)
    experiment = client.create_experiment("flights & trains", tags={"team": "m l"})
    assert client.get_experiment_by_name("flights & trains").experiment_id == experiment
    run_id = client.create_run(experiment, run_name="a b+c").info.run_id
    client.log_batch(run_id, [Metric("loss", 0.5, 1, 0), Metric("m/ü x", 1.0, 1, 0)], [Param("p", "v w")])
    assert [m.value for m in client.get_metric_history(run_id, "m/ü x")] == [1.0]
    found = client.search_runs([experiment], "params.p = 'v w'", order_by=["metrics.loss ASC"])
    assert [run.info.run_id for run in found] == [run_id]
    for name in ("model one", "model two"):
        client.create_registered_model(name, tags={"stage of": "x y"})
    models = client.search_registered_models("name LIKE 'model %'", order_by=["name DESC"])
    assert [model.name for model in models] == ["model two", "model one"]
    client.register_prompt("greeting", "Hello {{name}}")
    assert [prompt.name for prompt in client.search_prompts("name = 'greeting'")] == ["greeting"]

    (tmp_path / "empty.txt").touch()
    (tmp_path / "größe 100% (1)+.bin").write_bytes(os.urandom(300_000))
    (tmp_path / "big.bin").write_bytes(os.urandom(9 * 2**20))
    client.log_artifacts(run_id, str(tmp_path), "some files")
    names = sorted(file.name for file in tmp_path.iterdir())
    assert sorted(f.path for f in client.list_artifacts(run_id, "some files")) == [
        f"some files/{name}" for name in names
    ]
    (tmp_path / "down").mkdir()
    down = Path(client.download_artifacts(run_id, "some files", str(tmp_path / "down")))
    assert {n: (down / n).read_bytes() == (tmp_path / n).read_bytes() for n in names} == dict.fromkeys(
        names, True
    )
    assert gateway.refused == []
    assert len(gateway.seen) > 20


def test_without_the_plugin_the_front_refuses(gateway: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_AUTH")
    with pytest.raises(MlflowException, match="no signature"):
        MlflowClient(gateway.uri).get_experiment("0")


def test_a_host_that_nobody_named_gets_nothing(gateway: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_CAIRN_HOSTS")
    with pytest.raises(MlflowException, match="does not sign requests"):
        MlflowClient(gateway.uri).get_experiment("0")
    assert gateway.seen == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", gateway.uri)
    assert MlflowClient(gateway.uri).get_experiment("0").name == "Default"


def _experiment(client: MlflowClient) -> object:
    return client.create_experiment("lost")


def _prompt(client: MlflowClient) -> object:
    return client.create_prompt("lost prompt").name


def _run(client: MlflowClient) -> object:
    return client.create_run("0", tags={"which": "lost"}).info.run_id


def _logged_model(client: MlflowClient) -> object:
    return client.create_logged_model("0", name="lost").model_id


def _registered_model(client: MlflowClient) -> object:
    return client.create_registered_model("lost").name


def _version(client: MlflowClient) -> object:
    run = client.search_runs(["0"], max_results=1)[0].info
    return client.create_model_version("versions", f"{run.artifact_uri}/model", run.run_id).version


def _count(client: MlflowClient) -> dict[str, int]:
    return {
        "experiments": len(client.search_experiments(filter_string="name = 'lost'")),
        "prompts": len(client.search_prompts("name = 'lost prompt'")),
        "runs": len(client.search_runs(["0"], "tags.which = 'lost'")),
        "logged models": len(client.search_logged_models(["0"], "name = 'lost'")),
        "models": len(client.search_registered_models("name = 'lost'")),
        "versions": len(client.search_model_versions("name = 'versions'")),
    }


PATHS = creation.CREATES
CREATES = {
    "experiments": _experiment,
    "prompts": _prompt,
    "runs": _run,
    "logged models": _logged_model,
    "models": _registered_model,
    "versions": _version,
}


@pytest.mark.parametrize("kind", CREATES)
def test_a_create_whose_answer_was_lost_makes_one(
    kind: str, gateway: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    client = MlflowClient(gateway.uri)
    if kind == "versions":
        client.create_registered_model("versions")
        client.create_run("0")
    before = _count(client)[kind]
    gateway.losses = 2
    gateway.seen.clear()
    create: Callable[[MlflowClient], object] = CREATES[kind]
    assert create(client)
    posts = [seen for seen in gateway.seen if seen.method == "POST" and seen.path.endswith(PATHS)]
    assert len({seen.headers["idempotency-key"] for seen in posts}) == 1
    assert (len(posts), gateway.losses, gateway.refused) == (3, 0, [])
    assert _count(client)[kind] == before + 1


def test_two_creates_of_one_client_make_two(gateway: Front) -> None:
    client = MlflowClient(gateway.uri)
    assert _run(client) != _run(client)


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (307, "PUT")])
@pytest.mark.parametrize("tls", [True, False])
def test_a_redirect_is_followed_without_a_signature(
    status: int, method: str, tls: bool, gateway: Front, tmp_path: Path
) -> None:
    """To another host, and to the same one, whose signature it would not be either."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(10_000))
    with front(None) as stranger:
        goal = gateway if tls else stranger
        gateway.redirects = {"/here": (status, f"{goal.uri}/there?X-Amz-Signature=presigned")}
        with path.open("rb") as file:
            requests.request(
                method,
                f"{gateway.uri}/here",
                data=file if method == "PUT" else None,
                auth=CairnAuthProvider().get_auth(),
                verify=str(gateway.certificate),
                timeout=10,
            )
        gateway.redirects = {}
        (asked,) = [seen for seen in goal.seen if seen.path == "/there"]
    assert not [name for name in asked.headers if name.startswith(("x-amz", "authorization", "idemp"))]
    assert asked.body == (path.read_bytes() if method == "PUT" else b"")
