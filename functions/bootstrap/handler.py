"""Makes the experiment Default when the stack is deployed, and tells CloudFormation how that went."""

import json
from typing import Any
from urllib.request import Request, urlopen

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.app import build, ensure_default
from cairn.settings import Settings

logger = Logger()
ANSWER_S = 10


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
    answer(event, reason)


def answer(event: dict[str, Any], reason: str) -> None:
    """``ResponseURL`` is a presigned S3 URL, which takes no Content-Type (custom resource reference)."""
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body |= {"Status": "FAILED" if reason else "SUCCESS", "Reason": reason or "The experiment is there."}
    body["PhysicalResourceId"] = event.get("PhysicalResourceId", "default-experiment")
    request = Request(event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT")  # noqa: S310 -- CloudFormation's own URL
    with urlopen(request, timeout=ANSWER_S):  # noqa: S310 -- as above
        logger.info("answered CloudFormation", extra={"status": body["Status"]})
