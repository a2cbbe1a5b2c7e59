"""Try twelve settings of gradient boosting, each a child of one parent run, and ask for the best.

export MLFLOW_TRACKING_URI=http://127.0.0.1:5000
python examples/search_hyperparameters.py
"""

from itertools import product

import mlflow
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

EXPERIMENT = "diabetes"
RATES, DEPTHS, TREES = (0.03, 0.1, 0.3), (1, 2), (50, 150)


def main() -> None:
    data = load_diabetes()
    train_x, test_x, train_y, test_y = train_test_split(data.data, data.target, random_state=3)

    experiment = mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name="grid") as parent:
        mlflow.log_params({"rates": RATES, "depths": DEPTHS, "trees": TREES})
        for rate, depth, trees in product(RATES, DEPTHS, TREES):
            with mlflow.start_run(run_name=f"rate={rate} depth={depth} trees={trees}", nested=True):
                settings = {"learning_rate": rate, "max_depth": depth, "n_estimators": trees}
                mlflow.log_params(settings)
                model = GradientBoostingRegressor(**settings, random_state=3).fit(train_x, train_y)
                predicted = model.predict(test_x)
                mlflow.log_metrics(
                    {
                        "mae": mean_absolute_error(test_y, predicted),
                        "r2": r2_score(test_y, predicted),
                    }
                )

        children = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
        best = mlflow.search_runs(
            [experiment.experiment_id],
            filter_string=f"{children} AND metrics.r2 > 0",
            order_by=["metrics.mae ASC"],
            output_format="list",
        )[0]
        mlflow.set_tag("best_run", best.info.run_id)
        mlflow.log_metric("best_mae", best.data.metrics["mae"])
    print(f"best of 12: {best.info.run_name}, mean absolute error {best.data.metrics['mae']:.1f}")


if __name__ == "__main__":
    main()
