"""The API on a metered table, called through its HTTP edge with API Gateway's events."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cairn.http import App, handle
from cairn.sharing.authorize import everything
from cairn.sharing.fronts import local_front
from cairn.storage.engine import EngineTable
from cairn.storage.meter import Measurement, Meter
from tests.storage.engines import NAMES, open_table
from tests.storage.stores import MemoryBlobs, use_case_stores

API = "/api/2.0/mlflow/"
TIME = 1_700_000_000_000

Units = list[float]
"""Requests, write units, read units."""


@dataclass
class SetClock:
    """A clock that stands where it is put, in milliseconds."""

    now: int = TIME

    def __call__(self) -> int:
        return self.now


@dataclass
class Api:
    """An app, its meter and its clock. A call raises AssertionError unless it is answered with 200; a
    measured one comes an hour after the last, so that its run's dirty mark is to be renewed."""

    app: App
    meter: Meter
    clock: "SetClock"
    table: EngineTable

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", path, {"body": json.dumps(body)})

    def get(self, path: str, **query: str) -> Any:
        return self._call(
            "GET", path, {"multiValueQueryStringParameters": {k: [v] for k, v in query.items()}}
        )

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._call(method, path, {} if body is None else {"body": json.dumps(body)})

    def cost_of_post(self, path: str, body: dict[str, Any]) -> Units:
        self.clock.now += 3_600_000
        with self.meter.measure() as measured:
            self.post(path, body)
        return units(measured)

    def cost_of_get(self, path: str, **query: str) -> Units:
        with self.meter.measure() as measured:
            self.get(path, **query)
        return units(measured)

    def experiment(self) -> str:
        made: str = self.post("experiments/create", {"name": "iris"})["experiment_id"]
        return made

    def run(self, experiment_id: str) -> str:
        made: str = self.post("runs/create", {"experiment_id": experiment_id, "start_time": TIME})["run"][
            "info"
        ]["run_id"]
        return made

    def _call(self, method: str, path: str, rest: dict[str, Any]) -> Any:
        event = {
            "httpMethod": method,
            "path": API + path,
            "multiValueHeaders": {"Content-Type": ["application/json"]},
            "requestContext": {"identity": {"user": "local:ada"}},
            **rest,
        }
        answer = handle(self.app, event)
        assert isinstance(answer.body, bytes)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)


def units(measured: Measurement) -> Units:
    return [measured.requests, measured.write_units, measured.read_units]


@pytest.fixture
def sqlite_api(tmp_path: Path) -> Iterator[Api]:
    """On SQLite alone: moto takes minutes for some ten thousand index entries."""
    yield from api_on("sqlite", tmp_path)


@pytest.fixture(params=NAMES)
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """On both engines: their meters agree to the unit."""
    yield from api_on(request.param, tmp_path)


def api_on(engine: str, folder: Path) -> Iterator[Api]:
    meter, clock = Meter(), SetClock()
    with open_table(engine, folder, meter) as table:
        stores = use_case_stores(table, MemoryBlobs(), clock=clock)
        yield Api(App(stores, local_front, everything, max_body=10_000_000), meter, clock, table)


def metrics(keys: int, steps: int = 1, first: int = 0) -> list[dict[str, Any]]:
    """Points as a training loop logs them: values of full precision, a step every 250 ms."""
    return [
        {
            "key": f"metric_{key:03d}",
            "value": ((key * 7919 + step * 104_729) % 1_000_003) / 1_000_003,
            "timestamp": TIME + 250 * step + key % 3,
            "step": step,
        }
        for step in range(first, first + steps)
        for key in range(keys)
    ]


def pairs(name: str, count: int, length: int = 12, first: int = 0) -> list[dict[str, str]]:
    return [
        {"key": f"{name}_{number:04d}", "value": f"{number * 7919:0{length}d}"}
        for number in range(first, first + count)
    ]
