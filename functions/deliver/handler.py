"""Delivers webhooks: one attempt for each message of the queue, or for who tests a webhook and waits."""

import logging
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build_courier
from cairn.settings import Settings

logger = Logger()
copy_config_to_registered_loggers(logger, include={logging.getLogger("cairn").name})
courier = build_courier(Settings.from_environment())


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What is to come again stays in the queue, hidden for as long as the courier said."""
    if "test" in event:
        return courier.test(event["test"])
    again = [record["messageId"] for record in event["Records"] if not courier.take(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}
