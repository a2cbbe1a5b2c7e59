"""The indexer: makes the index entries of a run that has gone quiet equal to its facts.

One rule for every run, live, finished, re-opened, deleted or restored: whatever is dirty and has been quiet
is read whole, and the entries it should have are compared with those that the inventory lists. One pass:

1. read head, experiment's head, mark, inventory; shards of the facts
2. write the inventory, all that it listed and all that the run should have, on condition of its version
3. put the entries that it lacks (all of them where the inventory was not complete)
4. one transaction: delete the mark if it is the one read, write the head if it is as read, naming the
   version of the inventory that is now complete, write or check the inventory, delete what was too much;
   put the entry of the default order, with the run's name: it says what this version of the head does

Why no entry is forgotten, wherever passes and writers of one run stop, for good or for long:

* *Lost*: an entry is only deleted by a transaction that checks the inventory's version (4, or before it
  where there are too many for one). Whoever takes over writes a new version first, so that a pass which was
  overtaken deletes nothing. A pass that was cut short in 3 leaves an inventory that is not complete: the
  next one puts everything.
* *Orphaned*: an entry is listed before it is put. A pass is under way for a third of ``quiet`` at most
  without saying so again in the inventory, which fails once another has taken over, and nobody takes over
  before. A pass that finds itself overtaken after it has put entries lists them again and marks the run.
  A process that stops within the request that puts, and then for good, tells nobody; but a pass that wants
  other entries has read other facts, of a write that marked the run anew, ``quiet`` ago: no function that
  indexes lives for so long (60 s). What remains is a process on somebody's own machine that sleeps for more
  than ``quiet`` just there: it leaves a hint that the facts contradict, which readers drop and ``reindex``
  deletes.
* *ABA*: a writer marks the run before it changes it, unless it finds a mark that is younger than a third of
  ``quiet``. If it finds the mark, and writes after 4, its write fails on the head's version and it starts
  over, reading the mark anew; a write to shards alone does not touch the head, but ends within the other
  two thirds, or marks again (``runs``).
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from cairn.domain.clock import Clock
from cairn.domain.indexing import Outcome
from cairn.domain.lifecycle import Stage, lifecycle_group
from cairn.ids import experiment_hex
from cairn.search.index import entries, text
from cairn.search.match import RUN_NAME_TAG
from cairn.storage import dirty, inventory, keys
from cairn.storage.codec import FORMAT
from cairn.storage.document import Document, Documents, stamp
from cairn.storage.expr import Absent, Set, eq
from cairn.storage.facts import FACTS, TAG
from cairn.storage.fold import Fold
from cairn.storage.inventory import COMPLETE, Inventory, Replaced
from cairn.storage.runs import LATEST, run_of
from cairn.storage.table import Check, ConditionFailed, Delete, Item, Key, Put, Table, TransactWrite, Update

_BATCH = 25
_MANY = 1_000  # entries from which on an inventory may have chunks
_TOGETHER = 90  # deletions that go with head, mark and inventory into one transaction of 100


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

        A run that is to leave its group, because its experiment was deleted or restored since, is marked as
        moved first, and taken when it has been quiet once more (SUPERSEDED).

        1 BatchGetItem (1 Query for each section in shards), 1 PutItem of the inventory, 1 BatchWriteItem
        per 25 entries that are new, 1 TransactWriteItems (1 more per 99 entries that go, past 90), in which
        the inventory, the head, the entry of the default order and what goes cost twice their size.
        """
        now = self._clock()
        if now - marked < self._quiet:
            return Outcome.EARLY
        document, experiment, mark, item = self._read(run_id)
        if mark is None or mark["t"] != marked:
            return Outcome.SUPERSEDED
        if document is None or experiment is None:  # its creation was cut short
            return self._forget(run_id, marked)
        if _is_outdated(document, experiment) and "g" not in mark:
            # A search in the default order counts on runs to stay, but for those whose mark says so.
            self._table.update(dirty.renew(run_id, now, moved=True))
            return Outcome.SUPERSEDED
        try:
            held = inventory.read(self._table, run_id, item, document)
        except Replaced:
            return Outcome.CONTENDED
        return self._pass(run_id, document, experiment, held, marked)

    def repair(self, run_id: str, seen: Collection[Key]) -> Outcome:
        """Have the index hold what it should of a run, of which somebody saw these entries, whatever its
        inventory says; of a run that is being written: when it has gone quiet (EARLY).

        As ``index``; 1 BatchGetItem and 1 GetItem where all is well. SUPERSEDED: there is no such run.
        """
        document, experiment, mark, item = self._read(run_id)
        if document is None or experiment is None:
            return Outcome.SUPERSEDED
        try:
            held = inventory.read(self._table, run_id, item, document)
        except Replaced:
            return Outcome.CONTENDED
        complete = held.is_complete(document)
        wanted = set(wanted_entries(run_id, document, experiment))
        if complete and held.entries == set(seen):
            if mark is not None:
                return Outcome.EARLY
            if wanted == held.entries and self._is_named(run_id, document):
                return Outcome.INDEXED
        if not complete and self._is_under_way(held):
            return Outcome.CONTENDED
        if mark is not None and self._clock() - mark["t"] < self._quiet:
            inventory.declare(self._table, run_id, document, seen)
            return Outcome.EARLY
        doubtful = Inventory(held.version, 0, held.entries | set(seen), held.chunks)
        return _Pass(self._table, self._clock, self._quiet, run_id, doubtful).run(
            document, wanted, None if mark is None else mark["t"], everything=True
        )

    def _pass(
        self, run_id: str, document: Document, experiment: Item, held: Inventory, marked: int
    ) -> Outcome:
        complete = held.is_complete(document)
        if not complete and self._is_under_way(held):
            return Outcome.CONTENDED
        _normalise(document, experiment)
        return _Pass(self._table, self._clock, self._quiet, run_id, held).run(
            document, set(wanted_entries(run_id, document, experiment)), marked, everything=not complete
        )

    def _read(self, run_id: str) -> tuple[Document | None, Item | None, Item | None, Item | None]:
        """The run, its experiment's head, its mark, and the head of its inventory."""
        pk = keys.run_partition(run_id)
        beside = [keys.experiment_head(run_id[:16]), keys.dirty_mark(run_id), keys.inventory(run_id)]
        documents, found = self._documents.read([pk], beside)
        experiment, mark, item = (found.get(key) for key in beside)
        return documents.get(pk), experiment, mark, item

    def _is_named(self, run_id: str, document: Document) -> bool:
        """Whether the run's entry in the default order says its name."""
        order = order_entry(run_id, document)
        entry = self._table.get(order.key)
        return entry is not None and entry.get(keys.NAME) == order.item[keys.NAME]

    def _is_under_way(self, held: Inventory) -> bool:
        return 0 <= self._clock() - held.begun < dirty.fresh(self._quiet)

    def _forget(self, run_id: str, marked: int) -> Outcome:
        try:
            self._table.delete(Delete(keys.dirty_mark(run_id), eq("t", marked)))
        except ConditionFailed:
            return Outcome.SUPERSEDED
        return Outcome.INDEXED


