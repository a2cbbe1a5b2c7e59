"""Checks the whole index of an experiment against its runs, and mends what differs.

Runs and entries are found by scans of the table, so that nothing is trusted that may be damaged; what the
entries of the default order hold beside their keys, the runs' names, by queries of the partitions in which
the scan saw them. A first scan keeps, of each run, the number and a sum of its entries; those of runs for
which these are not what the facts ask for, and of runs that do not exist, are collected by further scans.
A run is mended by a pass of the indexer that trusts no inventory; one that is being written is left to the
indexer, with a list of what was found. So it may run beside writers, searches and indexers, be interrupted,
and be repeated.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from cairn.domain.indexing import Outcome
from cairn.storage import keys
from cairn.storage.document import Documents
from cairn.storage.facts import FACTS
from cairn.storage.indexer import Indexer, order_entry, wanted_entries
from cairn.storage.runs import LATEST
from cairn.storage.table import Delete, Key, Query, Scan, Table

_TOGETHER = 99  # runs read together: with their experiment's head they fill one BatchGetItem
_ROUND = 20_000  # suspects whose entries are held at once: a million entries, about 300 MB
_ATTEMPTS = 3
_POSITION = 48
_RUN = 32
_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Report:
    """How far it came. ``found`` entries, ``checked`` of ``runs``, ``repaired`` runs, ``removed`` entries
    of no run or place, ``waiting`` runs that the indexer will see to when they have gone quiet."""

    found: int = 0
    runs: int = 0
    checked: int = 0
    repaired: int = 0
    removed: int = 0
    waiting: int = 0


@dataclass(slots=True)
class _Sum:
    """What a scan keeps of a run's entries, in whatever order they come."""

    count: int = 0
    total: int = 0

    def add(self, key: Key, name: str | None = None) -> None:
        """An entry and, of the default order, the name that it holds: none is not the same as no name."""
        said = "" if name is None else f"\0{name}"
        hashed = hashlib.blake2b(f"{key.pk}\0{key.sk}{said}".encode(), digest_size=8).digest()
        self.count += 1
        self.total = (self.total + int.from_bytes(hashed, "big")) & _MASK


