"""What deleted registered models leave is removed: the request that deletes one removes little of it."""

from collections.abc import Callable

from cairn.domain.clock import Clock

MOST = 5_000
"""Versions of one round: some 1,100 requests."""
AT_ONCE = 500

BUDGET_MS = 10_000
"""What one round takes at most, but for the requests for its last ``AT_ONCE``."""


class Remains:
    """Removes in rounds. ``sweep`` removes at most as many as it is told, and says how many those were."""

    def __init__(self, sweep: Callable[[int], int], clock: Clock) -> None:
        self._sweep = sweep
        self._clock = clock

    def clear(self, most: int = MOST) -> int:
        """Remove what is left, or at most ``most``; how many those were."""
        started, cleared = self._clock(), 0
        while cleared < most and self._clock() - started < BUDGET_MS:
            swept = self._sweep(min(AT_ONCE, most - cleared))
            if not swept:
                break
            cleared += swept
        return cleared
