"""The functions of the background work, called with events as Lambda makes them."""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cairn.domain.entities import ACTIVE, Metric, Run, RunInfo
from cairn.errors import TemporarilyUnavailable
from cairn.ids import keyed_bits, new_run_id
from cairn.storage import dirty, keys
from cairn.storage.engine import EngineTable
from cairn.storage.fold import Fold
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.runs import log_item
from cairn.storage.table import Query
from cairn.upkeep.follow import Follower
from cairn.upkeep.overdue import Overdue
from cairn.upkeep.queue import Queue, Task
from cairn.upkeep.remains import Remains
from cairn.upkeep.work import Worker
from tests.storage.engines import open_table
from tests.storage.stores import aggregates
from tests.upkeep.records import record
from tests.upkeep.sqs import FakeSqs

NOW = 1_700_000_000_000


class Context:
    function_name = invoked_function_arn = aws_request_id = log_stream_name = "upkeep"
    memory_limit_in_mb = 1024

    def get_remaining_time_in_millis(self) -> int:
        return 59_000


@pytest.fixture
def table(tmp_path: Path) -> Iterator[EngineTable]:
    with open_table("sqlite", tmp_path, Meter()) as opened:
        yield opened


def function(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A handler's module, imported as Lambda does: it finds the variables of a deployed function."""
    for variable in ("CAIRN_TABLE", "CAIRN_BUCKET", "AWS_REGION", "POWERTOOLS_SERVICE_NAME"):
        monkeypatch.setenv(variable, "us-east-1")
    monkeypatch.setenv("CAIRN_QUEUE", "queue")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return importlib.import_module(f"functions.{name}.handler")


def messages(bodies: Sequence[str]) -> dict[str, Any]:
    """An SQS event ("Using Lambda with Amazon SQS", Lambda Developer Guide)."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"handle-{number}",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1545082649183",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1545082649185",
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:111111111111:tasks",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed(answer: dict[str, Any]) -> list[str]:
    assert answer.keys() == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def some_runs(table: EngineTable, count: int) -> list[str]:
    stores = aggregates(table, clock=lambda: NOW)
    experiment = stores.experiments.create("flights", None, {}, NOW).experiment_id
    ids = [new_run_id(experiment, keyed_bits(str(number))) for number in range(count)]
    for run_id in ids:
        stores.runs.create(Run(RunInfo(run_id, experiment, "n", "u", "RUNNING", 1, None, ACTIVE, "")))
    return ids


def marked(table: EngineTable, run_id: str) -> set[str]:
    return {mark.run_id for mark in dirty.marks(table, run_id[:16])}


def test_a_poison_message_does_not_hold_others_up(
    table: EngineTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, early = some_runs(table, 3)
    indexer = function("indexer", monkeypatch)
    later = NOW + dirty.QUIET
    table.put(dirty.put(early, later, moved=False))
    monkeypatch.setattr(indexer, "worker", Worker(Indexer(table, lambda: later), Fold(table)))
    bodies = ["poison", *(Task(*one).message() for one in ((first, NOW), (early, later), (second, NOW)))]
    answer = indexer.handler(messages(bodies), Context())
    assert failed(answer) == ["message-0", "message-2"]
    assert marked(table, first) == {early}


def test_a_batch_that_fails_as_a_whole_is_no_error_of_the_function(
    table: EngineTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a single message that comes too early would ring the alarm of the function."""
    indexer = function("indexer", monkeypatch)
    monkeypatch.setattr(indexer, "worker", Worker(Indexer(table, lambda: NOW), Fold(table)))
    answer = indexer.handler(messages([Task("0" * 32, NOW).message(), "poison"]), Context())
    assert failed(answer) == ["message-0", "message-1"]


def test_from_the_stream_to_the_index(table: EngineTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``marks`` sends is what ``indexer`` understands."""
    (run_id,) = some_runs(table, 1)
    sqs = FakeSqs()
    marks = function("marks", monkeypatch)
    monkeypatch.setattr(marks, "follower", Follower(Queue(sqs, "queue"), lambda: NOW, dirty.QUIET))
    mark = record(dirty.put(run_id, NOW, moved=False).item)
    log = record(log_item(run_id, [Metric("loss", 0.5, 1, 1)]), number=2)
    marks.handler({"Records": [mark, log]}, Context())
    ((task, delay),) = sqs.sent
    indexer = function("indexer", monkeypatch)
    clock = NOW + delay * 1000
    monkeypatch.setattr(indexer, "worker", Worker(Indexer(table, lambda: clock), Fold(table)))
    assert failed(indexer.handler(messages([task.message()]), Context())) == []
    assert marked(table, run_id) == set()
    assert table.query(Query(keys.index_partition(run_id[:16], "a0", "astatus"))).items


def test_the_stream_repeats_what_could_not_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = function("marks", monkeypatch)
    deaf = FakeSqs(lambda task: True)
    monkeypatch.setattr(marks, "follower", Follower(Queue(deaf, "queue"), lambda: NOW, dirty.QUIET))
    with pytest.raises(TemporarilyUnavailable):
        marks.handler({"Records": [record(dirty.put("0" * 32, NOW, moved=False).item)]}, Context())


def test_overdue_runs_are_sent_again_and_deleted_models_removed(
    table: EngineTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_id,) = some_runs(table, 1)
    overdue, sqs = function("overdue", monkeypatch), FakeSqs()
    clock = NOW + 86_400_000
    found = Overdue(table, lambda: ["1"], Queue(sqs, "queue"), lambda: clock, lambda bits: 0)
    monkeypatch.setattr(overdue, "overdue", found)
    cleared: list[int] = []

    def sweep(limit: int) -> int:
        cleared.append(limit)
        return 300 if len(cleared) == 1 else 0

    monkeypatch.setattr(overdue, "remains", Remains(sweep, lambda: clock))
    overdue.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, Context())
    assert sqs.sent == [(Task(run_id, NOW), 0)]
    assert cleared == [500, 500]
