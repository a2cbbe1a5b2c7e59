"""The inventory: which entries the index may hold of a run, so that none is ever forgotten.

It lists at least every entry that was put and not deleted since. Its version rises with every write of it,
which is conditional on the version before: it is the fence that keeps a pass of the indexer that was
overtaken from doing harm. It is *complete*, each entry that it lists is there, only while the run's head
names its version (``COMPLETE`` in the info); while not, entries may be missing, and a pass is under way or
was cut short. A few thousand entries go into chunks, named for version and content: the item stays small.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cairn.domain.entities import ACTIVE
from cairn.domain.lifecycle import Stage, lifecycle_group
from cairn.storage import keys
from cairn.storage.codec import FORMAT, decode_json, encode_json
from cairn.storage.document import Document
from cairn.storage.expr import Absent, Compare, eq
from cairn.storage.table import ConditionFailed, Delete, Item, Key, Put, Query, Table

COMPLETE = "inv"
"""In a run's info: the version of the inventory that says what is there."""

_INLINE_BYTES = 3_500
_CHUNK_BYTES = 350_000  # of text before it is packed: an item holds 400 KB
_POSITION = 48  # hex digits of start time and run id at the end of a sort key
_ATTEMPTS = 20


class Replaced(Exception):
    """A chunk is gone: a later version of the inventory stands."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """``version`` 0: none was written yet, the run has the entry that it was born with. ``begun`` is when
    the pass that wrote it last said that it is under way (ms)."""

    version: int
    begun: int
    entries: frozenset[Key]
    chunks: tuple[str, ...] = ()

    def is_complete(self, document: Document) -> bool:
        return bool(document.info.get(COMPLETE, 0) == self.version)

    def unchanged(self) -> Absent | Compare:
        """The condition that nobody wrote it since."""
        return eq("v", self.version) if self.version else Absent()


@dataclass(frozen=True, slots=True)
class Written:
    """The items of a new version: the chunks are put first, the head makes them count."""

    head: Put
    chunks: Sequence[Put]


def read(table: Table, run_id: str, item: Item | None, document: Document) -> Inventory:
    """The inventory that the item heads; 1 BatchGetItem where it has chunks. Raises Replaced."""
    if item is None:
        return Inventory(0, 0, frozenset({birth(run_id, document)}))
    names = tuple(item.get("c", ()))
    blobs = [item["b"]] if not names else _chunks(table, run_id, names)
    position = keys.run_position(document.info["start"], run_id)
    prefix = keys.index_prefix(run_id[:16])
    entries = (
        Key(prefix + suffix, value + position)
        for blob in blobs
        for suffix, values in decode_json(blob).items()
        for value in values
    )
    return Inventory(item["v"], item["t"], frozenset(entries), names)


def write(run_id: str, before: Inventory, entries: Collection[Key], begun: int) -> Written:
    """The version after ``before``, on condition that that one still stands."""
    version = before.version + 1
    key = keys.inventory(run_id)
    head = {"pk": key.pk, "sk": key.sk, "f": FORMAT, "v": version, "t": begun}
    texts = list(_pieces(run_id, entries))
    blobs = [encode_json(text) for text in texts]
    if len(blobs) == 1 and len(blobs[0]) <= _INLINE_BYTES:
        return Written(Put({**head, "b": blobs[0]}, before.unchanged()), ())
    names = [keys.segment_name(version, blob) for blob in blobs]
    chunks = [
        Put({"pk": key.pk, "sk": _chunk(run_id, name).sk, "f": FORMAT, "b": blob})
        for name, blob in zip(names, blobs, strict=True)
    ]
    return Written(Put({**head, "c": names}, before.unchanged()), chunks)


def items(run_id: str, version: int, entries: Collection[Key], begun: int) -> list[Item]:
    """The items of a version."""
    written = write(run_id, Inventory(version - 1, 0, frozenset()), entries, begun)
    return [put.item for put in (*written.chunks, written.head)]


def drop_chunks(table: Table, run_id: str, version: int) -> None:
    """Delete the chunks of all versions before this one: 1 Query, 1 BatchWriteItem per 25."""
    page = table.query(Query(keys.run_partition(run_id), prefix=f"{keys.INVENTORY}#"))
    old = [item["sk"] for item in page.items if int(item["sk"].split("#")[1], 16) < version]
    table.batch_write([Delete(Key(keys.run_partition(run_id), sk)) for sk in old])


def declare(table: Table, run_id: str, document: Document, entries: Collection[Key]) -> None:
    """List entries that may be there although the inventory does not know it. It is incomplete then, so
    that the next pass puts what should be there and deletes the rest. 1 GetItem, 1 PutItem."""
    for _ in range(_ATTEMPTS):
        try:
            standing = read(table, run_id, table.get(keys.inventory(run_id)), document)
            new = write(run_id, standing, standing.entries | set(entries), begun=0)
            table.batch_write(new.chunks)
            table.put(new.head)
        except (Replaced, ConditionFailed):
            continue
        return


def birth(run_id: str, document: Document) -> Key:
    """The entry that a run is created with."""
    group = lifecycle_group(Stage(ACTIVE, document.info["born"]))
    position = keys.run_position(document.info["start"], run_id)
    return Key(keys.index_partition(run_id[:16], group), position)


def _chunk(run_id: str, name: str) -> Key:
    key = keys.inventory(run_id)
    return Key(key.pk, f"{key.sk}#{name}")


def _chunks(table: Table, run_id: str, names: Sequence[str]) -> list[bytes]:
    wanted = [_chunk(run_id, name) for name in names]
    found = table.batch_get(wanted)
    if len(found) < len(wanted):
        raise Replaced(run_id)
    return [found[key]["b"] for key in wanted]


def _pieces(run_id: str, entries: Collection[Key]) -> Iterator[Mapping[str, list[str]]]:
    """Values by partition suffix, in pieces that fit an item."""
    prefix = len(keys.index_prefix(run_id[:16]))
    piece: dict[str, list[str]] = {}
    size = 0
    for key in sorted(entries):
        suffix, value = key.pk[prefix:], key.sk[:-_POSITION]
        cost = len(suffix.encode()) + len(value.encode()) + 8
        if size + cost > _CHUNK_BYTES:
            yield piece
            piece, size = {}, 0
        size += cost
        piece.setdefault(suffix, []).append(value)
    yield piece
