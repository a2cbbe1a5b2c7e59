"""Records of a DynamoDB stream as Lambda gets them, and a judge of filter patterns.

The shape is that of "Using AWS Lambda with Amazon DynamoDB" (Lambda Developer Guide): attributes in
DynamoDB's notation, bytes as base64, no images that the kind of change has not.
"""

import random
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from cairn.domain.entities import Metric
from cairn.storage.table import Item


def record(new: Item | None, old: Item | None = None, number: int = 1) -> dict[str, Any]:
    """An INSERT, MODIFY or REMOVE."""
    kept = new or old
    assert kept is not None
    images = {"NewImage": new, "OldImage": old}
    return {
        "eventID": f"{number:032x}",
        "eventName": "REMOVE" if new is None else "INSERT" if old is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:111111111111:table/t/stream/2026-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767225600.0,
            "Keys": _json({"pk": kept["pk"], "sk": kept["sk"]}),
            **{name: _json(image) for name, image in images.items() if image is not None},
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": 200,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


def _json(item: Item) -> dict[str, Any]:
    """Items of these tests hold text, whole numbers, bytes, and lists of them."""
    return {name: _attribute(value) for name, value in item.items()}


def _attribute(value: str | int | bytes | list[Any]) -> dict[str, Any]:
    match value:
        case list():
            return {"L": [_attribute(element) for element in value]}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": b64encode(value).decode()}


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Lambda's filter rules as far as they are used here: a list is any of its values or prefixes."""
    for name, wanted in pattern.items():
        if name not in event:
            return False
        found = event[name]
        if isinstance(wanted, Mapping):
            if not isinstance(found, Mapping) or not matches(wanted, found):
                return False
        elif not any(
            found.startswith(rule["prefix"]) if isinstance(rule, Mapping) else found == rule
            for rule in wanted
        ):
            return False
    return True


def noise(count: int, seed: int = 0) -> list[Metric]:
    """Points that do not compress: about 12 bytes each in a log item."""
    own = random.Random(seed)
    return [Metric("m", own.random(), own.randrange(2**40), step) for step in range(count)]
