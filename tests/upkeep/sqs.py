"""A queue that takes messages and keeps them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cairn.upkeep.queue import Task


class FakeSqs:
    """Keeps what it takes; ``refuses`` says which messages of a request it does not."""

    def __init__(self, refuses: Callable[[Task], bool] = lambda task: False) -> None:
        self.requests: list[list[tuple[Task, int]]] = []
        self._refuses = refuses

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803
        assert QueueUrl == "queue"
        assert 1 <= len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        tasks = {
            entry["Id"]: (Task.parse(entry["MessageBody"]), entry["DelaySeconds"]) for entry in Entries
        }
        refused = [name for name, (task, _) in tasks.items() if self._refuses(task)]
        self.requests.append([sent for name, sent in tasks.items() if name not in refused])
        return {"Successful": [], "Failed": [{"Id": name} for name in refused]} if refused else {}

    @property
    def sent(self) -> list[tuple[Task, int]]:
        return [sent for request in self.requests for sent in request]
