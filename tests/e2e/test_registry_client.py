"""The stock MLflow client and the model registry of a real ``cairn local``: models, aliases, prompts."""

from collections.abc import Iterator

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

from tests.e2e.local_cairn import QUIET, LocalCairn, local_cairn


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCairn]:
    with local_cairn("--data", str(tmp_path_factory.mktemp("cairn"))) as server:
        yield server


@pytest.fixture
def client(server: LocalCairn, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """By the environment: what ``mlflow.set_tracking_uri`` sets outlasts a test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", server.uri)
    return MlflowClient()


def _train(slope: float, name: str) -> str:
    """Log and register a model y = slope * x; its run."""
    model = LinearRegression().fit([[1.0], [2.0], [3.0]], [slope, 2 * slope, 3 * slope])
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(model, name="model", registered_model_name=name, pip_requirements=[])
    return str(run.info.run_id)


def _slope(uri: str) -> float:
    return round(float(mlflow.pyfunc.load_model(uri).predict([[1.0]])[0]), 6)


@pytest.mark.filterwarnings("ignore")  # MLflow's own: of stages, of model files, of missing examples
def test_models_are_registered_moved_and_loaded(client: MlflowClient) -> None:
    runs = [_train(slope, "fraud") for slope in (2.0, 3.0)]
    client.set_registered_model_alias("fraud", "champion", "1")
    assert _slope("models:/fraud@champion") == 2.0
    client.set_registered_model_alias("fraud", "champion", "2")
    assert _slope("models:/fraud@champion") == 3.0
    assert _slope("models:/fraud/1") == 2.0
    assert _slope("models:/fraud/latest") == 3.0
    assert _slope(f"runs:/{runs[0]}/model") == 2.0

    client.transition_model_version_stage("fraud", "1", "Production")
    client.transition_model_version_stage("fraud", "2", "Production", archive_existing_versions=True)
    assert client.get_model_version("fraud", "1").current_stage == "Archived"
    assert _slope("models:/fraud/Production") == 3.0

    copy = client.copy_model_version("models:/fraud@champion", "fraud-prod")
    assert (str(copy.version), copy.run_id) == ("1", runs[1])
    assert _slope("models:/fraud-prod/1") == 3.0

    found = client.search_model_versions(f"run_id = '{runs[1]}'")
    assert {(one.name, str(one.version)) for one in found} == {("fraud", "2"), ("fraud-prod", "1")}
    assert [one.name for one in client.search_registered_models("name LIKE 'fraud%'")] == [
        "fraud",
        "fraud-prod",
    ]
    registered = mlflow.register_model(f"runs:/{runs[0]}/model", "again")
    assert _slope(f"models:/again/{registered.version}") == 2.0

    client.rename_registered_model("fraud", "fraud-old")
    assert _slope("models:/fraud-old@champion") == 3.0
    client.delete_registered_model_alias("fraud-old", "champion")
    with pytest.raises(MlflowException, match="alias champion not found"):
        client.get_model_version_by_alias("fraud-old", "champion")
    client.delete_model_version("fraud-old", "1")
    client.delete_registered_model("fraud-old")
    assert [one.name for one in client.search_registered_models()] == ["again", "fraud-prod"]


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_prompts_are_registered_and_loaded(client: MlflowClient) -> None:
    first = mlflow.genai.register_prompt("greeting", "Hello {{name}}", tags={"team": "a"})
    second = mlflow.genai.register_prompt(
        "greeting", [{"role": "user", "content": "Hi {{name}}"}], commit_message="chat"
    )
    assert (first.version, second.version) == (1, 2)
    mlflow.genai.set_prompt_alias("greeting", "live", 1)
    assert mlflow.genai.load_prompt("prompts:/greeting@live").format(name="Ada") == "Hello Ada"
    mlflow.genai.set_prompt_alias("greeting", "live", 2)
    with mlflow.start_run() as run:
        loaded = mlflow.genai.load_prompt("prompts:/greeting/2")
        assert loaded.format(name="Ada") == [{"role": "user", "content": "Hi Ada"}]
    assert "greeting" in client.get_run(run.info.run_id).data.tags["mlflow.linkedPrompts"]
    assert [prompt.name for prompt in mlflow.genai.search_prompts()] == ["greeting"]
    assert "greeting" not in [one.name for one in client.search_registered_models()]
    assert mlflow.genai.load_prompt("nobody", allow_missing=True) is None
    with pytest.raises(MlflowException, match="already taken by a prompt"):
        client.create_registered_model("greeting")
