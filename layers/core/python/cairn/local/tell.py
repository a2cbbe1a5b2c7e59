"""Events of a local server: a line on the terminal for each, and a JSON line in a file on demand.

A thread takes what the SQLite engine kept of the writes, in their order, and forgets it when it is told: a
server that was killed tells the rest at its next start, the last ones perhaps twice, under the same ids. Of
several servers on one folder one tells of all. No request waits for it.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairn.local.data import Unusable, take

if TYPE_CHECKING:
    from cairn.events.catalogue import Event
    from cairn.storage.outbox import Outbox
    from cairn.storage.stream import Change

logger = logging.getLogger(__name__)

PAUSE_S = 0.25
"""Between two looks into the outbox, 30 us each."""
_END_S = 5.0
"""How long the end waits for the last events; they are told at the next start."""
_UNSAID = {
    "version",
    "id",
    "entity",
    "sequence",
    "time",
    "tags",
    "description",
    "start_time",
    "end_time",
    "cut",
}
"""Fields that a line for people leaves out."""


@contextmanager
def telling(
    outbox: Callable[[], "Outbox"],
    lock: Path,
    file: Path | None,
    announce: Callable[[str], object],
    hear: Callable[[Mapping[str, Any]], object] = len,
) -> Iterator[None]:
    """Tell of events for as long as the context lasts; ``hear`` is told of each as well, as a target of
    EventBridge is. Raises Unusable where the file cannot be written."""
    if file is not None:
        try:
            file.open("a").close()
        except OSError as error:
            raise Unusable(f"cannot append events to {file}: {error.strerror or error}") from error
    stopped = threading.Event()
    teller = Teller(file, announce, hear)
    thread = threading.Thread(
        target=_rounds, args=(outbox, lock, teller, stopped), name="events", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(_END_S)


def _rounds(make: Callable[[], "Outbox"], lock: Path, teller: "Teller", stopped: threading.Event) -> None:
    held = take(lock)
    while held is None:  # another server tells, until it ends
        if stopped.wait(PAUSE_S):
            return
        held = take(lock)
    with held, closing(make()) as outbox:
        ended = False
        while not ended:
            ended = stopped.wait(PAUSE_S)
            try:
                while drain(outbox, teller):
                    continue
            except Exception:
                # The edge of this thread: a full disk or a busy file must not end it for good.
                logger.exception("events were not told; the next round tries again")


def drain(outbox: "Outbox", tell: Callable[[list["Event"]], None]) -> int:
    """Tell of the oldest changes, then forget them; how many those were. 1 read, 1 write."""
    changes, last = outbox.read()
    if changes:
        tell([event for change in changes for event in _events(change)])
        outbox.forget(last)
    return len(changes)


def _events(change: "Change") -> list["Event"]:
    """On AWS a record that nobody understands goes to a queue of its own; here a log line has to do."""
    from cairn.events.derive import events

    try:
        return list(events(change))
    except (KeyError, ValueError):
        logger.exception("no events of a change of %s", change.key)
        return []


class Teller:
    """Appends to the file first: what was printed is there."""

    def __init__(
        self,
        file: Path | None,
        announce: Callable[[str], object],
        hear: Callable[[Mapping[str, Any]], object] = len,
    ) -> None:
        self._file = file
        self._announce = announce
        self._hear = hear

    def __call__(self, events: list["Event"]) -> None:
        if self._file is not None and events:
            with self._file.open("a", encoding="utf-8") as lines:
                for event in events:
                    lines.write(json.dumps(event.envelope(), ensure_ascii=False) + "\n")
        for event in events:
            self._say(line(event))
            self._hear(event.envelope())

    def _say(self, line: str) -> None:
        """A terminal that is gone must not keep events from the file."""
        try:
            self._announce(line)
        except OSError as error:
            logger.warning("events are printed no longer: %s", error)
            self._announce = len


def line(event: "Event") -> str:
    """``Model Alias Set: name fraud, alias champion, model version 3``."""
    said = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in event.detail().items()
        if name not in _UNSAID and value is not False
    ]
    return f"{event.type}: {', '.join(said)}".replace("\n", " ")
