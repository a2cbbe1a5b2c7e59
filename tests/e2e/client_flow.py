"""What a training script does with the stock MLflow client; prints what it read back, as one JSON object.

It runs in a process of its own: the client reads its environment once, and knows nothing of the test.
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag


def main() -> None:
    client = MlflowClient()
    seen: dict[str, object] = {"default": client.get_experiment("0").name}
    experiment_id = client.create_experiment("flights", tags={"team": "ml"})
    mlflow.set_experiment("flights")
    with mlflow.start_run(run_name="first", tags={"kind": "baseline"}) as run:
        mlflow.log_params({"depth": 3, "rate": 0.1})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"accuracy": 0.9, "broken": math.nan})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "notes.txt"
            path.write_text("kept in S3")
            mlflow.log_artifact(str(path))
    with mlflow.start_run(run_name="second") as worse:
        mlflow.log_metric("accuracy", 0.5)
    batch = client.create_run("0")
    metrics = [Metric(f"m{n}", float(n), 1, 0) for n in range(20)]
    client.log_batch(batch.info.run_id, metrics, [Param("p", "v")], [RunTag("t", "v")])
    client.set_terminated(batch.info.run_id)

    found = client.get_run(run.info.run_id)
    seen["status"] = found.info.status
    seen["params"] = found.data.params
    seen["accuracy"] = found.data.metrics["accuracy"]
    seen["broken is NaN"] = math.isnan(found.data.metrics["broken"])
    seen["history"] = [m.value for m in client.get_metric_history(run.info.run_id, "loss")]
    better = client.search_runs([experiment_id], "metrics.accuracy > 0.6 and tags.kind = 'baseline'")
    seen["better"] = [r.info.run_name for r in better]
    ordered = client.search_runs([experiment_id], order_by=["metrics.accuracy ASC"])
    seen["ordered"] = [r.info.run_name for r in ordered]
    seen["experiments"] = sorted(e.name for e in client.search_experiments(filter_string="name LIKE 'fl%'"))
    seen["batch"] = len(client.get_run(batch.info.run_id).data.metrics)
    seen["artifact uri"] = found.info.artifact_uri
    seen["artifacts"] = [file.path for file in client.list_artifacts(run.info.run_id)]
    seen["text"] = mlflow.artifacts.load_text(f"{found.info.artifact_uri}/notes.txt")
    client.delete_run(worse.info.run_id)
    seen["after the deletion"] = [r.info.run_name for r in client.search_runs([experiment_id])]
    client.restore_run(worse.info.run_id)
    seen["restored"] = client.get_run(worse.info.run_id).info.lifecycle_stage
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
