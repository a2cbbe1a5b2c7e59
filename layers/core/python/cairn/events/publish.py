"""Events onto an EventBridge bus: in order, at least once, what the bus refuses into a queue of its own.

PutEvents takes up to ten entries and 256 KB, and may take some of a request and refuse others: those alone
are sent again. A request that fails as a whole raises, so that the stream repeats the batch: who listens
gets some events twice, under the same ids.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cairn.events.catalogue import SOURCE, Event
from cairn.events.derive import events
from cairn.storage.stream import Record, images

MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
"""Of one PutEvents ("Calculating PutEvents event entry size", EventBridge user guide)."""
ATTEMPTS = 5

_TIME_BYTES = 14  # what an entry's time counts as, there
_PASSING = {"InternalFailure", "InternalException", "ThrottlingException"}
"""Reasons of an entry's refusal that pass ("PutEventsResultEntry", EventBridge API reference)."""


class Bus(Protocol):
    """Of boto3's EventBridge client, what is used here."""

    def put_events(self, *, Entries: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803 -- boto3's names
        """Entries that were refused have an ErrorCode, at their places in the answer."""


class DeadLetters(Protocol):
    """Of boto3's SQS client, what is used here."""

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> Mapping[str, Any]:  # noqa: N803
        """Send a message."""


@dataclass(frozen=True, slots=True)
class Published:
    """How many events a batch of records had, and how many of them the bus did not take."""

    events: int
    lost: int


class Publisher:
    """Publishes on the bus of this name; ``pause(attempt)`` waits before an attempt is repeated."""

    def __init__(
        self,
        bus: Bus,
        name: str,
        letters: DeadLetters,
        queue: str,
        pause: Callable[[int], None],
    ) -> None:
        self._bus = bus
        self._name = name
        self._letters = letters
        self._queue = queue
        self._pause = pause

    def publish(self, records: Iterable[Record]) -> Published:
        """1 PutEvents per 10 events or 256 KB, more for entries that are refused; 1 SendMessage for each
        that stays refused. Nothing for records without events. Raises what the clients raise."""
        told = lost = 0
        found = (event for record in records for event in events(images(record)))
        for entries in _requests(self._entry(event) for event in found):
            told += len(entries)
            lost += self._put(entries)
        return Published(told, lost)

    def _entry(self, event: Event) -> dict[str, Any]:
        return {
            "Time": datetime.fromtimestamp(event.time / 1000, UTC),
            "Source": SOURCE,
            "DetailType": event.type,
            "Resources": event.happening.resources,
            "Detail": json.dumps(event.detail(), separators=(",", ":"), ensure_ascii=False),
            "EventBusName": self._name,
        }

    def _put(self, entries: Sequence[dict[str, Any]]) -> int:
        """How many of the entries went to the dead letters."""
        lost = 0
        for attempt in range(ATTEMPTS):
            answer = self._bus.put_events(Entries=entries)
            refused = []
            for entry, result in zip(entries, answer["Entries"], strict=True):
                code = result.get("ErrorCode")
                if code is None:
                    continue
                if code in _PASSING and attempt + 1 < ATTEMPTS:
                    refused.append(entry)
                else:
                    self._give_up(entry, f"{code}: {result.get('ErrorMessage', '')}")
                    lost += 1
            if not refused:
                break
            entries = refused
            self._pause(attempt)
        return lost

    def _give_up(self, entry: Mapping[str, Any], reason: str) -> None:
        """As an entry that ``aws events put-events`` takes, and why it was refused."""
        letter = {"reason": reason, "entry": {**entry, "Time": entry["Time"].isoformat()}}
        self._letters.send_message(
            QueueUrl=self._queue, MessageBody=json.dumps(letter, separators=(",", ":"), ensure_ascii=False)
        )


def _requests(entries: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """As many entries together as one request takes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        own = entry_size(entry)
        if batch and (len(batch) == MAX_ENTRIES or size + own > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += own
    if batch:
        yield batch


def entry_size(entry: Mapping[str, Any]) -> int:
    """Bytes of an entry as EventBridge counts them."""
    texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry["Resources"]]
    return _TIME_BYTES + sum(len(text.encode()) for text in texts)
