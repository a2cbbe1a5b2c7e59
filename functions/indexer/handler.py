"""Does the tasks of the queue: indexes runs that have gone quiet, folds long metric logs."""

import logging
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build_worker
from cairn.settings import Settings
from cairn.upkeep.work import NotYet

logger = Logger()
copy_config_to_registered_loggers(logger, include={logging.getLogger("cairn").name})
# A batch that failed as a whole is told like any other: what repeats, and where it ends, is the queue's.
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
worker = build_worker(Settings.from_environment())


def work(record: SQSRecord, lambda_context: LambdaContext) -> None:
    try:
        worker.do(record.body, lambda_context.get_remaining_time_in_millis())
    except NotYet as early:
        logger.info(early.message, extra={"message_id": record.message_id})
        raise
    except Exception:
        # Told here: the processor says which message failed, and not why.
        logger.exception("a task failed and comes again", extra={"message_id": record.message_id})
        raise


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """The messages that failed become visible again; after some times they go to the dead-letter queue."""
    return process_partial_response(event, work, processor, context)
