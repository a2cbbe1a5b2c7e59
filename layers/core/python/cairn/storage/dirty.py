"""Dirty marks: which runs were written so recently that the index may not know it yet.

A write marks its run before it changes it; a mark that is fresh enough is left alone, so that a run which
logs all the time costs a mark every half minute. The indexer takes marks that have been quiet for longer
than any request can last.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, Set
from cairn.storage.table import Item, Put, Query, Table, Update

QUIET = 90_000
"""Milliseconds after which no request is under way that found the mark fresh: API Gateway ends at 29 s."""


def fresh(quiet: int) -> int:
    """Milliseconds for which a mark stands for further writes. The other two thirds of ``quiet`` are for a
    request that found it fresh to end, and for clocks that differ."""
    return quiet // 3


@dataclass(frozen=True, slots=True)
class Mark:
    """``moved``: a write changed the run's life-cycle stage, so that its group may be wrong."""

    run_id: str
    time: int
    moved: bool


def missing(mark: Item | None, now: int, quiet: int, *, moved: bool) -> bool:
    """Whether a write must mark its run anew. One from the future (a clock ran ahead) counts as old."""
    return mark is None or not 0 <= now - mark["t"] < fresh(quiet) or (moved and "g" not in mark)


def renew(run_id: str, now: int, *, moved: bool) -> Update:
    """The mark of a write; that another one moved the run stays noted."""
    actions = [Set("t", now), Set("f", FORMAT)]
    return Update(keys.dirty_mark(run_id), [*actions, Set("g", 1)] if moved else actions)


def first(run_id: str, now: int) -> Put:
    """A mark for a run that has none; ConditionFailed where it has one."""
    return Put(put(run_id, now, moved=False).item, Absent())


def put(run_id: str, now: int, *, moved: bool) -> Put:
    """The mark of a new run."""
    key = keys.dirty_mark(run_id)
    item = {"pk": key.pk, "sk": key.sk, "f": FORMAT, "t": now}
    return Put({**item, "g": 1} if moved else item)


def marks(table: Table, experiment: str) -> Iterator[Mark]:
    """The dirty runs of an experiment: 1 Query per MB of marks (about 100 bytes each)."""
    after: str | None = None
    while True:
        page = table.query(Query(keys.dirty_partition(experiment), after=after))
        for item in page.items:
            yield Mark(item["sk"], item["t"], "g" in item)
        after = page.after
        if after is None:
            return
