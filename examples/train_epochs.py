"""Train a small neural network epoch by epoch: losses by step, a checkpoint, the final model.

export MLFLOW_TRACKING_URI=http://127.0.0.1:5000
python examples/train_epochs.py
"""

import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

EXPERIMENT = "digits"
EPOCHS = 30


def main() -> None:
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        digits.data / 16.0, digits.target, random_state=11, stratify=digits.target
    )
    classes = np.unique(train_y)
    network = MLPClassifier(hidden_layer_sizes=(48,), learning_rate_init=0.005, random_state=11)

    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name="mlp-48") as run:
        mlflow.log_params({"hidden": 48, "learning_rate": 0.005, "epochs": EPOCHS})
        for epoch in range(EPOCHS):
            network.partial_fit(train_x, train_y, classes=classes)
            mlflow.log_metrics(
                {
                    "train_loss": log_loss(train_y, network.predict_proba(train_x)),
                    "test_loss": log_loss(test_y, network.predict_proba(test_x)),
                    "test_accuracy": accuracy_score(test_y, network.predict(test_x)),
                },
                step=epoch,
            )
        mlflow.log_dict({"coefficients": network.coefs_[1].tolist()}, "checkpoints/last_layer.json")
        model = mlflow.sklearn.log_model(
            network,
            name="digits-mlp",
            signature=infer_signature(test_x, network.predict(test_x)),
            pip_requirements=["scikit-learn"],
            skops_trusted_types=["sklearn.neural_network._stochastic_optimizers.AdamOptimizer"],
        )

    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "test_loss")
    loaded = mlflow.pyfunc.load_model(model.model_uri)
    accuracy = accuracy_score(test_y, loaded.predict(test_x))
    print(
        f"{len(history)} epochs, test loss {history[0].value:.2f} -> {history[-1].value:.2f}; "
        f"the model loaded back is {accuracy:.1%} accurate"
    )


if __name__ == "__main__":
    main()
