"""The table port: the few DynamoDB operations that Cairn uses, as values, for any engine to carry out.

An item is a flat mapping of attribute names to str, int, bytes, bool, or lists and maps of these; ``pk``
and ``sk`` are its key, both strings, ordered by their UTF-8 bytes. Conditions and updates are values of
``expr``. Engines: ``dynamodb`` (boto3) and ``sqlite``; both pass tests/storage's contract. A limit of
DynamoDB (400 KB an item, 25 writes a batch ...) is a limit of every engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from cairn.storage.expr import Action, Condition

Item = Mapping[str, Any]


class Key(NamedTuple):
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Put:
    """Replace the whole item, on condition."""

    item: Item
    condition: Condition | None = None

    @property
    def key(self) -> Key:
        return Key(self.item["pk"], self.item["sk"])


@dataclass(frozen=True, slots=True)
class Update:
    """Change attributes of an item. Without a condition that the item exists it may create one."""

    key: Key
    actions: Sequence[Action]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an item; deleting what is not there is no error."""

    key: Key
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on an item that a transaction does not write."""

    key: Key
    condition: Condition


Write = Put | Update | Delete
TransactWrite = Put | Update | Delete | Check


@dataclass(frozen=True, slots=True)
class Query:
    """Items of one partition with ``low <= sk <= high`` (bounds inclusive, None for open), in key order.

    ``after`` is the sort key of the last item of the page before (exclusive start). ``limit`` is the most
    items of one page; a page also ends at 1 MB. ``bare``: the items hold nothing beside their key but their
    format (``f``, one digit), and it may be left out.
    """

    pk: str
    low: str | None = None
    high: str | None = None
    prefix: str | None = None
    forward: bool = True
    limit: int | None = None
    after: str | None = None
    consistent: bool = True
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a query: ``after`` continues it, None at the end."""

    items: Sequence[Item]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """Keys of the whole table, in no order: of partitions that begin with ``prefix``; where that is in
    ``heads``, the item of this sort key alone. ``after`` continues a page."""

    prefixes: Sequence[str]
    heads: Mapping[str, str] = field(default_factory=dict)
    after: Key | None = None


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page of a scan: perhaps empty, though ``after`` continues it."""

    keys: Sequence[Key]
    after: Key | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request was billed: request units as DynamoDB's documentation computes them."""

    operation: str
    write_units: float = 0
    read_units: float = 0
    partitions: Mapping[str, float] = field(default_factory=dict)


class ConditionFailed(Exception):
    """A condition did not hold. ``item`` is the item as it stands (None: there is none)."""

    def __init__(self, key: Key, item: Item | None) -> None:
        super().__init__(f"condition failed on {key.pk} {key.sk}")
        self.key = key
        self.item = item


class Table(Protocol):
    """What an engine does. Every call may raise RequestLimitExceeded or TemporarilyUnavailable once its
    retries are spent; nothing else of the engine's own leaves it."""

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        """1 request; 1 read unit per 4 KB (half when eventually consistent)."""

    def batch_get(self, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Item]:
        """Those of the items that exist. 1 request per 100 keys or 16 MB; each item rounds up to 4 KB.
        Unprocessed keys are asked for again. Repeated keys are read once."""

    def query(self, query: Query) -> Page:
        """1 request; the sum of the item sizes rounds up to 4 KB."""

    def scan(self, scan: Scan) -> KeyPage:
        """1 request, which reads 1 MB of whatever the table holds, at half a unit per 4 KB: what was
        written within the last second may be missing."""

    def put(self, put: Put) -> None:
        """1 request; 1 write unit per KB, also when the condition fails (ConditionFailed)."""

    def update(self, update: Update) -> Item:
        """1 request; the item as it is after. ConditionFailed as in put."""

    def delete(self, delete: Delete) -> Item | None:
        """1 request; the item that was. ConditionFailed as in put."""

    def transact(self, writes: Sequence[TransactWrite], *, token: str | None = None) -> None:
        """All or none of at most 100 writes on distinct keys, 4 MB; 1 request, twice the units.
        ConditionFailed names the first write whose condition did not hold."""

    def batch_write(self, writes: Sequence[Put | Delete]) -> None:
        """Unconditional puts and deletes, 1 request per 25; not atomic. Unprocessed ones are repeated."""
