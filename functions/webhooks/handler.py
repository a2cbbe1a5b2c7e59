"""Finds the webhooks that listen to an event, and puts a delivery for each on the queue."""

import logging
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build_dispatcher
from cairn.settings import Settings

logger = Logger()
copy_config_to_registered_loggers(logger, include={logging.getLogger("cairn").name})
dispatcher = build_dispatcher(Settings.from_environment())


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """An event as a rule's target gets it. Lambda repeats what fails, then puts it among the unheard."""
    sent = dispatcher.dispatch(event)
    logger.info("heard", extra={"event_id": event["detail"]["id"], "deliveries": sent})
