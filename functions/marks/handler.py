"""Follows the table's stream: a task for each run that was written, and for long logs."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build_follower
from cairn.settings import Settings

logger = Logger()
follower = build_follower(Settings.from_environment())


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """An error repeats the batch, halved: Lambda parts the record that is wrong from the others."""
    sent = follower.follow(event["Records"])
    logger.info("followed the stream", extra={"records": len(event["Records"]), "tasks": sent})
