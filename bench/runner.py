"""Runs workloads on both servers in turn, and keeps the time of every request.

The two alternate in rounds, and which goes first alternates as well: what else the machine does hits both.
Nothing is measured before both have answered the same request a few times.
"""

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.client import Unexpected
from bench.servers import Server
from bench.workloads import Site, Step, Workload

ROUNDS = 4
WARMERS = 8
"""Connections that warm a server up: more than MLflow's server has processes."""


@dataclass(slots=True)
class Times:
    """Seconds of each request, and of all of them on the clock."""

    each: list[float] = field(default_factory=list)
    elapsed: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.each)

    @property
    def p95(self) -> float:
        ordered = sorted(self.each)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]

    @property
    def rate(self) -> float:
        return len(self.each) / self.elapsed


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    count: int
    writers: int
    mlflow: Times
    cairn: Times


Make = Callable[[Site], Step]


def compare(
    name: str,
    make: Make,
    servers: Sequence[Server],
    sites: Sequence[Site],
    *,
    count: int,
    writers: int = 1,
    warm: int = 16,
    offset: int = 0,
) -> Result:
    """``count`` steps on each server, numbered from ``offset``; raises Unexpected where answers differ.

    ``warm`` further steps, with numbers of their own behind the measured ones, run before on each server.
    """
    steps = [make(site) for site in sites]
    times = [Times() for _ in servers]
    answers: list[dict[int, Any]] = [{} for _ in servers]
    for server, step in zip(servers, steps, strict=True):
        _steps(server, Workload(step, WARMERS), range(offset + count, offset + count + warm))
    size = -(-count // ROUNDS)
    for turn in range(ROUNDS):
        numbers = range(offset + turn * size, offset + min(count, (turn + 1) * size))
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            if not len(numbers):
                continue
            begun = time.perf_counter()
            done = _steps(servers[side], Workload(steps[side], writers), numbers)
            times[side].elapsed += time.perf_counter() - begun
            for number, seconds, answer in done:
                times[side].each.append(seconds)
                answers[side][number] = answer
    for number in answers[0]:
        if answers[0][number] != answers[1][number]:
            raise Unexpected(
                f"{name}, step {number}: {servers[0].name} {str(answers[0][number])[:800]}\n"
                f"{servers[1].name} {str(answers[1][number])[:800]}"
            )
    return Result(name, count, writers, *times)


def _steps(server: Server, workload: Workload, numbers: range) -> list[tuple[int, float, Any]]:
    """(number, seconds, answer) of each step, by as many threads as there are writers."""
    done: list[tuple[int, float, Any]] = []
    failures: list[BaseException] = []

    def work(mine: Sequence[int]) -> None:
        client = server.connect()
        try:
            for number in mine:
                begun = time.perf_counter()
                answer = workload.step(client, number)
                done.append((number, time.perf_counter() - begun, answer))
        except (Unexpected, OSError) as failure:
            failures.append(failure)
        finally:
            client.close()

    threads = [
        threading.Thread(target=work, args=(numbers[first :: workload.writers],))
        for first in range(workload.writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return done
