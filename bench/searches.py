"""Searches of experiments of growing size: the same runs and the same requests on every server.

The runs are put straight into each server's database. Every answer of one query, on every server and every
time, must be the same: the same ids in the same order, and the same runs behind them. Requests take turns
between the servers, and who goes first changes from turn to turn.
"""

import base64
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import load, mlflow_rows
from bench.client import Unexpected
from bench.load import RunSpec
from bench.servers import Server
from bench.workloads import PAGE, expect, facts, new_experiment
from cairn.storage.sqlite import SqliteTable

RUNS = RunSpec(
    metrics=6,
    params=6,
    tags=3,
    text_bytes=400,
    tied=0.1,
    missing=0.05,
    nan=0.02,
    deleted=0.01,
    family=50,
    same_start=5,
)
DEEP = 100
"""The deep page: this one, or the one in the middle of a smaller experiment."""
WARMERS = 8
"""Connections that warm a server up: more than MLflow's server has processes."""
LOOKED_AT = 3
"""Runs that are read one by one, besides those that the searches answer."""


@dataclass(frozen=True, slots=True)
class Size:
    """Runs of the experiments, the smallest first; requests of each query to each server, or as many as
    ``seconds`` allow; and the seconds after which an answer is waited for no longer."""

    runs: tuple[int, ...]
    requests: int
    seconds: float
    patience: float


FULL = Size(runs=(1_000, 10_000, 100_000), requests=20, seconds=10, patience=60)
QUICK = Size(runs=(210, 320), requests=2, seconds=2, patience=60)
"""Proves that everything works, measures nothing."""


def of_runs(size: Size, runs: tuple[int, ...] | None) -> Size:
    """The size, with other experiments where they are given."""
    return size if runs is None else replace(size, runs=runs)


@dataclass(frozen=True, slots=True)
class Query:
    """The body of runs/search, without experiments and page size."""

    name: str
    body: dict[str, Any] = field(default_factory=dict)
    page: int = 1


@dataclass(slots=True)
class Taken:
    """What one server's answers to a query took, in seconds. ``waited`` in vain, where it did not answer.

    The first answer, of a new connection, is left out where there are others.
    """

    all: list[float] = field(default_factory=list)
    waited: float | None = None

    @property
    def each(self) -> list[float]:
        return self.all[1:] or self.all

    @property
    def median(self) -> float:
        return statistics.median(self.each)

    @property
    def p95(self) -> float:
        ordered = sorted(self.each)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


@dataclass(frozen=True, slots=True)
class Search:
    """A query at a size: what it took by the server's name, and how many runs it answers."""

    query: str
    runs: int
    answered: int
    taken: dict[str, Taken]


