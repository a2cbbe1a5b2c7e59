"""The entry point for scorers: apart, so that nothing but MLflow's own registry of scorers imports it."""

from mlflow.genai.scorers.registry import ScorerStoreRegistry

from mlflow_cairn.arn import scorer_store, stay

stay(ScorerStoreRegistry)

__all__ = ["scorer_store"]
