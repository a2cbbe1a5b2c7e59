"""Which Cairn this is, and which MLflow."""

CAIRN_VERSION = "0.1.0"
"""As in pyproject.toml, which a deployed function does not have."""

MLFLOW_VERSION = "3.17.2"
"""The MLflow whose API and UI are served. Clients send spans by OTLP to a server of 3.4 or later."""
