"""Once an hour: sends the tasks again that were lost between a run's mark and its index, and removes what
deleted registered models left."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build_overdue, build_remains
from cairn.settings import Settings

logger = Logger()
overdue = build_overdue(Settings.from_environment())
remains = build_remains(Settings.from_environment())


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    logger.info("looked for overdue marks", extra={"tasks": overdue.remind()})
    logger.info("removed what deleted models left", extra={"versions": remains.clear()})
