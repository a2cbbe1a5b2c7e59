"""Makes grants equal to what RAM says, by the clock and whenever something may have changed."""

import logging
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.settings import Settings
from cairn.shares import build_reconciler

logger = Logger()
copy_config_to_registered_loggers(logger, include={logging.getLogger("cairn").name})
metrics = Metrics()
reconciler = build_reconciler(Settings.from_environment())


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """An event says when, and nothing else of it is read: whatever it claims, RAM is asked."""
    report = reconciler.run()
    logger.info("reconciled", extra=report.as_dict())
    counts = {"ShareProblems": report.problems, "UnmatchedShares": report.unmatched}
    for name, count in counts.items():
        if count:
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    if any(counts.values()):  # a metric costs money for each hour in which it has a value
        metrics.flush_metrics()