def queries(experiment: str, total: int) -> list[Query]:
    """What MLflow's UI asks. The last is the one that takes MLflow's server on SQLite longest: it is ended
    where it does not answer in time, and no other query misses it then."""
    parent = load.run_id_of(experiment, total // 2 // RUNS.family * RUNS.family)
    deep = min(DEEP, max(2, total // PAGE // 2))
    by_metric = ["metrics.metric_000 ASC"]
    return [
        Query("default order"),
        Query("default order, page 2", page=2),
        Query("default order, a deep page", page=deep),
        Query("params.param_000 = 'choice-3'", {"filter": "params.param_000 = 'choice-3'"}),
        Query("tags.mlflow.parentRunId = '...'", {"filter": f"tags.`mlflow.parentRunId` = '{parent}'"}),
        Query("run_name ILIKE '%LAKE%'", {"filter": "attributes.run_name ILIKE '%LAKE%'"}),
        Query(
            "metrics.a > 0.99, by metrics.b",
            {"filter": "metrics.metric_001 > 0.99", "order_by": by_metric},
        ),
        Query("by metrics.b", {"order_by": by_metric}),
    ]


def measure(servers: Sequence[Server], size: Size, say: Callable[[str], None]) -> Iterator[Search]:
    """Every query at every size. ``servers`` are MLflow's, and Cairn as the last one."""
    alive = list(servers)
    for total in size.runs:
        sites, experiment = filled(alive, f"{total:,} runs", total, say)
        for query in queries(experiment, total):
            search = _asked(alive, sites, query, total, size, warm=total == size.runs[0])
            yield search
            ended = [server for server in alive if search.taken[server.name].waited is not None]
            for server in ended:
                say(f"{server.name} did not answer within {size.patience:g} s and is ended")
                server.kill()
            alive = [server for server in alive if server not in ended]


def filled(
    servers: Sequence[Server], name: str, total: int, say: Callable[[str], None]
) -> tuple[dict[str, str], str]:
    """The experiment on each server by its name, and on Cairn, whose experiments' ids are in the runs'."""
    sites = {}
    for server in servers:
        with server.connection() as client:
            sites[server.name] = new_experiment(client, name)
    cairn = servers[-1]
    experiment = sites[cairn.name]
    for server in servers:
        begun = time.perf_counter()
        if server is cairn:
            table = SqliteTable(Path(server.database) / "cairn.db")
            load.load(table, experiment, RUNS, range(total))
            table.close()
        else:
            made = (load.sample(RUNS, experiment, number) for number in range(total))
            location = _location(server, sites[server.name])
            mlflow_rows.insert(server.database, sites[server.name], location, made)
        say(f"{server.name}: {total:,} runs loaded in {time.perf_counter() - begun:.1f} s")
    _look(servers, experiment, total)
    return sites, experiment


def _location(server: Server, experiment: str) -> str:
    with server.connection() as client:
        answer = client.get("experiments/get", {"experiment_id": experiment})
    location: str = answer["experiment"]["artifact_location"]
    return location


def _look(servers: Sequence[Server], experiment: str, total: int) -> None:
    """Some runs, one by one, the first and the last among them."""
    for number in range(0, total, max(1, (total - 1) // (LOOKED_AT - 1))):
        query = {"run_id": load.run_id_of(experiment, number)}
        seen = []
        for server in servers:
            with server.connection() as client:
                seen.append(whole(client.get("runs/get", query)["run"]))
        expect(all(run == seen[0] for run in seen), f"run {number} of {total}", seen)


def _asked(
    servers: Sequence[Server], sites: dict[str, str], query: Query, total: int, size: Size, *, warm: bool
) -> Search:
    """The query on every server in turn, as often as the size says."""
    taken = {server.name: Taken() for server in servers}
    bodies = {server.name: _body(server, sites[server.name], query) for server in servers}
    if warm:
        for server in servers:
            _warm(server, bodies[server.name])
    clients = {server.name: server.connect(size.patience) for server in servers}
    right: tuple[list[Any], bool] | None = None
    for turn in range(size.requests + 1):
        first = turn % len(servers)
        for server in (*servers[first:], *servers[:first]):
            mine = taken[server.name]
            if mine.waited is not None or sum(mine.all) > size.seconds:
                continue
            begun = time.perf_counter()
            try:
                answer = clients[server.name].post("runs/search", bodies[server.name])
            except TimeoutError:
                mine.waited = size.patience
                continue
            mine.all.append(time.perf_counter() - begun)
            got = [whole(run) for run in answer.get("runs", [])], bool(answer.get("next_page_token"))
            right = right or got
            if got != right:
                raise Unexpected(_difference(query, total, server, got, right))
    for client in clients.values():
        client.close()
    expect(right is not None and bool(right[0]), f"{query.name} at {total:,} runs finds something")
    return Search(query.name, total, len(right[0]) if right else 0, taken)


def _body(server: Server, experiment: str, query: Query) -> dict[str, Any]:
    """The request, with the token of its page: Cairn's from the page before, as it is a place in the order;
    MLflow's is an offset, which need not be walked to."""
    body = {"experiment_ids": [experiment], "max_results": PAGE, **query.body}
    if query.page == 1:
        return body
    if server.name != "Cairn":
        offset = json.dumps({"offset": (query.page - 1) * PAGE}).encode()
        return {**body, "page_token": base64.b64encode(offset).decode()}
    with server.connection() as client:
        for _ in range(query.page - 1):
            answer = client.post("runs/search", body)
            expect(len(answer["runs"]) == PAGE, "a whole page on the way", len(answer["runs"]))
            body = {**body, "page_token": answer["next_page_token"]}
    return body


def _warm(server: Server, body: dict[str, Any]) -> None:
    """Every process of a server compiles its statement once."""

    def ask(_: int) -> None:
        with server.connection() as client:
            client.post("runs/search", body)

    with ThreadPoolExecutor(WARMERS) as pool:
        list(pool.map(ask, range(WARMERS)))


def whole(run: dict[str, Any]) -> dict[str, Any]:
    """A run with its id, comparable: NaN is not equal to itself."""
    seen = facts(run)
    seen["metrics"] = [repr(point) for point in seen["metrics"]]
    return {"run_id": run["info"]["run_id"], "end_time": run["info"].get("end_time"), **seen}


def _difference(query: Query, total: int, server: Server, got: Any, right: Any) -> str:
    ids = [[run["run_id"] for run in runs] for runs, _ in (got, right)]
    return (
        f"{query.name} at {total:,} runs: {server.name} answers {ids[0]}, more to come: {got[1]}; "
        f"another one {ids[1]}, more to come: {right[1]}; where the ids are equal the runs differ: "
        f"{[pair for pair in zip(got[0], right[0], strict=False) if pair[0] != pair[1]][:1]}"
    )
