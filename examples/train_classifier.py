"""Train a random forest on the wine data, let autolog note everything, register the model, make it the
champion, and predict with what that alias names. (quality_gate/ asks first whether it is better.)

export MLFLOW_TRACKING_URI=http://127.0.0.1:5000
python examples/train_classifier.py
"""

import matplotlib as mpl
import mlflow
from mlflow.data import from_pandas
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

mpl.use("Agg")  # draw to files, no window

EXPERIMENT = "wine"
MODEL = "wine"


def main() -> None:
    wine = load_wine(as_frame=True).frame.astype(float)
    train, test = train_test_split(wine, test_size=0.3, random_state=7, stratify=wine["target"])
    features, target = train.drop(columns="target"), train["target"]
    test_features, test_target = test.drop(columns="target"), test["target"]

    mlflow.set_experiment(EXPERIMENT)
    mlflow.sklearn.autolog(log_datasets=False)  # logged below, under its name
    with mlflow.start_run(run_name="random-forest") as run:
        dataset = from_pandas(train, name="wine", targets="target")
        mlflow.log_input(dataset, context="training")

        forest = RandomForestClassifier(n_estimators=20, max_depth=2, random_state=7)
        forest.fit(features, target)  # autolog: parameters, training metrics, the model

        accuracy = forest.score(test_features, test_target)
        mlflow.log_metric("test_accuracy", accuracy)
        chart = ConfusionMatrixDisplay.from_estimator(forest, test_features, test_target)
        mlflow.log_figure(chart.figure_, "confusion_matrix.png")
        mlflow.set_tag("stage", "example")

    model_uri = mlflow.search_logged_models(
        filter_string=f"source_run_id = '{run.info.run_id}'", output_format="list"
    )[0].model_uri
    version = mlflow.register_model(model_uri, MODEL).version
    mlflow.MlflowClient().set_registered_model_alias(MODEL, "champion", version)

    champion = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    predicted = champion.predict(test_features)
    right = int((predicted == test_target).sum())
    print(f"test accuracy {accuracy:.3f}; registered as {MODEL} version {version}, now @champion")
    print(f"models:/{MODEL}@champion loaded back: {right} of {len(test)} predictions right")


if __name__ == "__main__":
    main()
