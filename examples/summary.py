"""Show what a tracking server holds: a line for each experiment, with its best run, and links to those.

export MLFLOW_TRACKING_URI=http://127.0.0.1:5000
python examples/summary.py
"""

import mlflow
from mlflow import MlflowClient

GOALS = {
    "wine": "metrics.test_accuracy DESC",
    "diabetes": "metrics.mae ASC",
    "digits": "metrics.test_accuracy DESC",
}
"""By experiment, the order that puts its best run first."""

LINE = "{:<12} {:>5} {:>7}  {:<34} {}"


def main() -> None:
    client = MlflowClient()
    links = []
    print(LINE.format("experiment", "runs", "models", "best run", "by"))
    for experiment in sorted(client.search_experiments(), key=lambda e: int(e.experiment_id)):
        ids = [experiment.experiment_id]
        runs = client.search_runs(ids)
        models = client.search_logged_models(ids)
        name, score = "-", ""
        if experiment.name in GOALS and runs:
            goal = GOALS[experiment.name]
            metric = goal.split()[0].removeprefix("metrics.")
            best = client.search_runs(ids, filter_string=f"metrics.{metric} >= 0", order_by=[goal])[0]
            name, score = best.info.run_name, f"{metric} {best.data.metrics[metric]:.3f}"
            page = f"#/experiments/{experiment.experiment_id}/runs/{best.info.run_id}"
            links.append(f"{mlflow.get_tracking_uri()}/{page}")
        print(LINE.format(experiment.name, len(runs), len(models), name, score))
    print("\nThe best runs in the UI:", *links, sep="\n  ")


if __name__ == "__main__":
    main()
