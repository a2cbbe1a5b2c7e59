"""Artifacts: paths and the objects behind them. Nothing else speaks to S3."""
