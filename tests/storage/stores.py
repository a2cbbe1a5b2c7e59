"""The aggregates on a table, and short ways to make experiments and runs."""

import hashlib
import ipaddress
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import cast

from cairn.domain import runs as changes
from cairn.domain.access import DEPLOYMENT
from cairn.domain.clock import Clock
from cairn.domain.entities import ACTIVE, DELETED, Metric, Run, RunInfo
from cairn.ids import new_run_id
from cairn.search.fields import RUNS, read_filter, read_order
from cairn.search.match import run_filter
from cairn.search.order import run_ordering
from cairn.search.plan import Search, plan
from cairn.services.ports import ArtifactStore, Stores
from cairn.services.ports import RunIndex as RunIndexPort
from cairn.services.registry_ports import Registry
from cairn.services.webhook_ports import Webhooks as WebhookPorts
from cairn.storage.creations import Creations
from cairn.storage.datasets import Datasets
from cairn.storage.execute import RunIndex
from cairn.storage.experiments import Experiments
from cairn.storage.history import History
from cairn.storage.indexer import Indexer
from cairn.storage.model_versions import ModelVersions
from cairn.storage.models import LoggedModels
from cairn.storage.places import Places
from cairn.storage.registered_models import RegisteredModels
from cairn.storage.registry_index import RegistryIndex
from cairn.storage.runs import Runs
from cairn.storage.table import Table
from cairn.storage.webhooks import Webhooks
from cairn.webhooks.deliver import Outcome

NOW = 1_700_000_000_000


@dataclass
class Aggregates:
    """Experiments, runs and histories of one table."""

    table: Table
    experiments: Experiments
    runs: Runs
    history: History
    bits: random.Random

    def experiment(self, name: str = "iris") -> str:
        return self.experiments.create(name, None, {}, 1_000).experiment_id

    def run(self, experiment_id: str, start_time: int = 5, tags: Mapping[str, str] | None = None) -> str:
        run_id = new_run_id(experiment_id, self.bits.getrandbits)
        info = RunInfo(run_id, experiment_id, "calm-lake-1", "ada", "RUNNING", start_time, None, ACTIVE, "")
        return self.runs.create(Run(info, tags=tags or {})).info.run_id

    def found(self, experiment_id: str, after: Run | None = None) -> list[Run]:
        return found_runs(RunIndex(self.table, self.runs, lambda: 0.0), experiment_id, after)

    def change(self, run_id: str, *steps: changes.Change, points: Sequence[Metric] = ()) -> Run:
        change = changes.while_active(run_id, *steps)
        return self.runs.change(run_id, change.touch, change.merge, points)


def aggregates(table: Table, seed: int = 0, clock: Clock = lambda: NOW) -> Aggregates:
    experiments = Experiments(table, lambda experiment_id: f"mlflow-artifacts:/{experiment_id}", DEPLOYMENT)
    return Aggregates(
        table,
        experiments,
        Runs(table, lambda attempt: None, clock, access=DEPLOYMENT),
        History(table, DEPLOYMENT),
        random.Random(seed),
    )


def found_runs(index: RunIndexPort, experiment_id: str, after: Run | None = None) -> list[Run]:
    """The runs of an experiment, whatever their stage, as a search without filter or order finds them."""
    tree, orders = read_filter(RUNS, ""), read_order(RUNS, [])
    ordering = run_ordering(orders)
    behind = None if after is None else ordering.position(after)
    search = Search(
        [experiment_id], (ACTIVE, DELETED), plan(tree, orders), run_filter(tree), ordering, behind, 1_000
    )
    found: list[Run] = []
    for row in index.search(search):
        assert isinstance(row, Run), "a few runs are found in one go"
        found.append(row)
    return found


def points(keys: int, steps: Sequence[int] = (0,)) -> list[Metric]:
    numbers = count()
    return [
        Metric(f"metric_{key:03d}", 0.1 + next(numbers) / 7, 1_700_000_000_000 + step, step)
        for step in steps
        for key in range(keys)
    ]


class MemoryBlobs:
    """Blobs in a dictionary."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        key = hashlib.sha256(data).hexdigest()
        self.held[key] = data
        return key

    def get(self, key: str) -> bytes:
        return self.held[key]


def registry(table: Table, pause: Callable[[int], None] = lambda attempt: None) -> Registry:
    """The model registry's stores."""
    models, versions = RegisteredModels(table, pause, DEPLOYMENT), ModelVersions(table, pause, DEPLOYMENT)
    return Registry(models, versions, RegistryIndex(table, models, lambda: 0.0))


class MemorySecrets:
    """Secrets in a dictionary."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def put(self, webhook_id: str, secret: str) -> None:
        self.held[webhook_id] = secret

    def get(self, webhook_id: str) -> str:
        return self.held[webhook_id]

    def delete(self, webhook_id: str) -> None:
        self.held.pop(webhook_id, None)


def webhooks(table: Table, secrets: MemorySecrets | None = None) -> WebhookPorts:
    """Webhooks of a table; addresses stand for themselves, every other name is unknown, nothing is sent."""

    def resolve(host: str) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            raise OSError("[Errno -2] Name or service not known") from None

    return WebhookPorts(Webhooks(table, lambda attempt: None), secrets or MemorySecrets(), _send, resolve)


def _send(*_: object) -> Outcome:
    return Outcome(status=200)


def use_case_stores(table: Table, blobs: MemoryBlobs, seed: int = 0, clock: Clock = lambda: NOW) -> Stores:
    """What use-cases take, on a table; without artifacts."""
    found = aggregates(table, clock=clock)
    return Stores(
        experiments=found.experiments,
        runs=found.runs,
        index=RunIndex(table, found.runs, lambda: 0.0),
        indexer=Indexer(table, clock, quiet=0),
        history=found.history,
        datasets=Datasets(table, blobs, DEPLOYMENT),
        models=LoggedModels(table, lambda attempt: None, DEPLOYMENT),
        registry=registry(table),
        webhooks=webhooks(table),
        creations=Creations(table),
        places=Places(table),
        artifacts=cast(ArtifactStore, SimpleNamespace(versions=lambda uri, most: {})),
        clock=clock,
        bits=random.Random(seed).getrandbits,
        access=DEPLOYMENT,
    )
