"""What the table's stream tells: records, in the form that Lambda gets them, as changes to follow.

A consumer of the stream is an event source mapping with filter patterns: Lambda reads the stream for free,
drops what no pattern matches, and invokes a function for the rest. The patterns stand here beside the keys
that they match. Two consumers may read a shard without throttling each other ("Reading and processing a
stream", DynamoDB Developer Guide): that of the background work (``FOLLOWED``), and that of events
(``WATCHED``), for which the SQLite engine keeps the same images (``is_watched``).
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cairn.storage import keys
from cairn.storage.attributes import unmarshal_item, unmarshal_key
from cairn.storage.dirty import Mark
from cairn.storage.fold import worth_a_look
from cairn.storage.limits import item_size
from cairn.storage.table import Item, Key

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

_DOCUMENTS = (_RUNS, keys.model_partition(""))
_ENTITIES = (keys.experiment_partition(""), keys.registered_partition(""), keys.VERSIONS)

WATCHED: tuple[Mapping[str, Any], ...] = (
    {
        "eventName": ["INSERT", "MODIFY"],
        "dynamodb": {
            "Keys": {
                "pk": {"S": [{"prefix": prefix} for prefix in _DOCUMENTS]},
                "sk": {"S": [keys.FACTS_HEAD]},
            }
        },
    },
    {
        "dynamodb": {
            "Keys": {"pk": {"S": [{"prefix": prefix} for prefix in _ENTITIES]}, "sk": {"S": [keys.HEAD]}}
        }
    },
)
"""Filter patterns of the items whose changes may be events: the heads of entities. Metric logs, facts,
marks, index entries and lists pass none."""


def is_watched(key: Key, before: Item | None, after: Item | None) -> bool:
    """Whether a change passes ``WATCHED``, and is not one of metrics alone: what can be told without a look
    into the items. A filter cannot compare images, so on AWS those of metrics come as well."""
    if key.sk == keys.HEAD:
        return key.pk.startswith(_ENTITIES)
    if key.sk != keys.FACTS_HEAD or after is None or not key.pk.startswith(_DOCUMENTS):
        return False
    return before is None or bool(before["i"] != after["i"])


class Change(NamedTuple):
    """An item before and after a write, None where there was or is none; ``time`` in milliseconds."""

    key: Key
    before: Item | None
    after: Item | None
    time: int


def images(record: Record) -> Change:
    """The change that a record tells of. DynamoDB dates it to the second."""
    change = record["dynamodb"]
    before, after = (change.get(name) for name in ("OldImage", "NewImage"))
    return Change(
        unmarshal_key(change["Keys"]),
        None if before is None else unmarshal_item(before),
        None if after is None else unmarshal_item(after),
        int(change["ApproximateCreationDateTime"] * 1000),
    )


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
