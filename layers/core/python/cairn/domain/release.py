"""Which MLflow this is."""

MLFLOW_VERSION = "3.17.2"
"""The MLflow whose API and UI are served. Clients send spans by OTLP to a server of 3.4 or later."""
