"""The facts of a search's runs: read by their ids, paid for from its budget, matched."""

from collections.abc import Iterator, Sequence

from cairn.domain.entities import Run
from cairn.search.plan import Search
from cairn.storage.budget import Budget
from cairn.storage.runs import Runs

BATCH = 99
"""Runs that are read together: with their experiment's head they fill one BatchGetItem."""
_CARRIED = 0.6  # of the units of a request


class Matches:
    def __init__(self, runs: Runs, search: Search, budget: Budget) -> None:
        self._runs = runs
        self._search = search
        self._budget = budget
        self._price = 1.0  # units of a run, in the dearest batch so far

    @property
    def carried(self) -> int:
        """Matches that a token may carry: reading them again leaves something of a request."""
        bounds = self._budget.bounds
        return max(1, min(bounds.carried, int(bounds.units * _CARRIED / self._price)))

    def read(self, run_ids: Sequence[str]) -> tuple[list[Run], int]:
        """The runs in the order of their ids as given, and how many of the ids were looked at: at least
        one, all of them unless runs are huge."""
        found: dict[str, Run] = {}
        done = 0
        while done < len(run_ids):
            chunk = run_ids[done : done + BATCH]
            left = max(self._budget.units, 0) + self._budget.bounds.overdraft
            if done and left < len(chunk):
                break
            runs, count, units = self._runs.get_within(left, chunk)
            found |= runs
            self._budget.spend(units)
            self._price = max(self._price, units / count)
            done += count
            if count < len(chunk):
                break
        return [found[run_id] for run_id in run_ids[:done] if run_id in found], done

    def recall(self, run_ids: Sequence[str]) -> Iterator[Run]:
        """Those that match of the runs that a sweep held: all of them are read, since it may have taken
        many requests to find them."""
        for start in range(0, len(run_ids), BATCH):
            waiting = run_ids[start : start + BATCH]
            while waiting:
                runs, count = self.read(waiting)
                yield from filter(self.meets, runs)
                waiting = waiting[count:]

    def meets(self, run: Run) -> bool:
        return run.info.lifecycle_stage in self._search.stages and self._search.meets(run)
