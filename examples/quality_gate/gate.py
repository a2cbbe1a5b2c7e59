"""A quality gate for CI: train, compare with the champion on data that neither has seen, register, and move
the alias only if the candidate is better.

export MLFLOW_TRACKING_URI=http://127.0.0.1:5000
python examples/quality_gate/gate.py --trees 50

Exit status: 0 the alias names the candidate now, 3 the champion stays. The candidate is registered in both
cases, with its score in its tags. Two gates of one model must not run at once (the workflow sees to it):
MLflow has no "move the alias if it still names version 4".
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import mlflow
import sklearn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

MOVED, STAYS = 0, 3

SPLIT = 20240501
"""The same in every job: what is held out today must not have been trained on by an earlier champion."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    client = MlflowClient()
    digits = load_digits()
    train_x, held_x, train_y, held_y = train_test_split(
        digits.data, digits.target, test_size=0.3, random_state=SPLIT, stratify=digits.target
    )

    mlflow.set_experiment(options.experiment)
    with mlflow.start_run():
        mlflow.log_params({"trees": options.trees, "depth": options.depth})
        forest = RandomForestClassifier(options.trees, max_depth=options.depth, random_state=1)
        forest.fit(train_x, train_y)
        score = float(accuracy_score(held_y, forest.predict(held_x)))
        mlflow.log_metric("held_out_accuracy", score)
        logged = mlflow.sklearn.log_model(
            forest,
            name="model",
            signature=infer_signature(held_x, forest.predict(held_x)),
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
            skops_trusted_types=["sklearn.tree._tree.Tree"],  # our own, from this job
        )

    champion = champion_version(client, options.model, options.alias)
    tags = {"held_out_accuracy": f"{score:.4f}", "commit": os.environ.get("GITHUB_SHA", "")}
    version = mlflow.register_model(logged.model_uri, options.model, tags=tags).version
    candidate = f"{options.model} version {version} (held-out accuracy {score:.4f})"

    if champion is None:
        client.set_registered_model_alias(options.model, options.alias, version)
        print(f"PASSED: {candidate} is the first @{options.alias}")
        return MOVED
    to_beat = score_of(f"models:/{options.model}/{champion}", held_x, held_y)
    against = f"version {champion} ({to_beat:.4f})"
    if score - to_beat > options.margin:
        client.set_registered_model_alias(options.model, options.alias, version)
        print(f"PASSED: {candidate} takes @{options.alias} from {against}")
        return MOVED
    print(f"FAILED: {candidate} does not beat @{options.alias}, {against}, by more than {options.margin}")
    return STAYS


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train, compare with the champion, move it if better.")
    parser.add_argument("--model", default="digits-gate", help="registered model (default: %(default)s)")
    parser.add_argument("--alias", default="champion", help="the alias to move (default: %(default)s)")
    parser.add_argument("--experiment", default="digits-gate", help="where the run goes")
    parser.add_argument("--trees", type=int, default=50, help="of the forest (default: %(default)s)")
    parser.add_argument("--depth", type=int, default=12, help="of each tree (default: %(default)s)")
    parser.add_argument(
        "--margin", type=float, default=0.0, help="accuracy gained must be more than this (default: 0)"
    )
    return parser.parse_args(arguments)


def champion_version(client: MlflowClient, model: str, alias: str) -> str | None:
    """The version that the alias names; None before the first one."""
    try:
        registered = client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    version = registered.aliases.get(alias)
    return None if version is None else str(version)


def score_of(model_uri: str, features: Any, target: Any) -> float:
    """Measured again, on today's data, rather than read from what was logged then."""
    return float(accuracy_score(target, mlflow.pyfunc.load_model(model_uri).predict(features)))


if __name__ == "__main__":
    sys.exit(main())
