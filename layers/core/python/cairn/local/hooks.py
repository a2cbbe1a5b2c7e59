"""Webhooks of a local server: what queue and delivering function do on AWS, in threads.

The thread that tells of events hands them over here; a few threads deliver, with the pauses of the queue on
AWS. What waits for a repetition is in memory: it ends with its server, as it does in MLflow's.
"""

import heapq
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cairn.webhooks.hear import Heard, heard, listening
from cairn.webhooks.queue import PAUSES_S, pause

if TYPE_CHECKING:
    from cairn.domain.webhooks import Webhook
    from cairn.services.webhook_ports import Webhooks
    from cairn.webhooks.deliver import Outcome

logger = logging.getLogger(__name__)

COURIERS = 4
"""Deliveries at once: a receiver that takes its five seconds holds up a fourth of them."""
_END_S = 6.0
"""How long the end waits for a delivery that is under way."""

Pause = Callable[[int, "Outcome"], float]
"""Attempts so far and the outcome of the last, to seconds."""


@dataclass(order=True, slots=True)
class _Parcel:
    """Due at ``due``, by the couriers' clock; ``number`` keeps those of one moment in order."""

    due: float
    number: int
    webhook: "Webhook" = field(compare=False)
    heard: Heard = field(compare=False)
    attempts: int = field(compare=False, default=0)


class Couriers:
    """Takes events by ``hear``; ``run`` is a thread's work, until ``stop``."""

    def __init__(
        self, webhooks: "Webhooks", wait: Pause, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._webhooks = webhooks
        self._wait = wait
        self._clock = clock
        self._numbers = itertools.count()
        self._parcels: list[_Parcel] = []
        self._changed = threading.Condition()
        self._stopped = False

    def hear(self, envelope: Mapping[str, Any]) -> None:
        """An event, as EventBridge gives it to a rule's target. 1 Query where MLflow has a name for it."""
        found = heard(envelope)
        if found is not None:
            for webhook in listening(self._webhooks.store.all(), found.event):
                self._put(_Parcel(self._clock(), next(self._numbers), webhook, found))

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def run(self) -> None:
        while (parcel := self._next()) is not None:
            try:
                self._deliver(parcel)
            except Exception:
                # The edge of this thread: a secret's file that cannot be read must not end it for good.
                logger.exception("a webhook was not delivered")

    def _deliver(self, parcel: _Parcel) -> None:
        outcome: Any = self._webhooks.send(parcel.webhook, parcel.heard.event_id, parcel.heard.payload)
        parcel.attempts += 1
        if outcome.success or not outcome.repeat:
            return
        if parcel.attempts > len(PAUSES_S):
            logger.warning("webhook %s is given up: %s", parcel.webhook.webhook_id, outcome.error)
            return
        parcel.due = self._clock() + self._wait(parcel.attempts, outcome)
        self._put(parcel)

    def _put(self, parcel: _Parcel) -> None:
        with self._changed:
            heapq.heappush(self._parcels, parcel)
            self._changed.notify()

    def _next(self) -> _Parcel | None:
        """The parcel that is due, once one is; None at the end."""
        with self._changed:
            while not self._stopped:
                if not self._parcels:
                    self._changed.wait()
                    continue
                left = self._parcels[0].due - self._clock()
                if left <= 0:
                    return heapq.heappop(self._parcels)
                self._changed.wait(left)
        return None


def _usual(attempts: int, outcome: "Outcome") -> float:
    return pause(attempts, outcome, random.SystemRandom().getrandbits)


@contextmanager
def delivering(webhooks: "Webhooks", wait: Pause = _usual) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Deliver for as long as the context lasts; what it gives is to be told of each event."""
    couriers = Couriers(webhooks, wait)
    threads = [
        threading.Thread(target=couriers.run, name=f"webhooks-{number}", daemon=True)
        for number in range(COURIERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield couriers.hear
    finally:
        couriers.stop()
        last = time.monotonic() + _END_S
        for thread in threads:
            thread.join(max(0.0, last - time.monotonic()))
