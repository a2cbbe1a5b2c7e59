"""From records of the table's stream to tasks: a mark becomes due when its run has been quiet for long."""

from collections.abc import Iterable, Iterator

from cairn.domain.clock import Clock
from cairn.storage.dirty import Mark
from cairn.storage.stream import Record, changes
from cairn.upkeep.queue import Queue, Task

MARGIN_MS = 2_000
"""Behind the moment at which a run counts as quiet: clocks of two machines differ, SQS counts seconds."""


class Follower:
    """Sends a task for each run that records speak of, to a queue; ``quiet`` is the indexer's, in ms."""

    def __init__(self, queue: Queue, clock: Clock, quiet: int) -> None:
        self._queue = queue
        self._clock = clock
        self._quiet = quiet

    def follow(self, records: Iterable[Record]) -> int:
        """How many tasks were sent: 1 SendMessageBatch per 10. All or nothing counts: a caller repeats the
        batch, and what is sent twice is done twice."""
        return self._queue.send(self._tasks(records))

    def _tasks(self, records: Iterable[Record]) -> Iterator[tuple[Task, int]]:
        """One per run and kind: of several marks only the last one can still stand."""
        marked: dict[str, int] = {}
        logged: dict[str, None] = {}
        for change in changes(records):
            if isinstance(change, Mark):
                marked[change.run_id] = max(change.time, marked.get(change.run_id, 0))
            else:
                logged[change.run_id] = None
        now = self._clock()
        for run_id, time in marked.items():
            yield Task(run_id, time), -((now - time - self._quiet - MARGIN_MS) // 1000)
        for run_id in logged:
            yield Task(run_id), 0
