"""What becomes of a task."""

from cairn.domain.indexing import Outcome
from cairn.errors import TemporarilyUnavailable
from cairn.storage.fold import Fold
from cairn.storage.indexer import Indexer
from cairn.upkeep.queue import Task

LEAST_MS = 25_000
"""A task is not begun with less time than this: a run of 5,000 metrics and as many params takes some
10,000 entries, 400 requests."""


class NotYet(TemporarilyUnavailable):
    """The task is to come again: its run was not quiet by this clock, a writer was faster, or the time of
    this call is used up."""


class Worker:
    """Does tasks by an indexer and a folder of metric logs."""

    def __init__(self, indexer: Indexer, fold: Fold) -> None:
        self._indexer = indexer
        self._fold = fold

    def do(self, message: str, left: int) -> None:
        """The task of a message, with this many milliseconds left. Raises NotYet, and ValueError for what
        is no task."""
        task = Task.parse(message)
        if left < LEAST_MS:
            raise NotYet(f"There is no time left for run {task.run_id}.")
        self.work(task)

    def work(self, task: Task) -> None:
        """Index, or fold: see there for prices; the log of a run that is indexed costs 1 Query more.

        A mark that is gone or newer is done: the newer one has a task of its own. Raises NotYet.
        """
        if task.marked is not None:
            outcome = self._indexer.index(task.run_id, task.marked)
            if outcome in (Outcome.EARLY, Outcome.CONTENDED):
                raise NotYet(f"Run {task.run_id} is not indexed: {outcome.value}.")
            if outcome is Outcome.SUPERSEDED:
                return
        while self._fold.fold(task.run_id):
            continue
