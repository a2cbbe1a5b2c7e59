"""Background work of a local server: what the table's stream and a queue do on AWS.

A thread sweeps every experiment, and what deleted models left, every few seconds. No request waits for it,
and a fault of the store ends one round, not the thread: a search reads unindexed runs as they are, so a
late index costs time only.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cairn.services.ports import Stores

logger = logging.getLogger(__name__)

PAUSE_S = 5.0
"""Between two rounds, and before the first: a start does not wait for it."""
_END_S = 10.0
"""How long the end waits for the run that is being indexed; everything may be repeated."""


@contextmanager
def upkeep(stores: "Stores", pause: float = PAUSE_S) -> Iterator[None]:
    """Index what has gone quiet, and remove what deleted models left, for as long as the context lasts."""
    stopped = threading.Event()
    thread = threading.Thread(target=_rounds, args=(stores, stopped, pause), name="upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(_END_S)


def _rounds(stores: "Stores", stopped: threading.Event, pause: float) -> None:
    while not stopped.wait(pause):
        try:
            sweep(stores, stopped)
            stores.registry.models.sweep()
        except Exception:
            # The edge of this thread: a busy file or an endpoint that is away must not end it for good.
            logger.exception("a round was not finished; the next one tries again")


def sweep(stores: "Stores", stopped: threading.Event) -> int:
    """One round over all experiments, cut short once ``stopped``: 1 Query of marks for each. How many
    runs were indexed."""
    indexed = 0
    for experiment in stores.experiments.scan(with_tags=False):
        if stopped.is_set():
            break
        indexed += stores.indexer.sweep(experiment.experiment_id)
    return indexed
