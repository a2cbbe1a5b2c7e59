"""The other half of least privilege: the narrow roles hold no action that their function does not send.

What a function does to the table is observed on the local engine, whose requests are named as DynamoDB's.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha512
from pathlib import Path

import pytest

from cairn.domain.access import DEPLOYMENT
from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import ACTIVE, LoggedModel, Run, RunInfo
from cairn.domain.registry import ModelVersion, RegisteredModel
from cairn.domain.webhooks import Webhook
from cairn.errors import ResourceDoesNotExist
from cairn.storage import dirty
from cairn.storage.experiments import Experiments
from cairn.storage.fold import Fold
from cairn.storage.indexer import Indexer
from cairn.storage.models import LoggedModels
from cairn.storage.registry_sweep import sweep
from cairn.storage.runs import Runs
from cairn.storage.sqlite import SqliteTable
from cairn.storage.table import Cost
from cairn.storage.webhooks import Webhooks
from cairn.upkeep.overdue import Overdue
from cairn.upkeep.queue import Queue, Task
from cairn.upkeep.remains import Remains
from cairn.upkeep.work import Worker
from infra import permissions
from tests.storage.faults import Crash, FaultyTable
from tests.storage.stores import registry
from tests.upkeep.records import noise
from tests.upkeep.sqs import FakeSqs

INDEXED = {"TransactWriteItems": {"ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"}}
"""What the indexer's transactions hold: a stamp on the run's head, the inventory or a check of it, the
deletion of the mark and of entries."""
RUN_ID = "0" * 31 + "1"
MODEL_ID = "m-" + RUN_ID
TRANSACTION = {"TransactWriteItems": "PutItem"}
"""A transaction has no permission of its own; that of ``ensure_default`` holds puts alone."""


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def table(requests: list[str]) -> Iterator[SqliteTable]:
    def observe(cost: Cost) -> None:
        requests.append(cost.operation)

    table = SqliteTable(observer=observe)
    yield table
    table.close()


def actions(requests: list[str]) -> set[str]:
    return {f"dynamodb:{TRANSACTION.get(name, name)}" for name in requests}


def test_bootstrap_sends_what_it_may(table: SqliteTable, requests: list[str]) -> None:
    experiments = Experiments(table, lambda experiment_id: f"s3://bucket/{experiment_id}", DEPLOYMENT)
    experiments.ensure_default(1)
    experiments.ensure_default(2)
    assert actions(requests) == set(permissions.MAKE_DEFAULT)


def test_artifacts_sends_what_it_may(table: SqliteTable, requests: list[str]) -> None:
    """Its use-cases read a run's or a model's artifact root, whatever else is logged there, and a version's
    location and pins."""
    Experiments(table, lambda experiment_id: f"s3://bucket/{experiment_id}", DEPLOYMENT).ensure_default(1)
    runs, models = (
        Runs(table, lambda attempt: None, lambda: 1, access=DEPLOYMENT),
        LoggedModels(table, lambda attempt: None, DEPLOYMENT),
    )
    # More than one item holds, and nothing that compresses.
    many = {f"param-{n}": sha512(bytes([n])).hexdigest() * 2 for n in range(100)}
    info = RunInfo(RUN_ID, "0", "name", "user", "RUNNING", 0, None, ACTIVE, "")
    runs.create(Run(info))

    def log(draft: Draft) -> None:
        draft.params.update(many)

    runs.change(RUN_ID, Touch(params=frozenset(many)), log)
    model = LoggedModel(MODEL_ID, "0", "name", "", 1, 1, "LOGGED_MODEL_PENDING", ACTIVE)
    models.create(replace(model, params=many))
    registered = registry(table)
    registered.models.create(RegisteredModel("net", 1, 1), "0" * 16)
    registered.versions.create(ModelVersion("net", 0, 1, 1), None, {"model.pkl": "v"})
    requests.clear()
    assert len(runs.get(RUN_ID).params) == len(models.get(MODEL_ID).params) == 100
    assert registered.versions.pinned("net", 1)[1] == {"model.pkl": "v"}
    for read, missing in ((runs.get, "f" * 32), (models.get, "m-" + "f" * 32)):
        with pytest.raises(ResourceDoesNotExist):
            read(missing)
    assert actions(requests) == set(permissions.READ_TABLE)


def test_the_indexer_sends_what_it_may(table: SqliteTable, requests: list[str], root: Path) -> None:
    """A run that outgrows one item, logs enough to be folded, and loses a hundred entries at once; one that
    is not there. GetItem is for what no single indexer meets: another one at the same run."""
    now = 1
    runs = Runs(table, lambda attempt: None, lambda: now, access=DEPLOYMENT)
    Experiments(table, lambda experiment_id: f"s3://bucket/{experiment_id}", DEPLOYMENT).ensure_default(1)
    many = {f"param-{n}": sha512(bytes([n])).hexdigest() * 2 for n in range(100)}
    info = RunInfo(RUN_ID, "0", "name", "user", "RUNNING", 0, None, ACTIVE, "")
    runs.create(Run(info))

    def first(draft: Draft) -> None:
        draft.tags.update(many)

    def second(draft: Draft) -> None:
        draft.tags.update(dict.fromkeys(many, "another"))

    for seed in range(2):
        runs.change(RUN_ID, Touch(tags=frozenset(many)), first, noise(14_000, seed))
    table.put(dirty.put("e" * 32, 1, moved=False))  # of a run whose creation was cut short
    worker = Worker(Indexer(table, lambda: now + dirty.QUIET), Fold(table))
    requests.clear()
    for run_id in (RUN_ID, "e" * 32):
        worker.work(Task(run_id, now))
    sent = list(requests)
    now += dirty.QUIET
    runs.change(RUN_ID, Touch(tags=frozenset(many)), second)
    requests[:] = sent
    worker.work(Task(RUN_ID, now))
    used = {name for request in requests for name in INDEXED.get(request, {request})}
    assert {f"dynamodb:{name}" for name in used | {"GetItem"}} == set(permissions.INDEX_TABLE)
    assert "_table.get(" in (root / "layers/core/python/cairn/storage/indexer.py").read_text()
    assert not list(dirty.marks(table, "0" * 16))


def test_overdue_sends_what_it_may(table: SqliteTable, requests: list[str]) -> None:
    experiments = Experiments(table, lambda experiment_id: f"s3://bucket/{experiment_id}", DEPLOYMENT)
    experiments.ensure_default(1)
    table.put(dirty.put(RUN_ID, 1, moved=False))
    requests.clear()
    sqs = FakeSqs()
    found = Overdue(
        table,
        lambda: [one.experiment_id for one in experiments.scan(with_tags=False)],
        Queue(sqs, "queue"),
        lambda: 10**12,
        lambda bits: 0,
    ).remind()
    assert found == len(sqs.sent) == 1
    assert actions(requests) == set(permissions.LOOK_FOR_MARKS)


def test_the_sweep_of_deleted_models_sends_what_it_may(table: SqliteTable, requests: list[str]) -> None:
    stores = registry(table)
    stores.models.create(RegisteredModel("net", 1, 1), "0" * 16)
    made = ModelVersion("net", 0, 1, 1, tags={"long": "x" * 20_000}, run_id="r")
    stores.versions.create(made, "key")
    stores.models.rename("net", "web", 2)
    faulty = FaultyTable(table, crash_after=3)
    with pytest.raises(Crash):
        registry(faulty).models.delete("web")
    requests.clear()
    assert Remains(lambda limit: sweep(table, limit), lambda: 0).clear() > 0
    assert actions(requests) == {*permissions.LOOK_FOR_MARKS, *permissions.SWEEP_MODELS}


def test_who_finds_webhooks_sends_what_it_may(table: SqliteTable, requests: list[str]) -> None:
    webhooks = Webhooks(table, lambda attempt: None)
    webhook_id = "0b1c2d3e-0000-4000-8000-000000000001"
    webhooks.create(Webhook(webhook_id, "deploy", "https://8.8.8.8/", (), "ACTIVE", 1, 1))
    requests.clear()
    assert [one.webhook_id for one in webhooks.all()] == [webhook_id]
    assert actions(requests) == set(permissions.LIST_WEBHOOKS)


def test_artifacts_asks_the_table_for_runs_and_models_alone(root: Path) -> None:
    """If a use-case asks for more, the test above no longer covers what the function sends."""
    code = (root / "layers/core/python/cairn/services/artifacts.py").read_text()
    asked = set(re.findall(r"stores\.(\w+)\.(\w+)", code))
    assert {call for call in asked if call[0] not in ("artifacts", "carriage")} == {
        ("models", "get"),
        ("runs", "get"),
    }


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("dynamodb:BatchWriteItem", r"\.batch_write\("),
        ("dynamodb:ConditionCheckItem", r"\bCheck\("),
        ("dynamodb:DeleteItem", r"\bDelete\("),
        ("dynamodb:PutItem", r"\bPut\("),
        ("dynamodb:UpdateItem", r"\bUpdate\("),
    ],
)
def test_tracking_may_write_as_its_stores_do_and_no_other_way(action: str, code: str, root: Path) -> None:
    storage = root / "layers" / "core" / "python" / "cairn" / "storage"
    engines = {"table", "engine", "sqlite", "dynamodb", "render", "meter", "limits", "evaluate"}
    stores = [path for path in storage.glob("*.py") if path.stem not in engines | {"indexer"}]
    used = any(re.search(code, path.read_text()) for path in stores)
    assert used == (action in permissions.WRITE_TABLE)
