"""Searches of runs by matching every run: the oracle that the index is compared with, and a fake for it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cairn.domain.access import Access
from cairn.domain.entities import Run
from cairn.search.plan import Search


@dataclass(frozen=True)
class MatchingIndex:
    """``services.ports.RunIndex`` over runs in memory."""

    runs: Iterable[Run]

    def scoped(self, access: Access) -> "MatchingIndex":
        return self

    def search(self, search: Search) -> Iterator[Run]:
        ordering = search.ordering
        floor = None if search.after is None else ordering.key(search.after)
        keyed = [
            (ordering.key(ordering.position(run)), run)
            for run in self.runs
            if run.info.experiment_id in search.experiment_ids
            and run.info.lifecycle_stage in search.stages
            and search.meets(run)
        ]
        keyed.sort(key=lambda row: row[0])
        return iter([run for key, run in keyed if floor is None or key > floor])
