"""What the browser tests look at, logged by the stock client: prints the ids of the runs and
of the model."""

import sys
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from PIL import Image

HOSTILE = "document.documentElement.dataset.stolen = 1; top.document.title = 'stolen'"
"""What an artifact of bad intent would do first: write to the page that shows it."""

LINES = 200_000
"""Of the large file, which are some 5 MB."""


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any) -> Any:
        return model_input


def main(uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("churn")
    run_ids, model_id = [], ""
    for number in range(3):
        with mlflow.start_run(run_name=f"run-{number}") as run:
            run_ids.append(run.info.run_id)
            log_training(number)
            if number == 0:
                log_artifacts()
                model_id = log_model()
    MlflowClient().set_registered_model_alias("churn-model", "champion", "1")
    mlflow.genai.register_prompt(name="greeting", template="Hello {{name}}, how is {{place}}?")
    sys.stdout.write(f"{' '.join([*run_ids, model_id])}\n")


def log_training(number: int) -> None:
    """The number of the run tells its values."""
    mlflow.log_params({"lr": 0.1 * (number + 1), "depth": number})
    mlflow.set_tag("team", "growth")
    for step in range(20):
        loss, accuracy = 1 / (step + 1 + number), 0.5 + number * 0.1 + step * 0.01
        mlflow.log_metrics({"loss": loss, "acc": accuracy}, step=step)
    mlflow.log_metrics({"system/cpu_utilization_percentage": 12.0}, step=0)
    mlflow.log_text("hello cairn\n", "notes/readme.txt")  # comparing with a run of no file fails in the UI
    people = pd.DataFrame({"city": ["Bern", "Basel"], "people": [134_000, 177_000]})
    mlflow.log_input(mlflow.data.from_pandas(people, name="cities"), context="training")


def log_artifacts() -> None:
    """One of each kind that the UI previews."""
    mlflow.log_text("city,people\nBern,134000\nBasel,177000\n", "cities.csv")
    mlflow.log_table({"question": ["why so?"], "answer": ["because"]}, "answers.json")
    mlflow.log_image(Image.fromarray(np.full((9, 16, 3), 90, np.uint8)), "grey.png")
    mlflow.log_text("".join(f"line {line} of very many\n" for line in range(LINES)), "large.txt")
    mlflow.log_text(f"<h1>a page</h1><script>{HOSTILE}</script>", "page.html")
    size = 'width="90" height="60" viewBox="0 0 9 9"'
    shapes = f'<rect width="9" height="9" fill="teal"/><script>{HOSTILE}</script>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size} onload="{HOSTILE}">{shapes}</svg>'
    mlflow.log_text(svg, "drawing.svg")


def log_model() -> str:
    """Registered, with a metric and a param of its own."""
    model = mlflow.pyfunc.log_model(
        name="model",
        python_model=Echo(),
        registered_model_name="churn-model",
        pip_requirements=[],
        params={"flavour": "plain"},
    )
    mlflow.log_metric("quality", 0.875, model_id=model.model_id)
    return model.model_id


if __name__ == "__main__":
    main(sys.argv[1])
