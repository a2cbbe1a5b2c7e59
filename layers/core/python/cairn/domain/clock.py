"""Time as an argument: ``Clock()`` gives milliseconds since the epoch."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> int:
    """The wall clock in milliseconds."""
    return time.time_ns() // 1_000_000
