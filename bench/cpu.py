"""CPU time of one warm handler: an event in, an answer out, without any HTTP front.

On SQLite the engine's work is part of it. On DynamoDB the table is moto's server in another process, so
that what is measured is ours and botocore's. The shapes are those of the design's budget: a batch of 20
metrics on a run of 100 keys, and a page of 100 runs of about 3 KB each.
"""

import gc
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from bench.servers import HOST
from bench.workloads import PAGE, START, expect
from cairn.app import build_local, build_local_aws
from cairn.http import App, handle, to_lambda
from cairn.settings import Settings

_KEPT_ALIVE = """
from moto.server import main
from werkzeug import serving

class Nothing:
    "In place of a selector: what else a client sent is its next request, and not to be thrown away."
    register = close = lambda self, *_: None
    select = lambda self, timeout: []

class selectors:
    DefaultSelector, EVENT_READ = Nothing, 1

send_header = serving.WSGIRequestHandler.send_header

def kept_alive(handler, name, value):
    if name != "Connection":
        send_header(handler, name, value)

# As DynamoDB: a connection serves many requests. Werkzeug closes each after one.
serving.selectors = selectors
serving.WSGIRequestHandler.disable_nagle_algorithm = True
serving.WSGIRequestHandler.protocol_version = "HTTP/1.1"
serving.WSGIRequestHandler.send_header = kept_alive
main()
"""
KEYS = 100
BATCH_BUDGET = 3.0
PAGE_BUDGET = 25.0


@dataclass(frozen=True, slots=True)
class HandlerTime:
    """Milliseconds of CPU."""

    name: str
    engine: str
    median: float
    p95: float
    budget: float


def measure(*, quick: bool) -> Iterator[HandlerTime]:
    """Both handlers on both engines."""
    times = 5 if quick else 60
    runs = PAGE if quick else 2 * PAGE
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder:
        root = Path(folder)
        app = build_local(root / "cairn.db", root / "artifacts", root / "blobs", root / "staging")
        yield from _measure(app, "SQLite", times, runs)
    with _moto_server() as endpoint:
        settings = Settings.model_validate(
            {"table": "bench", "bucket": "bench", "region": "eu-central-1", "endpoint": endpoint}
        )
        yield from _measure(build_local_aws(settings), "DynamoDB", times, runs)


def event(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A POST as API Gateway hands it on."""
    return {
        "httpMethod": "POST",
        "path": f"/api/2.0/mlflow/{path}",
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "multiValueQueryStringParameters": None,
        "requestContext": {"requestId": "bench", "identity": {"user": "local:bench"}},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def _measure(app: App, engine: str, times: int, runs: int) -> Iterator[HandlerTime]:
    def call(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = to_lambda(handle(app, event(path, body)))
        expect(answer["statusCode"] == 200, f"{path} on {engine}", answer["body"])
        content: dict[str, Any] = json.loads(answer["body"])
        return content

    gc.freeze()  # as the function does: what is loaded is no business of the collector's
    experiment = call("experiments/create", {"name": "cpu"})["experiment_id"]
    ids = [_run(call, experiment, number) for number in range(runs)]
    for first in range(0, KEYS, 20):
        call("runs/log-batch", {"run_id": ids[0], "metrics": _metrics(first, 0)})

    def batch(number: int) -> None:
        _post(app, "runs/log-batch", {"run_id": ids[0], "metrics": _metrics(number % 5 * 20, number + 1)})

    def page(_: int) -> None:
        _post(app, "runs/search", {"experiment_ids": [experiment], "max_results": PAGE})

    found = call("runs/search", {"experiment_ids": [experiment], "max_results": PAGE})["runs"]
    expect(len(found) == PAGE, "a whole page", len(found))
    yield _time("log_batch of 20", engine, batch, times, BATCH_BUDGET)
    yield _time("search page of 100", engine, page, times, PAGE_BUDGET)


def _post(app: App, path: str, body: dict[str, Any]) -> None:
    answer = to_lambda(handle(app, event(path, body)))
    expect(answer["statusCode"] == 200, path, answer["body"])


def _run(call: Callable[[str, dict[str, Any]], dict[str, Any]], experiment: str, number: int) -> str:
    """A run of 20 metrics, 30 params and 10 tags."""
    body = {"experiment_id": experiment, "start_time": START + number, "run_name": f"run-{number}"}
    run_id: str = call("runs/create", body)["run"]["info"]["run_id"]
    facts = {
        "run_id": run_id,
        "metrics": _metrics(0, 0),
        "params": [{"key": f"param_{key}", "value": f"value {key} of {number}"} for key in range(30)],
        "tags": [{"key": f"tag_{key}", "value": f"tag {key} of {number}"} for key in range(10)],
    }
    call("runs/log-batch", facts)
    return run_id


def _metrics(first: int, step: int) -> list[dict[str, Any]]:
    return [
        {"key": f"metric_{key}", "value": key * 0.1 + step, "timestamp": START + step, "step": step}
        for key in range(first, first + 20)
    ]


def _time(name: str, engine: str, call: Callable[[int], None], times: int, budget: float) -> HandlerTime:
    for number in range(5):
        call(number)
    spent = []
    for number in range(5, 5 + times):
        begun = time.process_time()
        call(number)
        spent.append((time.process_time() - begun) * 1000)
    spent.sort()
    p95 = spent[min(len(spent) - 1, int(len(spent) * 0.95))]
    return HandlerTime(name, engine, statistics.median(spent), p95, budget)


@contextmanager
def _moto_server() -> Iterator[str]:
    """Moto as a process of its own; its URL."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    process = subprocess.Popen(
        [sys.executable, "-c", _KEPT_ALIVE, "-H", HOST, "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://{HOST}:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"{endpoint}/moto-api/", timeout=2):
                    break
            except (URLError, OSError):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield endpoint
    finally:
        process.terminate()
        process.wait(20)
