"""Makes the experiment Default when the stack is deployed, and tells CloudFormation how that went."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build, ensure_default
from cairn.settings import Settings
from cairn.upkeep.stack import answer

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Safe to repeat. A deletion changes nothing: the data outlives this stack."""
    reason = ""
    if event["RequestType"] != "Delete":
        try:
            ensure_default(build(Settings.from_environment()))
        except Exception as error:
            logger.exception("the experiment Default could not be made")
            reason = f"{type(error).__name__}: {error}; see the log stream {context.log_stream_name}"
    physical_id = event.get("PhysicalResourceId", "default-experiment")
    answer(event, physical_id, reason=reason or "The experiment is there.", failed=bool(reason))
