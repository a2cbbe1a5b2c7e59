"""What a training does with whichever MLflow is installed; prints what it read back, as one JSON object.

Run by a Python of its own (``old_mlflow``), which has nothing of this project but the plugin.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories


def main() -> None:
    client = MlflowClient()
    experiment = client.create_experiment(sys.argv[1])
    run = client.create_run(experiment).info
    client.log_metric(run.run_id, "loss", 0.5)
    client.create_registered_model(f"{sys.argv[1]} model")
    found = client.search_registered_models("name LIKE '% model'", order_by=["name ASC"])
    with tempfile.TemporaryDirectory() as name:
        source, down = Path(name) / "source", Path(name) / "down"
        (source / "sub dir").mkdir(parents=True)
        down.mkdir()
        for file, size in {"empty": 0, "sub dir/ü 1": 100, "parts": 11 * 2**20}.items():
            (source / file).write_bytes(os.urandom(size))
        client.log_artifacts(run.run_id, str(source))
        client.download_artifacts(run.run_id, "", str(down))
        files = sorted(str(p.relative_to(source)) for p in source.rglob("*") if p.is_file())
        equal = [f for f in files if (source / f).read_bytes() == (down / f).read_bytes()]
    seen = {
        "mlflow": mlflow.__version__,
        "scheme": run.artifact_uri.partition(":")[0],
        "loss": client.get_run(run.run_id).data.metrics["loss"],
        "models": [model.name for model in found],
        "equal": equal,
        "s3": [base.__module__ for base in get_registered_artifact_repositories()["s3"].__mro__],
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
