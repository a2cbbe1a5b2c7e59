"""Artifacts: lists, bytes that fit an answer, multipart uploads, presigned URLs."""

from cairn import startup  # isort: split

import logging
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build
from cairn.http import handle, to_lambda
from cairn.settings import Settings

logger = Logger()
copy_config_to_registered_loggers(logger, include={logging.getLogger("cairn").name})
metrics = Metrics()
app = build(Settings.from_environment())
startup.done()


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    answer = handle(app, event)
    metrics.add_metric(name=f"Answers{answer.status // 100}xx", unit=MetricUnit.Count, value=1)
    return to_lambda(answer)
