"""What the table's stream tells: records, in the form that Lambda gets them, as changes to follow.

A consumer of the stream is an event source mapping with filter patterns: Lambda reads the stream for free,
drops what no pattern matches, and invokes a function for the rest. The patterns stand here beside the keys
that they match. Two consumers may read a shard without throttling each other ("Reading and processing a
stream", DynamoDB Developer Guide): this one, and one more with patterns of its own.
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cairn.storage import keys
from cairn.storage.attributes import unmarshal_key
from cairn.storage.dirty import Mark
from cairn.storage.fold import worth_a_look
from cairn.storage.limits import item_size

Record = Mapping[str, Any]
"""One of ``Records`` of a DynamoDB stream event: attributes in DynamoDB's notation, bytes as base64."""

_MARKS = keys.dirty_partition("")
_RUNS = keys.run_partition("")

FOLLOWED: tuple[Mapping[str, Any], ...] = (
    {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": _MARKS}]}}}},
    {
        "eventName": ["INSERT"],
        "dynamodb": {
            "Keys": {"pk": {"S": [{"prefix": _RUNS}]}, "sk": {"S": [{"prefix": keys.LOG_PREFIX}]}}
        },
    },
)
"""Filter patterns of what ``changes`` understands: dirty marks, and items of metric logs."""


@dataclass(frozen=True, slots=True)
class Logged:
    """The metric log of a run has grown so far that a look at it is worth its price."""

    run_id: str


def changes(records: Iterable[Record]) -> Iterator[Mark | Logged]:
    """What records say that ``FOLLOWED`` matches. Raises KeyError or ValueError for any other record."""
    for record in records:
        change = record["dynamodb"]
        key, new = unmarshal_key(change["Keys"]), change["NewImage"]
        if key.pk.startswith(_MARKS):
            yield Mark(key.sk, int(new["t"]["N"]), "g" in new)
        elif not (key.pk.startswith(_RUNS) and key.sk.startswith(keys.LOG_PREFIX)):
            raise ValueError(f"nobody follows items of {key.pk[:2]}")
        elif worth_a_look(key.sk, _size(new)):
            yield Logged(key.pk.removeprefix(_RUNS))


def _size(image: Mapping[str, Any]) -> int:
    """Bytes of a log item: its texts as they are, its points without the base64."""
    return item_size({"sk": image["sk"]["S"], "pk": image["pk"]["S"], "b": b64decode(image["b"]["B"])})
