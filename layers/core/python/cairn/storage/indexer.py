"""The indexer: makes the index entries of a run that has gone quiet equal to its facts.

One rule for every run, live, finished, re-opened, deleted or restored: whatever is dirty and has been quiet
is read whole, and the entries it should have are compared with those the inventory says it has. The
inventory is written before the first new entry and after the last old one, so that no entry is ever
forgotten; the mark goes in one transaction with a new version of the run's head, so that a writer which
found the mark and is still under way fails its condition, and marks anew. Everything may be repeated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from cairn.domain.clock import Clock
from cairn.domain.entities import ACTIVE
from cairn.domain.indexing import Outcome
from cairn.domain.lifecycle import Stage, lifecycle_group
from cairn.ids import experiment_hex
from cairn.search.index import entries
from cairn.storage import dirty, keys
from cairn.storage.codec import FORMAT, decode_json, encode_json
from cairn.storage.document import Document, Documents, stamp
from cairn.storage.expr import eq
from cairn.storage.facts import FACTS
from cairn.storage.fold import Fold
from cairn.storage.runs import LATEST, run_of
from cairn.storage.table import ConditionFailed, Delete, Item, Key, Put, Table

_CHUNK_BYTES = 250_000  # of an inventory's text in one item, which holds 400 KB


class Indexer:
    """Indexes dirty runs (``services.ports.Indexer``) whose mark has stood for ``quiet`` milliseconds."""

    def __init__(self, table: Table, clock: Clock, quiet: int = dirty.QUIET) -> None:
        self._table = table
        self._clock = clock
        self._quiet = quiet
        self._documents = Documents(table, (FACTS, LATEST), lambda _: None)
        self._fold = Fold(table)

    def sweep(self, experiment_id: str, limit: int = 1_000) -> int:
        """Fold the metric logs of an experiment's dirty runs, and index those that are quiet, at most
        ``limit`` runs: 1 Query of marks, 1 of each run's log, then as ``index``. How many were indexed."""
        experiment = experiment_hex(experiment_id)
        indexed = 0
        for mark in islice(dirty.marks(self._table, experiment) if experiment else (), limit):
            while self._fold.fold(mark.run_id):
                continue
            indexed += self.index(mark.run_id, mark.time) is Outcome.INDEXED
        return indexed

    def index(self, run_id: str, marked: int) -> Outcome:
        """Index a run whose mark is of this time (ms).

        1 BatchGetItem (1 Query for each section in shards), 1 PutItem of the inventory (2 where entries
        went), 1 BatchWriteItem per 25 entries that differ, 1 TransactWriteItems.
        """
        if self._clock() - marked < self._quiet:
            return Outcome.EARLY
        pk = keys.run_partition(run_id)
        head_key, inventory_key = keys.experiment_head(run_id[:16]), keys.inventory(run_id)
        mark_key = keys.dirty_mark(run_id)
        documents, found = self._documents.read([pk], [head_key, inventory_key, mark_key])
        if mark_key not in found or found[mark_key]["t"] != marked:
            return Outcome.SUPERSEDED
        document = documents.get(pk)
        if document is None or head_key not in found:  # its creation was cut short
            return self._forget(run_id, marked)
        _normalise(document, found[head_key])
        held = self._held(run_id, document, found.get(inventory_key))
        wanted = set(wanted_entries(run_id, document, found[head_key]))
        if held != wanted or inventory_key not in found:
            self._write(run_id, held, wanted)
        try:
            self._table.transact([stamp(pk, document), _unmark(run_id, marked)])
        except ConditionFailed as failed:
            return Outcome.SUPERSEDED if failed.key == mark_key else Outcome.CONTENDED
        return Outcome.INDEXED

    def _write(self, run_id: str, held: set[Key], wanted: set[Key]) -> None:
        new, old = sorted(wanted - held), sorted(held - wanted)
        self._put_inventory(run_id, held | wanted)
        self._table.batch_write([Put(entry_item(key)) for key in new])
        self._table.batch_write([Delete(key) for key in old])
        if old:
            self._put_inventory(run_id, wanted)

    def _forget(self, run_id: str, marked: int) -> Outcome:
        try:
            self._table.delete(_unmark(run_id, marked))
        except ConditionFailed:
            return Outcome.SUPERSEDED
        return Outcome.INDEXED

    def _held(self, run_id: str, document: Document, first: Item | None) -> set[Key]:
        """The entries that the run has: at least all that were ever written and not deleted since."""
        if first is None:
            born = lifecycle_group(Stage(ACTIVE, document.info["born"]))
            position = keys.run_position(document.info["start"], run_id)
            return {Key(keys.index_partition(run_id[:16], born), position)}
        more = [Key(first["pk"], f"{keys.INVENTORY}#{number}") for number in range(1, first["n"])]
        chunks = [first, *self._table.batch_get(more).values()] if more else [first]
        position = keys.run_position(document.info["start"], run_id)
        return {
            Key(keys.index_prefix(run_id[:16]) + suffix, value + position)
            for chunk in chunks
            for suffix, values in decode_json(chunk["b"]).items()
            for value in values
        }

    def _put_inventory(self, run_id: str, held: set[Key]) -> None:
        """The last chunk first: the first one, which counts them, makes them count."""
        for item in reversed(inventory_items(run_id, held)):
            self._table.put(Put(item))


def entry_item(key: Key) -> Item:
    """An index entry: its key says all."""
    return {"pk": key.pk, "sk": key.sk, "f": FORMAT}


def inventory_items(run_id: str, held: Iterable[Key]) -> list[Item]:
    """The inventory of a run that has these entries, the first chunk first."""
    prefix = len(keys.index_prefix(run_id[:16]))
    chunks = list(_chunks([(key.pk[prefix:], key.sk[:-48]) for key in sorted(held)]))
    base = keys.inventory(run_id)
    return [
        {
            "pk": base.pk,
            "sk": f"{base.sk}#{number}" if number else base.sk,
            "f": FORMAT,
            "n": len(chunks),
            "b": encode_json(chunk),
        }
        for number, chunk in enumerate(chunks)
    ]


def _unmark(run_id: str, marked: int) -> Delete:
    return Delete(keys.dirty_mark(run_id), eq("t", marked))


def _normalise(document: Document, experiment: Item) -> None:
    """A run of an older epoch is in its experiment's stage: written out, it leaves the old group."""
    if document.info["epoch"] < experiment["ep"]:
        document.info |= {"stage": experiment["st"], "epoch": experiment["ep"]}


def wanted_entries(run_id: str, document: Document, experiment: Item) -> Iterator[Key]:
    """The keys of the index entries that a run should have."""
    group = lifecycle_group(Stage(document.info["stage"], document.info["epoch"]))
    position = keys.run_position(document.info["start"], run_id)
    yield Key(keys.index_partition(run_id[:16], group), position)
    for entry in entries(run_of(run_id, document, experiment)):
        yield Key(keys.index_partition(run_id[:16], group, entry.field), entry.value + position)


def _chunks(held: Sequence[tuple[str, str]]) -> Iterator[Mapping[str, list[str]]]:
    """Values by partition suffix, in pieces that fit an item."""
    chunk: dict[str, list[str]] = {}
    size = 0
    for suffix, value in held:
        size += (len(suffix) + len(value)) * 2
        if size > _CHUNK_BYTES and chunk:
            yield chunk
            chunk, size = {}, 0
        chunk.setdefault(suffix, []).append(value)
    yield chunk
