"""Cairn: the MLflow backend without a server."""