class _Pass:
    """One attempt to bring the entries of one run in line, as long as nobody else begins one."""

    def __init__(self, table: Table, clock: Clock, quiet: int, run_id: str, held: Inventory) -> None:
        self._table = table
        self._clock = clock
        self._lease = dirty.fresh(quiet)
        self._run_id = run_id
        self._held = held
        self._version = held.version
        self._renewed = 0

    def run(self, document: Document, wanted: set[Key], marked: int | None, *, everything: bool) -> Outcome:
        """``marked`` None: the run has no mark, and must not get one meanwhile."""
        held = self._held.entries
        order = order_entry(self._run_id, document)
        new = sorted((wanted if everything else wanted - held) - {order.key})
        old = sorted(held - wanted)
        put: list[Key] = []
        try:
            if new or old or order.key not in held or not self._version:
                self._begin(held | wanted)
            for start in range(0, len(new), _BATCH):
                self._renew()
                put = new[: start + _BATCH]
                self._table.batch_write([Put(entry_item(key)) for key in new[start : start + _BATCH]])
            while len(old) > _TOGETHER:
                self._table.transact([self._check(), *map(Delete, old[:99])])
                old = old[99:]
            self._end(document, wanted, marked, [order, *map(Delete, old)])
        except ConditionFailed as failed:
            if put:
                self._confess(document, put)
            return Outcome.SUPERSEDED if failed.key == keys.dirty_mark(self._run_id) else Outcome.CONTENDED
        if self._held.chunks or len(wanted) > _MANY:
            inventory.drop_chunks(self._table, self._run_id, self._version)
        return Outcome.INDEXED

    def _begin(self, listed: Collection[Key]) -> None:
        self._renewed = self._clock()
        self._write(inventory.write(self._run_id, self._held, listed, self._renewed))

    def _renew(self) -> None:
        """Say that the pass is under way, unless it was said lately. ConditionFailed: it no longer is."""
        now = self._clock()
        if now - self._renewed > self._lease // 2:
            key = keys.inventory(self._run_id)
            self._table.update(Update(key, [Set("t", now)], eq("v", self._version)))
            self._renewed = now

    def _end(
        self, document: Document, wanted: set[Key], marked: int | None, last: Sequence[Put | Delete]
    ) -> None:
        mark_key = keys.dirty_mark(self._run_id)
        listed: TransactWrite = self._check()
        if self._held.entries - wanted:
            now = Inventory(self._version, self._renewed, frozenset(wanted))
            listed = self._write_chunks(inventory.write(self._run_id, now, wanted, self._renewed))
            self._version += 1
        document.info[COMPLETE] = self._version
        mark: TransactWrite = (
            Check(mark_key, Absent()) if marked is None else Delete(mark_key, eq("t", marked))
        )
        head = stamp(keys.run_partition(self._run_id), document)
        self._table.transact([mark, head, listed, *last])

    def _write(self, written: inventory.Written) -> None:
        self._table.put(self._write_chunks(written))
        self._version += 1

    def _write_chunks(self, written: inventory.Written) -> Put:
        self._table.batch_write(written.chunks)
        return written.head

    def _check(self) -> Check:
        """That nobody else has begun a pass."""
        return Check(keys.inventory(self._run_id), eq("v", self._version))

    def _confess(self, document: Document, put: Collection[Key]) -> None:
        """Another pass has begun since. Entries that were put too late may be in no list: list them again,
        and have the run indexed once more."""
        item = self._table.get(keys.inventory(self._run_id))
        if item is not None and item["v"] == self._version:
            return  # only the mark or the head have changed: everything is listed
        inventory.declare(self._table, self._run_id, document, put)
        try:
            self._table.put(dirty.first(self._run_id, self._clock()))
        except ConditionFailed:
            return  # it is marked: a later pass finds the list


