"""A sweep over HTTP: 64 writers create, log and finish runs while 8 readers search and page.

Nothing is lost and nothing is double: a run that was finished before a reader began is on exactly one of
its pages, and in the end every run is found by its own metric. ``CAIRN_SWEEP_RUNS`` says how many runs
(2,000 was promised), ``CAIRN_SWEEP_STEPS_A_CALL`` how the 200 steps of 20 metrics are cut. Prints time and
requests with ``pytest -s``.
"""

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.local_cairn import LocalCairn, local_cairn

RUNS = int(os.environ.get("CAIRN_SWEEP_RUNS", "128"))
STEPS_A_CALL = int(os.environ.get("CAIRN_SWEEP_STEPS_A_CALL", "50"))
WRITERS, READERS = 64, 8
METRICS, STEPS = 20, 200
START = 1_700_000_000_000
PAGE = 40
REPEATS = 8
"""A busy server may answer 429 or 503: clients repeat."""

READERS_ASK: tuple[dict[str, Any], ...] = (
    {"filter": "metrics.score >= 0", "order_by": ["metrics.score DESC"]},
    {"filter": "attributes.status = 'FINISHED'"},
    {"order_by": ["params.number ASC"]},
    {"filter": "params.team = 'blue' AND metrics.m07 < 2", "order_by": ["metrics.m07 ASC"]},
)


@dataclass
class Sweep:
    """What the threads share."""

    server: LocalCairn
    experiment: str = ""
    requests: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    finished: dict[str, int] = field(default_factory=dict)
    """Run ids with their numbers, once their last call was answered."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def client(self) -> Iterator[Callable[..., Any]]:
        """Calls on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        with closing(connection):
            yield lambda path, body=None, method="POST": self._call(connection, method, path, body)

    def _call(self, connection: http.client.HTTPConnection, method: str, path: str, body: Any) -> Any:
        for attempt in range(REPEATS):
            connection.request(
                method,
                f"/api/2.0/mlflow/{path}",
                None if body is None else json.dumps(body),
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            answer = response.read()
            with self.lock:
                self.requests[path.partition("?")[0]] += 1
                self.repeated += response.status in (429, 503)
            if response.status == 200:
                return json.loads(answer)
            assert response.status in (429, 503), answer
            time.sleep(0.1 * 2**attempt)
        raise AssertionError(f"{path} was refused {REPEATS} times")


def score(number: int, step: int) -> float:
    """Ends at the run's own number."""
    return number + (STEPS - 1 - step) / 1_000


def write(sweep: Sweep, number: int) -> None:
    """The life of one run."""
    with sweep.client() as call:
        created = call(
            "runs/create", {"experiment_id": sweep.experiment, "start_time": START + number // 4}
        )
        run_id = created["run"]["info"]["run_id"]
        params = [
            {"key": "number", "value": f"{number:05d}"},
            {"key": "team", "value": ("blue", "red")[number % 2]},
        ]
        call("runs/log-batch", {"run_id": run_id, "params": params})
        for first in range(0, STEPS, STEPS_A_CALL):
            points = [
                {
                    "key": f"m{key:02d}" if key else "score",
                    "value": score(number, step) if not key else (number % 97 + step / STEPS) / (key * 10),
                    "timestamp": START + step,
                    "step": step,
                }
                for step in range(first, first + STEPS_A_CALL)
                for key in range(METRICS)
            ]
            call("runs/log-batch", {"run_id": run_id, "metrics": points})
        call("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": START + STEPS})
    with sweep.lock:
        sweep.finished[run_id] = number


def pages(sweep: Sweep, call: Callable[..., Any], query: dict[str, Any]) -> list[dict[str, Any]]:
    """All runs of all pages, in their order."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        body = {"experiment_ids": [sweep.experiment], "max_results": PAGE, "page_token": token, **query}
        page = call("runs/search", body)
        found += page.get("runs", [])
        assert len(page.get("runs", [])) <= PAGE
        token = page.get("next_page_token", "")
        if not token:
            return found


def expected(query: dict[str, Any], number: int) -> bool:
    """Whether a finished run of this number meets one of the readers' filters."""
    if "team" not in query.get("filter", ""):
        return True
    return number % 2 == 0 and (number % 97 + (STEPS - 1) / STEPS) / 70 < 2


def read(sweep: Sweep, done: threading.Event, reader: int) -> int:
    """Search and page until the writers are done; how many times everything was paged."""
    passes = 0
    with sweep.client() as call:
        for query in cycle(READERS_ASK[reader % 4 :] + READERS_ASK[: reader % 4]):
            with sweep.lock:
                before = dict(sweep.finished)
            seen = Counter(run["info"]["run_id"] for run in pages(sweep, call, query))
            for run_id, number in before.items():
                assert seen[run_id] == expected(query, number), (query, number)
            passes += 1
            if done.is_set():
                return passes
    raise AssertionError


def check(sweep: Sweep) -> None:
    """Everything is there once, and each run is found by its own metric."""
    with sweep.client() as call:
        found = pages(sweep, call, {"order_by": ["metrics.score ASC"]})
        assert [sweep.finished[run["info"]["run_id"]] for run in found] == list(range(RUNS))
        for run in found:
            assert run["info"]["status"] == "FINISHED"
            latest = {one["key"]: (one["step"], one["value"]) for one in run["data"]["metrics"]}
            number = sweep.finished[run["info"]["run_id"]]
            assert latest["score"] == (STEPS - 1, float(number))
            assert len(latest) == METRICS
            assert {step for step, _ in latest.values()} == {STEPS - 1}
        for run_id, number in sweep.finished.items():
            query = {"filter": f"metrics.score = {number} AND params.number = '{number:05d}'"}
            assert [run["info"]["run_id"] for run in pages(sweep, call, query)] == [run_id]
        for run_id in list(sweep.finished)[:: max(1, RUNS // 20)]:
            path = f"metrics/get-history?run_id={run_id}&metric_key=score&max_results=1000"
            history = call(path, method="GET")["metrics"]
            assert [point["step"] for point in history] == list(range(STEPS))


@pytest.mark.timeout(7_200 if RUNS > 500 else 300)
def test_a_sweep_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    with local_cairn("--data", str(tmp_path / "data")) as server:
        sweep = Sweep(server)
        with sweep.client() as call:
            sweep.experiment = call("experiments/create", {"name": "sweep"})["experiment_id"]
        done = threading.Event()
        began = time.perf_counter()
        with ThreadPoolExecutor(WRITERS) as writers, ThreadPoolExecutor(READERS) as readers:
            reading = [readers.submit(read, sweep, done, number) for number in range(READERS)]
            try:
                for written in [writers.submit(write, sweep, number) for number in range(RUNS)]:
                    written.result()
            finally:
                done.set()
            swept = time.perf_counter() - began
            during = sweep.requests.copy()
            passes = sum(reader.result() for reader in reading)
        assert len(sweep.finished) == RUNS
        check(sweep)
        seconds = time.perf_counter() - began
        report(sweep, swept, during, passes, seconds)


def report(sweep: Sweep, swept: float, during: Counter[str], passes: int, seconds: float) -> None:
    total = during.total()
    sys.stdout.write(
        f"\n{RUNS} runs in {swept:.1f} s: {total} requests, {total / swept:.0f} a second"
        f" ({dict(during)}), {sweep.repeated} repeated; {passes} times paged;"
        f" with the check {seconds:.1f} s, {sweep.requests.total()} requests\n"
    )
