"""What a consumer's training job does in an experiment of another account: MLflow's client alone.

It needs MLFLOW_TRACKING_URI and AWS credentials. With READ it lists what is there; with WRITE it logs a run
as well.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.exceptions import MlflowException


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", help="by name, such as fraud/eu")
    options = parser.parse_args()
    names = [found.name for found in mlflow.search_experiments()]
    print(f"I see {len(names)} experiments: {', '.join(names) or 'none is shared with me'}")
    found = mlflow.get_experiment_by_name(options.experiment)
    if found is None:
        print(f"There is no experiment {options.experiment} for me.")
        return 1
    runs = mlflow.search_runs([found.experiment_id], output_format="list", max_results=10)
    print(f"{options.experiment} has runs: {', '.join(run.info.run_name for run in runs) or 'none'}")
    try:
        mlflow.set_experiment(experiment_id=found.experiment_id)
        with mlflow.start_run(run_name="from the other account") as run, TemporaryDirectory() as folder:
            mlflow.log_params({"depth": 3})
            for step in range(10):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            notes = Path(folder) / "notes.txt"
            notes.write_text("written by a presigned URL\n")
            mlflow.log_artifact(str(notes))
    except MlflowException as refused:
        print(f"I may look, and not write: {refused.message}")
        return 3
    print(f"I logged {run.info.run_id}, and read back: {mlflow.artifacts.load_text(notes_of(run)).strip()}")
    return 0


def notes_of(run: mlflow.ActiveRun) -> str:
    return f"runs:/{run.info.run_id}/notes.txt"


if __name__ == "__main__":
    sys.exit(main())