class Reindex:
    """``tell`` hears of progress, several times a second at most."""

    def __init__(self, table: Table, indexer: Indexer, tell: Callable[[Report], None]) -> None:
        self._table = table
        self._indexer = indexer
        self._tell = tell
        self._documents = Documents(table, (FACTS, LATEST), lambda _: None)
        self._report = Report()

    def reindex(self, experiment: str) -> Report:
        """The experiment of these 16 hex digits, which exists.

        1 Scan per MB of the table, twice as many where anything is wrong (half a read unit per 4 KB of all
        that it holds, whatever the experiment's share); 1 Query per MB of the default order (half a unit
        per 4 KB, some 30 runs); 1 BatchGetItem per 99 runs; for a run that is mended as ``Indexer.index``.
        """
        self._report = Report()
        runs, sums = self._scan(experiment)
        suspects = list(self._suspects(experiment, sorted(runs), sums))
        suspects += sorted(sums.keys() - runs)
        del sums
        for start in range(0, len(suspects), _ROUND):
            self._mend(experiment, suspects[start : start + _ROUND])
        return self._report

    def _scan(self, experiment: str) -> tuple[set[str], dict[str, _Sum]]:
        """The experiment's runs, and by run the sum of its entries."""
        runs: set[str] = set()
        sums: dict[str, _Sum] = {}
        orders: set[str] = set()
        for page in self._keys(experiment, with_runs=True):
            for key in page:
                if key.pk.startswith(keys.RUNS):
                    runs.add(key.pk[len(keys.RUNS) :])
                elif keys.is_default_order(key.pk):
                    orders.add(key.pk)
                else:
                    sums.setdefault(key.sk[-_RUN:], _Sum()).add(key)
            self._note(runs=len(runs), found=sum(one.count for one in sums.values()))
        for partition in sorted(orders):
            for entries in self._named(partition):
                for key, name in entries:
                    sums.setdefault(key.sk[-_RUN:], _Sum()).add(key, name)
                self._note(found=self._report.found + len(entries))
        return runs, sums

    def _named(self, partition: str) -> Iterator[Sequence[tuple[Key, str | None]]]:
        """The entries of a partition of the default order, a page at a time, with the names they hold."""
        after: str | None = None
        while True:
            page = self._table.query(Query(partition, after=after, consistent=False))
            yield [(Key(partition, item["sk"]), item.get(keys.NAME)) for item in page.items]
            after = page.after
            if after is None:
                return

    def _keys(self, experiment: str, *, with_runs: bool) -> Iterator[Sequence[Key]]:
        prefixes = [keys.index_prefix(experiment)]
        heads = {}
        if with_runs:
            prefixes.append(keys.RUNS + experiment)
            heads[keys.RUNS + experiment] = keys.FACTS_HEAD
        after: Key | None = None
        while True:
            page = self._table.scan(Scan(prefixes, heads, after))
            yield page.keys
            after = page.after
            if after is None:
                return

    def _suspects(self, experiment: str, runs: Sequence[str], sums: dict[str, _Sum]) -> Iterator[str]:
        """Runs whose entries are not those that their facts ask for."""
        pending = iter(runs)
        head_key = keys.experiment_head(experiment)
        while chunk := list(islice(pending, _TOGETHER)):
            partitions = {keys.run_partition(run_id): run_id for run_id in chunk}
            documents, heads = self._documents.read(list(partitions), [head_key])
            for pk, document in documents.items():
                wanted = _Sum()
                order = order_entry(partitions[pk], document)
                for key in set(wanted_entries(partitions[pk], document, heads[head_key])):
                    wanted.add(key, order.item[keys.NAME] if key == order.key else None)
                if wanted != sums.get(partitions[pk]):
                    yield partitions[pk]
            self._note(checked=self._report.checked + len(chunk))

    def _mend(self, experiment: str, suspects: Sequence[str]) -> None:
        seen: dict[str, set[Key]] = {run_id: set() for run_id in suspects}
        for page in self._keys(experiment, with_runs=False):
            for key in page:
                if key.sk[-_RUN:] in seen:
                    seen[key.sk[-_RUN:]].add(key)
        for start in range(0, len(suspects), _TOGETHER):
            chunk = suspects[start : start + _TOGETHER]
            partitions = [keys.run_partition(run_id) for run_id in chunk if run_id[:16] == experiment]
            marks = [keys.dirty_mark(run_id) for run_id in chunk if run_id[:16] == experiment]
            documents, marked = self._documents.read(partitions, marks)
            for run_id in chunk:
                document = documents.get(keys.run_partition(run_id))
                if document is not None:
                    position = keys.run_position(document.info["start"], run_id)
                    misplaced = {key for key in seen[run_id] if key.sk[-_POSITION:] != position}
                    self._remove(misplaced)
                    self._repair(run_id, seen[run_id] - misplaced)
                elif keys.dirty_mark(run_id) not in marked:  # no run, and none that is being created
                    self._remove(seen[run_id])

    def _remove(self, false: Collection[Key]) -> None:
        self._table.batch_write([Delete(key) for key in sorted(false)])
        self._note(removed=self._report.removed + len(false))

    def _repair(self, run_id: str, seen: Collection[Key]) -> None:
        outcome = Outcome.CONTENDED
        for _ in range(_ATTEMPTS):
            outcome = self._indexer.repair(run_id, seen)
            if outcome is not Outcome.CONTENDED:
                break
        if outcome is Outcome.INDEXED:
            self._note(repaired=self._report.repaired + 1)
        else:
            self._note(waiting=self._report.waiting + 1)

    def _note(self, **numbers: int) -> None:
        self._report = replace(self._report, **numbers)
        self._tell(self._report)
