"""Documents: a head item with named sections of entries, which grow into shards of their own.

A run and a logged model are documents: the head holds what every write must know, and, while all fits 4 KB,
the sections too. A section that outgrew the head is spread over leaves (``shards``). Here is the one path
by which documents change: read what the change touches, let a pure function edit it, write what differs on
condition that nobody else wrote meanwhile, and start over where somebody did. A change too large for one
round is written in several; editing again finds what is left. What entries mean is not known here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from pydantic_core import from_json

from cairn.errors import TemporarilyUnavailable
from cairn.storage.codec import FORMAT, write_json
from cairn.storage.expr import Absent, Set, eq
from cairn.storage.keys import FACTS_HEAD
from cairn.storage.shards import LEAF_BYTES, Shape, leaf_of, outermost, pack_shape, split, unpack_shape
from cairn.storage.table import ConditionFailed, Delete, Item, Key, Put, Query, Table, TransactWrite, Update

Entries = dict[str, Any]

_HEAD_BYTES = 3_900  # with its key and attribute names the head stays within one read unit of 4 KB
_ROUND_BYTES = 1_000_000  # of changed entries in one round: a transaction takes 4 MB, an item 400 KB
_TOGETHER = 20  # leaves that still go with the head in one transaction, when its info changed as well
_ATTEMPTS = 200
_FEW_LEAVES = 16  # a Query reads more of them for less


@dataclass(frozen=True, slots=True)
class Section:
    """A kind of entries: the attribute of the head that holds them (its shape, once spread, is under the
    same name with ``s`` behind it), the sort-key prefix of their leaves, and their bytes."""

    attribute: str
    prefix: str
    encode: Callable[[Mapping[str, Any]], bytes]
    decode: Callable[[bytes], Entries]


@dataclass(slots=True)
class Document:
    """``info``, and by section attribute the entries: all when read whole, else those of touched leaves."""

    info: dict[str, Any]
    sections: dict[str, Entries]
    version: int = 0
    """Of the head as it was read; every write of the head raises it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Documents and companions as read; how many of the documents asked for were considered, and what that
    cost in read units, at most."""

    documents: dict[str, Document]
    companions: dict[Key, Item]
    count: int
    units: float


@dataclass(slots=True)
class _Loaded:
    """What one attempt works on."""

    head: Item
    document: Document
    shapes: dict[str, Shape | None]
    leaves: dict[Key, Item] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Inline:
    """What the head is to hold of its sections, as entries and as bytes (none where there are none). Bytes
    of what did not change are those that were read."""

    entries: Mapping[str, Entries]
    blobs: Mapping[str, bytes]


Edit = Callable[[Document, Mapping[Key, Item]], None]
"""Changes a document in place; given also the companions that were read beside it."""


class Documents:
    """Documents of one kind, on a table. ``pause(attempt)`` waits between conflicting attempts."""

    def __init__(self, table: Table, sections: Sequence[Section], pause: Callable[[int], None]) -> None:
        self._table = table
        self._sections = sections
        self._pause = pause

    def create(self, pk: str, document: Document) -> bool:
        """1 PutItem, more only for sections too large for the head. False where it exists already."""
        puts = [Put(item, Absent()) for item in lay_out(pk, document, 1, self._sections)]
        try:
            if len(puts) > 1:
                self._table.transact(puts)
            else:
                self._table.put(puts[0])
        except ConditionFailed:
            return False
        return True

    def read(
        self, pks: Sequence[str], companions: Sequence[Key] = (), *, consistent: bool = True
    ) -> tuple[dict[str, Document], dict[Key, Item]]:
        """Whole documents by partition key, those that exist, and the companion items read beside them.

        1 BatchGetItem per 100 documents; where there are several, 1 more per 100 leaves of their spread
        sections; 1 Query for a section of more than 16 leaves, and for each section of a single document.
        """
        reading = self.read_within(inf, pks, companions, consistent=consistent)
        return reading.documents, reading.companions

    def read_within(
        self, units: float, pks: Sequence[str], companions: Sequence[Key] = (), *, consistent: bool = True
    ) -> "Reading":
        """As ``read``, but only as many of the documents, from the first, as so many read units are enough
        for: at least one. Heads are read in any case."""
        found = self._table.batch_get(
            [*(Key(pk, FACTS_HEAD) for pk in pks), *companions], consistent=consistent
        )
        spent = float(len(pks) + len(companions))
        count, spread = 0, list[tuple[Item, Section, Shape]]()
        for pk in pks:
            item = found.get(Key(pk, FACTS_HEAD), {})
            shapes = [(item, s, shape) for s in self._sections if (shape := _shape(item, s)) is not None]
            leaves = sum(len(shape) for _, _, shape in shapes)
            if count and spent + leaves > units:
                break
            count += 1
            spent += leaves
            spread += shapes
        apart = self._spread(spread, together=count > 1, consistent=consistent)
        documents = {
            pk: Document(
                from_json(head["i"]),
                {
                    s.attribute: held if (held := apart.get((pk, s))) is not None else _inline(head, s)
                    for s in self._sections
                },
                head["v"],
            )
            for pk in pks[:count]
            if (head := found.get(Key(pk, FACTS_HEAD))) is not None
        }
        beside = {key: found[key] for key in companions if key in found}
        return Reading(documents, beside, count, spent)

    def _spread(
        self, spread: Sequence[tuple[Item, Section, Shape]], *, together: bool, consistent: bool
    ) -> dict[tuple[str, Section], Entries]:
        """Spread sections by partition key and section; small ones by the leaves that the heads name."""
        keys = {
            (head["pk"], section): [Key(head["pk"], section.prefix + prefix) for prefix in sorted(shape)]
            for head, section, shape in spread
            if together and len(shape) <= _FEW_LEAVES
        }
        wanted = [key for leaves in keys.values() for key in leaves]
        found = self._table.batch_get(wanted, consistent=consistent) if wanted else {}
        entries: dict[tuple[str, Section], Entries] = {}
        for head, section, _ in spread:
            name = (head["pk"], section)
            leaves = keys.get(name, ())
            if leaves and all(key in found for key in leaves):
                entries[name] = {}
                for key in leaves:
                    entries[name].update(section.decode(found[key]["b"]))
            else:  # many leaves, or one that was split since the head was read
                entries[name] = self._whole(head, section, consistent=consistent)
        return entries

    def change(
        self,
        pk: str,
        touch: Mapping[str, Iterable[str]],
        edit: Edit,
        companions: Sequence[Key] = (),
        before_write: Callable[[], None] = lambda: None,
    ) -> Document | None:
        """The document as written, or None where there is none.

        ``touch`` names, by section, the entries that ``edit`` reads or writes. ``before_write`` runs in
        each attempt, after its edit passed and before it writes anything. Price: 1 BatchGetItem (head and
        companions), 1 more for spread sections, 1 PutItem for each leaf that differs and the head if that
        does; a split is 1 TransactWriteItems; a conflict starts over.
        """
        for attempt in range(_ATTEMPTS):
            loaded, found = self._load(pk, touch, companions)
            if loaded is None:
                return None
            before = {name: dict(entries) for name, entries in loaded.document.sections.items()}
            info_before = dict(loaded.document.info)
            edit(loaded.document, found)
            before_write()
            try:
                if self._write(pk, loaded, before, info_before):
                    return loaded.document
            except ConditionFailed:
                self._pause(attempt)
        raise TemporarilyUnavailable("Too many writers at once changed the same entity. Try again.")

    def _load(
        self, pk: str, touch: Mapping[str, Iterable[str]], companions: Sequence[Key]
    ) -> tuple[_Loaded | None, dict[Key, Item]]:
        head_key = Key(pk, FACTS_HEAD)
        found = self._table.batch_get([head_key, *companions])
        head = found.pop(head_key, None)
        if head is None:
            return None, found
        loaded = _Loaded(head, Document(from_json(head["i"]), {}, head["v"]), {})
        wanted: dict[Key, Section] = {}
        for section in self._sections:
            shape = _shape(head, section)
            loaded.shapes[section.attribute] = shape
            if shape is None:
                loaded.document.sections[section.attribute] = _inline(head, section)
            else:
                loaded.document.sections[section.attribute] = {}
                for name in touch.get(section.attribute, ()):
                    wanted[Key(pk, section.prefix + leaf_of(shape, name))] = section
        if wanted:
            loaded.leaves = self._table.batch_get(list(wanted))
            if len(loaded.leaves) < len(wanted):  # a leaf was split since the head was read
                return self._load(pk, touch, companions)
            for key, leaf in loaded.leaves.items():
                loaded.document.sections[wanted[key].attribute].update(wanted[key].decode(leaf["b"]))
        return loaded, found

    def _write(
        self, pk: str, loaded: _Loaded, before: Mapping[str, Entries], info_before: Mapping[str, Any]
    ) -> bool:
        """Write one round of what differs; True when nothing is left."""
        done, budget = True, _ROUND_BYTES
        leaf_puts: list[Put] = []
        splits: list[tuple[Section, str, Entries]] = []
        head_changed = info_before != loaded.document.info
        inline: dict[str, Entries] = {}
        blobs: dict[str, bytes] = {}
        for section in self._sections:
            name = section.attribute
            now, shape = loaded.document.sections[name], loaded.shapes[name]
            accepted, whole, budget = _accept(before[name], now, budget)
            done = done and whole
            if shape is None:
                inline[name] = accepted
                if accepted != before[name]:
                    head_changed = True
                    blobs[name] = section.encode(accepted) if accepted else b""
                else:
                    blobs[name] = loaded.head.get(name, b"")
                continue
            for prefix, held in _by_leaf(shape, before[name], accepted).items():
                key = Key(pk, section.prefix + prefix)
                old = loaded.leaves[key]
                blob = section.encode(held)
                if blob == old["b"]:
                    continue
                if len(held) > 1 and len(blob) > LEAF_BYTES:
                    splits.append((section, prefix, held))
                else:
                    leaf_puts.append(Put(_leaf(pk, section, prefix, blob, old["v"] + 1), eq("v", old["v"])))
        head = _Inline(inline, blobs) if head_changed else None
        self._commit(pk, loaded, leaf_puts, splits, head, info_before)
        return done

    def _commit(
        self,
        pk: str,
        loaded: _Loaded,
        leaf_puts: Sequence[Put],
        splits: Sequence[tuple[Section, str, Entries]],
        inline: _Inline | None,
        info_before: Mapping[str, Any],
    ) -> None:
        version = loaded.head["v"]
        shapes = dict(loaded.shapes)
        together: list[TransactWrite] = []
        if (
            leaf_puts
            and inline is not None
            and info_before != loaded.document.info
            and len(leaf_puts) <= _TOGETHER
        ):
            together += leaf_puts
        else:
            for put in leaf_puts:
                self._table.put(put)
        for section, prefix, held in splits:
            shape = shapes[section.attribute]
            assert shape is not None
            children = split(prefix, held, section.encode)
            shapes[section.attribute] = (shape - {prefix}) | frozenset(children)
            key = Key(pk, section.prefix + prefix)
            kept = {s.attribute: loaded.head.get(s.attribute, b"") for s in self._sections}
            writes: list[TransactWrite] = [
                Put(_leaf(pk, section, child, blob, loaded.leaves[key]["v"] + 1), Absent())
                for child, blob in children.items()
            ]
            writes.append(Delete(key, eq("v", loaded.leaves[key]["v"])))
            writes.append(self._head_put(pk, version, dict(info_before), kept, shapes))
            self._table.transact(writes)
            version += 1
        if inline is not None:
            self._put_head(pk, version, loaded.document.info, inline, shapes, together)

    def _put_head(
        self,
        pk: str,
        version: int,
        info: Mapping[str, Any],
        inline: _Inline,
        shapes: dict[str, Shape | None],
        together: list[TransactWrite],
    ) -> None:
        """Write the head, moving a section out of it where it got too large."""
        blobs = {name: blob for name, blob in inline.blobs.items() if blob}
        for section in _spilling(self._sections, _head(pk, version, info), blobs):
            del blobs[section.attribute]
            children = split("", inline.entries[section.attribute], section.encode)
            shapes[section.attribute] = frozenset(children)
            together += [
                Put(_leaf(pk, section, child, blob, 1), Absent()) for child, blob in children.items()
            ]
        put = self._head_put(pk, version, info, blobs, shapes)
        if together:
            self._table.transact([put, *together])
        else:
            self._table.put(put)

    def _head_put(
        self,
        pk: str,
        version: int,
        info: Mapping[str, Any],
        inline: Mapping[str, bytes],
        shapes: Mapping[str, Shape | None],
    ) -> Put:
        item = _head(pk, version + 1, info)
        for section in self._sections:
            shape = shapes[section.attribute]
            if shape is not None:
                item[section.attribute + "s"] = pack_shape(shape)
            elif inline.get(section.attribute):
                item[section.attribute] = inline[section.attribute]
        return Put(item, eq("v", version))

    def _whole(self, head: Item, section: Section, *, consistent: bool) -> Entries:
        leaves = {
            item["sk"][len(section.prefix) :]: item
            for item in self._leaves(head["pk"], section, consistent)
        }
        entries: Entries = {}
        for prefix in outermost(leaves):
            entries.update(section.decode(leaves[prefix]["b"]))
        return entries

    def _leaves(self, pk: str, section: Section, consistent: bool) -> Iterator[Item]:
        after: str | None = None
        while True:
            page = self._table.query(Query(pk, prefix=section.prefix, after=after, consistent=consistent))
            yield from page.items
            after = page.after
            if after is None:
                return


def lay_out(pk: str, document: Document, version: int, sections: Sequence[Section]) -> list[dict[str, Any]]:
    """The items of a whole document that is written at once: its head, of this version, and leaves."""
    head = _head(pk, version, document.info)
    blobs = {s.attribute: s.encode(held) for s in sections if (held := document.sections.get(s.attribute))}
    spilling = _spilling(sections, head, blobs)
    leaves: list[dict[str, Any]] = []
    for section in sections:
        name = section.attribute
        if section in spilling:
            children = split("", document.sections[name], section.encode)
            leaves += [_leaf(pk, section, prefix, blob, 1) for prefix, blob in children.items()]
            head[name + "s"] = pack_shape(frozenset(children))
        elif name in blobs:
            head[name] = blobs[name]
    return [head, *leaves]


def stamp(pk: str, document: Document) -> Update:
    """A write of the info alone, on condition that the head is as it was read: a writer that read it too
    fails its own condition and starts over."""
    actions = (Set("i", _text(document.info)), Set("v", document.version + 1))
    return Update(Key(pk, FACTS_HEAD), actions, eq("v", document.version))


def _head(pk: str, version: int, info: Mapping[str, Any]) -> dict[str, Any]:
    return {"pk": pk, "sk": FACTS_HEAD, "f": FORMAT, "v": version, "i": _text(info)}


def _leaf(pk: str, section: Section, prefix: str, blob: bytes, version: int) -> dict[str, Any]:
    return {"pk": pk, "sk": section.prefix + prefix, "f": FORMAT, "v": version, "b": blob}


def _spilling(
    sections: Sequence[Section], head: Mapping[str, Any], blobs: Mapping[str, bytes]
) -> list[Section]:
    """The sections that must leave the head, largest first, until the rest fits."""
    size = len(head["i"].encode()) + len(head["pk"]) + 40
    inside = sorted((s for s in sections if s.attribute in blobs), key=lambda s: -len(blobs[s.attribute]))
    spilling = []
    total = size + sum(len(blob) for blob in blobs.values())
    for section in inside:
        if total <= _HEAD_BYTES:
            break
        spilling.append(section)
        total -= len(blobs[section.attribute])
    return spilling


def _text(info: Mapping[str, Any]) -> str:
    return write_json(info)


def _shape(head: Item, section: Section) -> Shape | None:
    packed = head.get(section.attribute + "s")
    return None if packed is None else unpack_shape(packed)


def _inline(head: Item, section: Section) -> Entries:
    blob = head.get(section.attribute)
    return {} if blob is None else section.decode(blob)


def _accept(before: Entries, now: Entries, budget: int) -> tuple[Entries, bool, int]:
    """As much of the difference as the budget of bytes allows (at least one entry of it), whether that is
    all of it, and the budget left. Sizes are of text; numbers count little."""
    changed = [name for name in now if name not in before or before[name] != now[name]]
    accepted = {name: before[name] for name in before if name in now}
    for index, name in enumerate(changed):
        accepted[name] = now[name]
        budget -= 4 * (len(name) + (len(now[name]) if isinstance(now[name], str) else 64))
        if budget < 0 and index + 1 < len(changed):
            return accepted, False, 0
    return accepted, True, max(budget, 0)


def _by_leaf(shape: Shape, before: Entries, now: Entries) -> dict[str, Entries]:
    leaves: dict[str, Entries] = {}
    for name in before:
        leaves.setdefault(leaf_of(shape, name), {})
    for name, value in now.items():
        leaves.setdefault(leaf_of(shape, name), {})[name] = value
    return leaves
