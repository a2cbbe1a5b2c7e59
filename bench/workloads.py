"""What is measured: one timed request each, with the answer that it must have.

A workload is a step that is called with a client and the step's number and returns the part of the answer
that must be the same on both servers: ids are left out, everything else is in. Steps are numbered the same
on both sides and draw no randomness.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.client import Client, Unexpected

START = 1_700_000_000_000
HISTORY_PAGE = 25_000
"""What MLflow's client asks for."""
PAGE = 100
"""Runs of a page of a search."""

Step = Callable[[Client, int], Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """A step, and how many connections call it at once."""

    step: Step
    writers: int = 1


@dataclass(slots=True)
class Site:
    """One server's side: the ids of what was made there."""

    experiment: str
    runs: list[str] = field(default_factory=list)


def expect(condition: bool, what: str, got: object = "") -> None:
    if not condition:
        raise Unexpected(f"{what}: {str(got)[:500]}")


def new_experiment(client: Client, name: str) -> str:
    answer = client.post("experiments/create", {"name": name})
    experiment: str = answer["experiment_id"]
    return experiment


def new_run(client: Client, experiment: str, number: int) -> dict[str, Any]:
    """A run with four tags, as ``mlflow.start_run`` makes it; each starts a millisecond after the last."""
    body = {
        "experiment_id": experiment,
        "user_id": "bench",
        "start_time": START + number,
        "run_name": f"run-{number:06d}",
        "tags": [
            {"key": "mlflow.user", "value": "bench"},
            {"key": "mlflow.source.name", "value": "train.py"},
            {"key": "mlflow.source.type", "value": "LOCAL"},
            {"key": "group", "value": f"g{number % 10}"},
        ],
    }
    run: dict[str, Any] = client.post("runs/create", body)["run"]
    return run


def loss(number: int) -> float:
    """Distinct for each run, and no order of start times."""
    return (number * 7919 % 99_991) / 99_991


def points(count: int, start: int, keys: int) -> list[dict[str, Any]]:
    return [
        {
            "key": f"m{number % keys}",
            "value": number * 0.5,
            "timestamp": START + number,
            "step": number // keys,
        }
        for number in range(start, start + count)
    ]


def facts(run: dict[str, Any]) -> dict[str, Any]:
    """A run without its ids, in an order of its own."""
    info = {
        key: run["info"].get(key)
        for key in ("run_name", "status", "start_time", "user_id", "lifecycle_stage")
    }
    data = run["data"]
    metrics = sorted(
        (m["key"], float(m["value"]), m["timestamp"], m.get("step", 0)) for m in data.get("metrics", [])
    )
    params = sorted((p["key"], p["value"]) for p in data.get("params", []))
    tags = sorted((t["key"], t["value"]) for t in data.get("tags", []))
    return {**info, "metrics": metrics, "params": params, "tags": tags}


def fill(site: Site) -> Step:
    """A run with what searches look for, in two requests."""

    def step(client: Client, number: int) -> Any:
        run = new_run(client, site.experiment, number)
        body = {
            "run_id": run["info"]["run_id"],
            "metrics": [{"key": "loss", "value": loss(number), "timestamp": START + number, "step": 1}],
            "params": [{"key": "shard", "value": str(number % 4)}],
        }
        return client.post("runs/log-batch", body)

    return step


def create_run(site: Site) -> Step:
    def step(client: Client, number: int) -> Any:
        run = new_run(client, site.experiment, number)
        expect(run["info"]["experiment_id"] == site.experiment, "a run of another experiment", run)
        expect(len(run["data"]["tags"]) == 5, "four tags and the name", run)
        return facts(run)

    return step


def log_metric(site: Site) -> Step:
    def step(client: Client, number: int) -> Any:
        point = {"key": "live", "value": number * 0.25, "timestamp": START + number, "step": number}
        return client.post("runs/log-metric", {"run_id": _turn(site, number), **point})

    return step


def log_batch(site: Site, size: int, keys: int) -> Step:
    def step(client: Client, number: int) -> Any:
        body = {"run_id": _turn(site, number), "metrics": points(size, number * size, keys)}
        return client.post("runs/log-batch", body)

    return step


def long_history(site: Site, size: int) -> Step:
    """Batches of ``size`` points of one key, all into one run."""

    def step(client: Client, number: int) -> Any:
        return client.post(
            "runs/log-batch", {"run_id": site.runs[0], "metrics": points(size, number * size, 1)}
        )

    return step


def get_run(site: Site) -> Step:
    def step(client: Client, number: int) -> Any:
        run_id = _turn(site, number)
        run = client.get("runs/get", {"run_id": run_id})["run"]
        expect(run["info"]["run_id"] == run_id, "another run", run)
        return facts(run)

    return step


def read_history(site: Site, total: int) -> Step:
    """Every point of one key, page by page."""

    def step(client: Client, _: int) -> Any:
        query = {"run_id": site.runs[0], "metric_key": "m0", "max_results": str(HISTORY_PAGE)}
        values: list[float] = []
        steps: list[int] = []
        while True:
            answer = client.get("metrics/get-history", query)
            values += [float(point["value"]) for point in answer.get("metrics", [])]
            steps += [point.get("step", 0) for point in answer.get("metrics", [])]
            if not answer.get("next_page_token"):
                break
            query["page_token"] = answer["next_page_token"]
        expect(steps == list(range(total)), "points missing or in another order", len(steps))
        expect(math.isclose(sum(values), 0.5 * total * (total - 1) / 2), "another sum", sum(values))
        return len(values)

    return step


def _turn(site: Site, number: int) -> str:
    """Runs in turn, so that writers do not always meet at one."""
    return site.runs[number % len(site.runs)]