def wanted_entries(run_id: str, document: Document, experiment: Item) -> Iterator[Key]:
    """Every entry that the index should hold of a run."""
    yield order_entry(run_id, document).key
    group, position = _group(document), keys.run_position(document.info["start"], run_id)
    for entry in entries(run_of(run_id, document, experiment)):
        yield Key(keys.index_partition(run_id[:16], group, entry.field), entry.value + position)


def order_entry(run_id: str, document: Document) -> Put:
    """The run's entry in the default order."""
    key = keys.index_partition(run_id[:16], _group(document))
    name = document.sections[FACTS.attribute].get(TAG + RUN_NAME_TAG)
    shown = "" if name is None else text(name)
    position = keys.run_position(document.info["start"], run_id)
    return Put({"pk": key, "sk": position, "f": FORMAT, keys.NAME: shown})


def _group(document: Document) -> str:
    return lifecycle_group(Stage(document.info["stage"], document.info["epoch"]))


def entry_item(key: Key) -> Item:
    """Any other entry is its key."""
    return {"pk": key.pk, "sk": key.sk, "f": FORMAT}


def _is_outdated(document: Document, experiment: Item) -> bool:
    """Whether the run's experiment was deleted or restored after the run itself was."""
    return bool(document.info["epoch"] < experiment["ep"])


def _normalise(document: Document, experiment: Item) -> None:
    """A run of an older epoch is in its experiment's stage: written out, it leaves the old group."""
    if _is_outdated(document, experiment):
        document.info |= {"stage": experiment["st"], "epoch": experiment["ep"]}
