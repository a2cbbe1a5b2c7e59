"""What the browser tests look at, logged by the stock client: prints the ids of the runs."""

import sys
from typing import Any

import mlflow
from mlflow import MlflowClient


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any) -> Any:
        return model_input


def main(uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("churn")
    run_ids = []
    for number in range(3):
        with mlflow.start_run(run_name=f"run-{number}") as run:
            run_ids.append(run.info.run_id)
            mlflow.log_params({"lr": 0.1 * (number + 1), "depth": number})
            mlflow.set_tag("team", "growth")
            for step in range(20):
                loss, accuracy = 1 / (step + 1 + number), 0.5 + number * 0.1 + step * 0.01
                mlflow.log_metrics({"loss": loss, "acc": accuracy}, step=step)
            mlflow.log_metrics({"system/cpu_utilization_percentage": 12.0}, step=0)
            mlflow.log_text(
                "hello cairn\n", "notes/readme.txt"
            )  # comparing with a run of no file fails in the UI
            if number == 0:
                log_artifacts()
    MlflowClient().set_registered_model_alias("churn-model", "champion", "1")
    sys.stdout.write(f"{' '.join(run_ids)}\n")


def log_artifacts() -> None:
    mlflow.log_text("city,people\nBern,134000\nBasel,177000\n", "cities.csv")
    mlflow.log_text("<h1>a page</h1><script>top.document.title = 'stolen'</script>", "page.html")
    mlflow.pyfunc.log_model(
        name="model", python_model=Echo(), registered_model_name="churn-model", pip_requirements=[]
    )


if __name__ == "__main__":
    main(sys.argv[1])
