"""MLflow's request messages (service.proto, mlflow_artifacts.proto of MLflow 3.17), one module per aggregate."""
