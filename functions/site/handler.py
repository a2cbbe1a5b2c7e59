"""Puts the UI's files into their bucket at deploy, and tells CloudFormation how that went."""

import json
from typing import Any
from urllib.request import Request, urlopen

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.entrance import build_site

logger = Logger()
ANSWER_S = 10


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Safe to repeat. The resource's own id is the folder of one build: with another build CloudFormation
    has the new folder filled first, and then the old one deleted."""
    asked, reason = event["ResourceProperties"], ""
    old = event.get("PhysicalResourceId", "")
    folder = old if event["RequestType"] == "Delete" else asked["Folder"]
    try:
        site = build_site(asked["Bucket"])
        if event["RequestType"] == "Delete":
            site.remove(folder)
        else:
            count = site.publish(asked["From"], asked["Archive"], folder, asked["Policies"])
            logger.info("put", extra={"files": count})
    except Exception as error:
        logger.exception("the UI's files could not be put")
        reason = f"{type(error).__name__}: {error}; see the log stream {context.log_stream_name}"
    answer(event, folder, reason)


def answer(event: dict[str, Any], folder: str, reason: str) -> None:
    """``ResponseURL`` is a presigned S3 URL, which takes no Content-Type (custom resource reference)."""
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body |= {"Status": "FAILED" if reason else "SUCCESS", "Reason": reason or "The files are there."}
    body["PhysicalResourceId"] = folder
    request = Request(event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT")  # noqa: S310 -- CloudFormation's own URL
    with urlopen(request, timeout=ANSWER_S):  # noqa: S310 -- as above
        logger.info("answered CloudFormation", extra={"status": body["Status"]})
