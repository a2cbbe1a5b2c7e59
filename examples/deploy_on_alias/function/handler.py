"""Deploys what an alias names: writes the model's URI into an SSM parameter, which a serving layer reads.

Events come at least once and in any order (docs/events.md), so the parameter says which event it is of, and
an event that is not newer changes nothing. Read, compare, write is safe because the stack lets one copy of
this function run at a time. What it raises, Lambda tries twice more and then puts into the dead-letter
queue.
"""

import json
import os
from functools import cache
from typing import Any

import boto3


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 -- Lambda gives both
    return deploy(event["detail"], ssm(), os.environ["PARAMETER"])


@cache
def ssm() -> Any:
    """Made at the first event, kept for the next."""
    return boto3.client("ssm")


def deploy(detail: dict[str, Any], client: Any, parameter: str) -> dict[str, Any]:
    """What the parameter holds from now on. Here a deployment of yours would start instead."""
    wanted = {
        "model_uri": f"models:/{detail['name']}/{detail['model_version']}",
        "entity": detail["entity"],
        "sequence": detail["sequence"],
        "time": detail["time"],
    }
    current = json.loads(client.get_parameter(Name=parameter)["Parameter"]["Value"])
    if not is_newer(wanted, current):
        print(json.dumps({"ignored": wanted, "because": current}))
        return dict(current)
    client.put_parameter(Name=parameter, Value=json.dumps(wanted), Overwrite=True)
    print(json.dumps({"deployed": wanted, "before": current}))
    return wanted


def is_newer(wanted: dict[str, Any], current: dict[str, Any]) -> bool:
    """By the sequence, within one registered model; by the time, where one was deleted and another has its
    name now. ``{}`` is the parameter before the first event."""
    if not current:
        return True
    if wanted["entity"] == current["entity"]:
        return bool(wanted["sequence"] > current["sequence"])
    return bool(wanted["time"] > current["time"])
