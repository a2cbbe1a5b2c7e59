"""The MLflow plugin for machines that log to Cairn. MLflow finds it by its entry points."""
