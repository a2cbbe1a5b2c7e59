"""MLflow's request messages (service.proto and mlflow_artifacts.proto of MLflow 3.17), by aggregate."""
