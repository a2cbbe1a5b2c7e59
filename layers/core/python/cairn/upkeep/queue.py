"""Tasks, and the SQS queue that holds them until they are due.

A standard queue: a task may come twice and in any order, and every task may be done twice.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, Self

from cairn.errors import TemporarilyUnavailable

MAX_DELAY_S = 900
"""SQS holds a message back for 15 minutes at most ("Amazon SQS message timers")."""

_BATCH = 10  # messages of one SendMessageBatch
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """Index the run, if its mark is of ``marked`` (ms); without a mark: fold its metric log."""

    run_id: str
    marked: int | None = None

    def message(self) -> str:
        return json.dumps({"run_id": self.run_id, "marked": self.marked})

    @classmethod
    def parse(cls, message: str) -> Self:
        """Raises ValueError for what is no task: somebody else's message, or a later version's."""
        match json.loads(message):
            case {"run_id": str(run_id), "marked": int() | None as marked, **rest} if not rest:
                return cls(run_id, marked)
        raise ValueError("the message is no task")


class Sqs(Protocol):
    """Of boto3's SQS client, what is used here."""

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803 -- boto3's names
        """Send up to 10 messages; what was not sent is in the answer's ``Failed``."""


class Queue:
    """The queue of this URL."""

    def __init__(self, client: Sqs, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, tasks: Iterable[tuple[Task, int]]) -> int:
        """Send each task with the seconds that it waits. How many were sent.

        1 SendMessageBatch per 10. Raises TemporarilyUnavailable where SQS took some of them three times in
        vain; those before them are sent.
        """
        sent = 0
        pending = iter(tasks)
        while batch := list(islice(pending, _BATCH)):
            self._send(
                [
                    {"Id": str(number), "MessageBody": task.message(), "DelaySeconds": _within(delay)}
                    for number, (task, delay) in enumerate(batch)
                ]
            )
            sent += len(batch)
        return sent

    def _send(self, entries: list[Mapping[str, Any]]) -> None:
        for _ in range(_ATTEMPTS):
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            failed = {failure["Id"] for failure in answer.get("Failed", ())}
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                return
        raise TemporarilyUnavailable(f"The queue did not take {len(entries)} messages.")


def _within(delay: int) -> int:
    return min(max(delay, 0), MAX_DELAY_S)
