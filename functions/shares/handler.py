"""Keeps the shares that CloudFormation stacks declare, and tells CloudFormation how that went."""

import logging
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.settings import Settings
from cairn.shares import build_declarer
from cairn.upkeep.stack import answer

logger = Logger()
copy_config_to_registered_loggers(logger, include={logging.getLogger("cairn").name})
declarer = build_declarer(Settings.from_environment())
NOTHING = "no-share"
"""The physical id of what could not be made: CloudFormation has it deleted in its turn."""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Safe to repeat. An error fails the deployment, with its message."""
    try:
        physical_id, data = declarer.declare(event)
    except Exception as error:
        logger.exception("a declared share could not be kept")
        reason = f"{error} (log stream {context.log_stream_name})"
        answer(event, event.get("PhysicalResourceId", NOTHING), reason=reason, failed=True)
    else:
        answer(event, physical_id, reason="The share is declared.", data=data)
