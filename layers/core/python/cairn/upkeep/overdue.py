"""Marks that stand although their task should long be done: their task is sent again.

A stream keeps its records for a day, a queue gives a message up after some attempts, and a table that is
older than its first consumer has marks that nobody was told of. What is lost that way costs searches a
read unit a run, until it is sent again here.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from cairn.domain.clock import Clock
from cairn.ids import RandomBits, experiment_hex
from cairn.storage import dirty
from cairn.storage.table import Table
from cairn.upkeep.queue import Queue, Task

OVERDUE_MS = 1_800_000
"""Half an hour: the longest delay of a message, and the same again for a queue that is behind."""

MOST = 10_000
"""Tasks of one round: a thousand requests to SQS, about ten seconds."""

BUDGET_MS = 40_000
"""What one round takes at most, in which thousands of experiments are asked."""


class Overdue:
    """Looks for overdue marks; ``experiments`` lists the ids of all, deleted ones too."""

    def __init__(
        self,
        table: Table,
        experiments: Callable[[], Sequence[str]],
        queue: Queue,
        clock: Clock,
        bits: RandomBits,
    ) -> None:
        self._table = table
        self._experiments = experiments
        self._queue = queue
        self._clock = clock
        self._bits = bits

    def remind(self, most: int = MOST) -> int:
        """Send the tasks of at most ``most`` overdue marks; how many those were.

        1 Query of the experiments, 1 Query of each one's marks (1 read unit per 40 marks). It begins with
        any of the experiments: where one round does not come to the end, the next ones do.
        """
        return self._queue.send((task, 0) for task in islice(self._overdue(), most))

    def _overdue(self) -> Iterator[Task]:
        started = self._clock()
        for experiment_id in self._rotated(self._experiments()):
            if self._clock() - started > BUDGET_MS:
                return
            experiment = experiment_hex(experiment_id)
            for mark in dirty.marks(self._table, experiment) if experiment else ():
                if started - mark.time > OVERDUE_MS:
                    yield Task(mark.run_id, mark.time)

    def _rotated(self, ids: Sequence[str]) -> Sequence[str]:
        start = self._bits(32) % max(len(ids), 1)
        return [*ids[start:], *ids[:start]]
