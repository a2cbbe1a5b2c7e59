"""Publishes events: what the table's stream says of entities, on the bus that pipelines listen to."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build_publisher
from cairn.settings import Settings

logger = Logger()
publisher = build_publisher(Settings.from_environment())


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """An error repeats the batch, halved: Lambda parts the record that is wrong from the others."""
    done = publisher.publish(event["Records"])
    if done.lost:
        logger.error("events were refused and lie in the dead letters", extra={"lost": done.lost})
    logger.info("published", extra={"records": len(event["Records"]), "events": done.events})
