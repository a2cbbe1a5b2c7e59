"""An app on a metered SQLite file, and the same runs through its API: what ``load``'s work must equal."""

import json
import math
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bench.cpu import event
from bench.load import INDEXED, START, USER, RunSpec, Sample, random_bits, sample
from bench.workloads import expect
from cairn.domain.access import DEPLOYMENT
from cairn.http import App, handle
from cairn.services.ports import ArtifactStore, BlobStore, Stores
from cairn.services.registry_ports import Registry
from cairn.services.webhook_ports import Webhooks
from cairn.sharing.authorize import everything
from cairn.sharing.fronts import local_front
from cairn.storage.creations import Creations
from cairn.storage.datasets import Datasets
from cairn.storage.execute import RunIndex
from cairn.storage.experiments import Experiments
from cairn.storage.history import History
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.model_versions import ModelVersions
from cairn.storage.models import LoggedModels
from cairn.storage.places import Places
from cairn.storage.registered_models import RegisteredModels
from cairn.storage.registry_index import RegistryIndex
from cairn.storage.runs import Runs
from cairn.storage.sqlite import SqliteTable

LATER = INDEXED - START
"""Milliseconds after which every run is quiet."""


@dataclass
class Filled:
    """An app, its table and its meter; ``now`` is what its clock says, ``bits`` what its next id is of."""

    table: SqliteTable
    meter: Meter
    now: int = START
    bits: int | None = None

    def __post_init__(self) -> None:
        runs = Runs(self.table, lambda _: None, lambda: self.now, access=DEPLOYMENT)
        models = RegisteredModels(self.table, lambda _: None)
        stores = Stores(
            experiments=Experiments(
                self.table, lambda experiment_id: f"mlflow-artifacts:/{experiment_id}", DEPLOYMENT
            ),
            runs=runs,
            index=RunIndex(self.table, runs, time.monotonic),
            indexer=Indexer(self.table, lambda: self.now),
            history=History(self.table, DEPLOYMENT),
            datasets=Datasets(self.table, cast(BlobStore, None), DEPLOYMENT),
            models=LoggedModels(self.table, lambda _: None, DEPLOYMENT),
            registry=Registry(
                models, ModelVersions(self.table, lambda _: None), RegistryIndex(self.table, models)
            ),
            webhooks=cast(Webhooks, None),
            creations=Creations(self.table),
            places=Places(self.table),
            artifacts=cast(ArtifactStore, None),
            clock=lambda: self.now,
            bits=lambda count: random.getrandbits(count) if self.bits is None else self.bits,
        )
        self.app = App(stores, local_front, everything, max_body=10_000_000)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the API answers, which is 200."""
        answer = handle(self.app, event(path, body))
        assert isinstance(answer.body, bytes)
        expect(answer.status == 200, path, answer.body.decode())
        return json.loads(answer.body)

    def experiment(self, name: str) -> str:
        made: str = self.post("experiments/create", {"name": name})["experiment_id"]
        return made


@contextmanager
def filled(path: Path) -> Iterator[Filled]:
    """An empty one on this file."""
    meter = Meter()
    table = SqliteTable(path, observer=meter)
    try:
        yield Filled(table, meter)
    finally:
        table.close()


def fill_by_api(to: Filled, experiment_id: str, spec: RunSpec, numbers: Iterable[int]) -> None:
    """Create, log, finish and index the runs of these numbers; those to be dirty are written after that."""
    samples = [sample(spec, experiment_id, number) for number in numbers]
    for made in samples:
        if not made.dirty:
            _write(to, experiment_id, made)
    to.now += LATER
    swept = to.app.stores.indexer.sweep(experiment_id)
    while swept:
        swept = to.app.stores.indexer.sweep(experiment_id)
    to.now -= LATER
    for made in samples:
        if made.dirty:
            _write(to, experiment_id, made)


def _write(to: Filled, experiment_id: str, made: Sample) -> None:
    to.bits = random_bits(made.number)
    body = {
        "experiment_id": experiment_id,
        "start_time": made.start,
        "run_name": made.name,
        "user_id": USER,
    }
    run = to.post("runs/create", {**body, "tags": _pairs(made.tags)})["run"]
    to.bits = None
    expect(run["info"]["run_id"] == made.run_id, "the run's id", run["info"]["run_id"])
    metrics = [
        {
            "key": point.key,
            "value": _json(point.value),
            "timestamp": point.timestamp,
            "step": point.step,
        }
        for point in made.points
    ]
    batch = {"run_id": made.run_id, "params": _pairs(made.params), "tags": _pairs(made.late_tags)}
    to.post("runs/log-batch", {**batch, "metrics": metrics})
    to.post("runs/update", {"run_id": made.run_id, "status": "FINISHED", "end_time": made.end})
    if made.deleted:
        to.post("runs/delete", {"run_id": made.run_id})


def _json(value: float) -> float | str:
    return "NaN" if math.isnan(value) else value


def _pairs(texts: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in texts.items()]
