"""The requests of a page of MLflow's UI, replayed on both servers: how long, and how many bytes.

The recording is bench/ui_requests.json (``ui_record`` makes it). A page is sent twice over: its requests
one after another on one connection, and as a browser does it, six at a time.
"""

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench import load, searches
from bench.client import Client
from bench.servers import Server
from bench.workloads import expect

REQUESTS = Path(__file__).with_name("ui_requests.json")
RUNS = 120
"""Of the experiment that was recorded: more than the table's first page."""
CONNECTIONS = 6
"""A browser's, to one host (HTTP/1.1)."""
ACCOUNTS = "/ajax-api/2.0/mlflow/users/current"
"""MLflow's server without accounts answers 404 there."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a page; ids are ``{experiment}`` and ``{run:0}``."""

    method: str
    path: str
    query: Sequence[Sequence[str]] = ()
    body: Any = None

    def about(self, experiment: str, runs: Sequence[str]) -> "Call":
        """The request to send, about these."""
        query = filled_in(self.query, experiment, runs)
        return Call(self.method, self.path, query, filled_in(self.body, experiment, runs))

    @property
    def target(self) -> str:
        return (
            f"{self.path}?{urlencode([(name, value) for name, value in self.query])}"
            if self.query
            else self.path
        )

    @property
    def content(self) -> bytes | None:
        return None if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Size:
    runs: int
    times: int


FULL = Size(runs=10_000, times=20)
QUICK = Size(runs=210, times=2)
"""Proves that everything works, measures nothing."""


@dataclass(slots=True)
class Load:
    """What one server's answers to a page took: seconds in a row, seconds side by side, bytes."""

    in_a_row: list[float] = field(default_factory=list)
    at_once: list[float] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class PageLoad:
    """A page on every server, by its name."""

    page: str
    requests: int
    runs: int
    loads: dict[str, Load]


def recording() -> dict[str, list[Call]]:
    """The calls of each page."""
    pages = json.loads(REQUESTS.read_text())["pages"]
    return {name: [Call(**call) for call in calls] for name, calls in pages.items()}


def filled_in(value: Any, experiment: str, runs: Sequence[str]) -> Any:
    """A recorded value, about this experiment and these runs, the newest first."""
    if isinstance(value, str):
        value = value.replace("{experiment}", experiment)
        for number, run_id in enumerate(runs):
            value = value.replace(f"{{run:{number}}}", run_id)
        return value
    if isinstance(value, Mapping):
        return {key: filled_in(held, experiment, runs) for key, held in value.items()}
    if isinstance(value, Sequence):
        return [filled_in(held, experiment, runs) for held in value]
    return value


def measure(servers: Sequence[Server], size: Size, say: Callable[[str], None]) -> Iterator[PageLoad]:
    """``servers`` are MLflow's and Cairn, which take turns."""
    sites, experiment = searches.filled(servers, f"{size.runs:,} runs of the UI", size.runs, say)
    runs = newest(experiment, size.runs)
    for page, calls in recording().items():
        loads = {server.name: Load() for server in servers}
        asked = {
            server.name: [call.about(sites[server.name], runs) for call in calls] for server in servers
        }
        for turn in range(size.times + 1):  # the first warms up
            answers = []
            for server in servers if turn % 2 else reversed(servers):
                taken = loads[server.name]
                seconds, contents = _in_a_row(server, asked[server.name])
                together = _at_once(server, asked[server.name])
                taken.size = sum(map(len, contents))
                if turn:
                    taken.in_a_row.append(seconds)
                    taken.at_once.append(together)
                answers.append(_seen(calls, contents))
            expect(all(each == answers[0] for each in answers), f"equal answers to {page}", answers)
        yield PageLoad(page, len(calls), size.runs, loads)


def newest(experiment: str, total: int) -> list[str]:
    """The runs that a page shows, by number from the newest; as many as a recording may name."""
    shown = (number for number in reversed(range(total)) if not load.is_deleted(searches.RUNS, number))
    return [load.run_id_of(experiment, number) for number in itertools.islice(shown, RUNS)]


def median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def _in_a_row(server: Server, calls: Sequence[Call]) -> tuple[float, list[bytes]]:
    with server.connection() as client:
        client.send("GET", "/health", None)
        begun = time.perf_counter()
        contents = [_answered(client, call) for call in calls]
        return time.perf_counter() - begun, contents


def _at_once(server: Server, calls: Sequence[Call]) -> float:
    """In the recorded order, by as many connections as a browser has."""
    clients = [server.connect() for _ in range(CONNECTIONS)]
    for client in clients:
        client.send("GET", "/health", None)

    def work(call: Call) -> None:
        client = clients.pop()
        _answered(client, call)
        clients.append(client)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        begun = time.perf_counter()
        list(pool.map(work, calls))
        elapsed = time.perf_counter() - begun
    for client in clients:
        client.close()
    return elapsed


def _answered(client: Client, call: Call) -> bytes:
    status, content = client.send(call.method, call.target, call.content)
    right = status == 200 or (status == 404 and call.path == ACCOUNTS)
    expect(right, f"{call.method} {call.target}: {status}", content)
    return content


def _seen(calls: Sequence[Call], contents: Sequence[bytes]) -> list[Any]:
    """What the user sees of runs, in the order of the calls: the same on every server."""
    seen: list[Any] = []
    for call, content in zip(calls, contents, strict=True):
        if call.path.endswith("/runs/search"):
            seen.append([searches.whole(run) for run in json.loads(content).get("runs", [])])
        elif call.path == "/graphql" and "runId" in json.dumps(call.body):
            seen.append(_run_of(json.loads(content)["data"]["mlflowGetRun"]["run"]))
    return seen


def _run_of(run: Any) -> Any:
    data = run["data"]
    pairs = {
        name: sorted((e["key"], str(e["value"])) for e in data[name])
        for name in ("params", "tags", "metrics")
    }
    return {"run_id": run["info"]["runUuid"], "name": run["info"]["runName"], **pairs}
