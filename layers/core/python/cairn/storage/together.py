"""Requests that do not wait for each other: how tasks of a search, or a chart, are carried out.

Side by side where a request waits for the network; in turn where it computes (SQLite).
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Answer = TypeVar("Answer")

LANES = 16
"""Requests under way at once. At 5 ms each these are 3,200 a second: more than one processor prepares."""


class Together(Protocol):
    """Carries out tasks; their answers, in the tasks' order."""

    def __call__(self, tasks: Iterable[Callable[[], Answer]]) -> list[Answer]: ...


def in_turn(tasks: Iterable[Callable[[], Answer]]) -> list[Answer]:
    """One after the other."""
    return [task() for task in tasks]


class SideBySide:
    """Up to ``LANES`` at once, in threads that stay for the next. What a task raises is raised here, once
    the tasks before it are done."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None  # a cold start does without

    def __call__(self, tasks: Iterable[Callable[[], Answer]]) -> list[Answer]:
        waiting = list(tasks)
        if len(waiting) < 2:
            return in_turn(waiting)
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(LANES, thread_name_prefix="search")
        return [future.result() for future in [self._pool.submit(task) for task in waiting]]
