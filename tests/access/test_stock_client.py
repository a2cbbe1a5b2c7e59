"""MLflow's own client as an account that was granted a model, and not the experiment it came from."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

from cairn.domain.access import Permission
from tests.access.served import served
from tests.access.worlds import GUEST, World, named
from tests.e2e.local_cairn import QUIET


@pytest.mark.filterwarnings("ignore")  # MLflow's own: of model files, of missing examples
def test_a_granted_model_is_downloaded_and_loaded(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)

    def become(uri: str) -> None:
        """By the environment: what ``mlflow.set_tracking_uri`` sets outlasts a test."""
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)

    with served(world.of()) as owner, served(world.of(GUEST)) as guest:
        become(owner)
        experiment = mlflow.create_experiment("secret")
        model = LinearRegression().fit([[1.0], [2.0], [3.0]], [2.0, 4.0, 6.0])
        with mlflow.start_run(experiment_id=experiment) as run:
            logged = mlflow.sklearn.log_model(
                model, name="model", registered_model_name="fraud detector", pip_requirements=[]
            )
        mlflow.register_model(f"runs:/{run.info.run_id}/model", "fraud detector")

        become(guest)
        with pytest.raises(MlflowException, match="fraud detector not found"):
            mlflow.artifacts.download_artifacts("models:/fraud detector/1", dst_path=str(tmp_path))
        world.grant(GUEST, Permission.READ, named("models", "fraud detector"))
        for number in ("1", "2"):
            version = MlflowClient().get_model_version("fraud detector", number)
            assert version.source == f"mlflow-artifacts:/model-versions/fraud=20detector/{number}"
            assert not version.run_id
            folder = tmp_path / number
            folder.mkdir()
            uri = f"models:/fraud detector/{number}"
            down = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
            assert (down / "MLmodel").stat().st_size > 0
            found = mlflow.pyfunc.load_model(uri).predict([[1.0]])
            assert round(float(found[0]), 6) == 2.0

        refused: list[Callable[[], object]] = [
            lambda: mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model"),
            lambda: mlflow.pyfunc.load_model(f"models:/{logged.model_id}"),
            lambda: MlflowClient().get_run(run.info.run_id),
            lambda: MlflowClient().list_artifacts(run.info.run_id),
            lambda: MlflowClient().get_experiment(experiment),
        ]
        for call in refused:
            with pytest.raises(MlflowException, match=r"not found|No Experiment"):
                call()
