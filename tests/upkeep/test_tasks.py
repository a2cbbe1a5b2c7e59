"""From marks to tasks, through the queue, to the index; and what is done about tasks that got lost."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from cairn.domain.entities import ACTIVE, Run, RunInfo
from cairn.domain.indexing import Outcome
from cairn.errors import TemporarilyUnavailable
from cairn.ids import keyed_bits, new_run_id
from cairn.storage import dirty, keys
from cairn.storage.engine import EngineTable
from cairn.storage.fold import Fold
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.runs import log_item
from cairn.storage.table import Put, Query
from cairn.upkeep.follow import MARGIN_MS, Follower
from cairn.upkeep.overdue import OVERDUE_MS, Overdue
from cairn.upkeep.queue import MAX_DELAY_S, Queue, Task
from cairn.upkeep.work import LEAST_MS, NotYet, Worker
from tests.storage.engines import open_table
from tests.storage.stores import aggregates
from tests.upkeep.records import noise, record
from tests.upkeep.sqs import FakeSqs

NOW = 1_700_000_000_000
QUIET = 90_000
A, B = (new_run_id("7", keyed_bits(name)) for name in "ab")


def follow(*marks: tuple[str, int], sqs: FakeSqs | None = None) -> list[tuple[Task, int]]:
    sqs = sqs or FakeSqs()
    records = [record(dirty.put(run_id, time, moved=False).item) for run_id, time in marks]
    Follower(Queue(sqs, "queue"), lambda: NOW, QUIET).follow(records)
    return sqs.sent


@pytest.mark.parametrize(
    ("age", "delay"),
    [
        (0, 92),  # quiet and margin
        (1_500, 91),  # the stream took its time; a part of a second counts as a whole one
        (91_000, 1),
        (92_000, 0),
        (86_400_000, 0),
        (-3_600_000, MAX_DELAY_S),  # a clock that ran ahead
    ],
)
def test_a_task_is_due_when_the_run_has_been_quiet(age: int, delay: int) -> None:
    assert follow((A, NOW - age)) == [(Task(A, NOW - age), delay)]


def test_a_task_is_never_due_before_the_indexer_would_take_it() -> None:
    for age in range(0, 95_000, 337):
        ((task, delay),) = follow((A, NOW - age))
        assert task.marked is not None
        assert NOW + delay * 1000 - task.marked >= QUIET + MARGIN_MS


def test_of_several_marks_of_a_run_the_last_one_is_sent() -> None:
    sent = follow((A, NOW - 2), (B, NOW - 1), (A, NOW), (A, NOW - 1))
    assert sent == [(Task(A, NOW), 92), (Task(B, NOW - 1), 92)]


def test_a_long_log_is_folded_at_once_and_once_for_a_batch() -> None:
    sqs = FakeSqs()
    items = [log_item(A, noise(20_000, p)) for p in range(2)]
    Follower(Queue(sqs, "queue"), lambda: NOW, QUIET).follow(map(record, items))
    assert sqs.sent == [(Task(A), 0)]


def test_ten_messages_go_in_one_request() -> None:
    sqs = FakeSqs()
    follow(*((new_run_id("7", keyed_bits(str(n))), NOW) for n in range(25)), sqs=sqs)
    assert [len(request) for request in sqs.requests] == [10, 10, 5]


def test_what_sqs_did_not_take_is_sent_again_and_alone() -> None:
    refusals = iter([True])
    sqs = FakeSqs(lambda task: task.run_id == B and next(refusals, False))
    follow((A, NOW), (B, NOW), sqs=sqs)
    assert sqs.requests == [[(Task(A, NOW), 92)], [(Task(B, NOW), 92)]]


def test_what_sqs_never_takes_is_an_error_so_that_the_stream_repeats() -> None:
    with pytest.raises(TemporarilyUnavailable):
        follow((A, NOW), sqs=FakeSqs(lambda task: True))


def test_sqs_takes_the_messages() -> None:
    with mock_aws():
        client = boto3.client("sqs", "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        url = client.create_queue(QueueName="tasks")["QueueUrl"]
        tasks = [(Task(A, NOW), 0), (Task(B), 0)]
        assert Queue(client, url).send(tasks) == 2
        received = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [Task.parse(message["Body"]) for message in received] == [task for task, _ in tasks]


@pytest.mark.parametrize(
    "message", ["", "[]", "{}", '{"run_id": 1, "marked": 1}', '{"run_id": "a", "marked": "1"}', "null"]
)
def test_what_is_no_task_is_refused(message: str) -> None:
    with pytest.raises(ValueError, match=r"no task|Expecting value"):
        Task.parse(message)
    assert Task.parse(Task(A, 5).message()) == Task(A, 5)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[EngineTable]:
    with open_table("sqlite", tmp_path, Meter()) as opened:
        yield opened


def a_run(table: EngineTable, now: int = NOW) -> str:
    stores = aggregates(table, clock=lambda: now)
    experiment = stores.experiments.create("flights", None, {}, now).experiment_id
    info = RunInfo(
        new_run_id(experiment, keyed_bits("x")), experiment, "n", "u", "RUNNING", 1, None, ACTIVE, ""
    )
    stores.runs.create(Run(info))
    return info.run_id


def test_a_task_indexes_a_quiet_run_and_folds_its_log(table: EngineTable) -> None:
    run_id = a_run(table)
    table.put(Put(log_item(run_id, noise(25_000))))
    worker = Worker(Indexer(table, lambda: NOW + QUIET), Fold(table))
    worker.do(Task(run_id, NOW).message(), LEAST_MS)
    assert not list(dirty.marks(table, run_id[:16]))
    assert not table.query(Query(keys.run_partition(run_id), prefix=keys.LOG_PREFIX)).items
    worker.do(Task(run_id, NOW).message(), LEAST_MS)  # twice is no harm


def test_a_task_without_a_mark_folds_the_log_of_a_live_run(table: EngineTable) -> None:
    run_id = a_run(table)
    table.put(Put(log_item(run_id, noise(25_000))))
    Worker(Indexer(table, lambda: NOW), Fold(table)).work(Task(run_id))
    assert [mark.run_id for mark in dirty.marks(table, run_id[:16])] == [run_id], "it is not indexed"
    assert not table.query(Query(keys.run_partition(run_id), prefix=keys.LOG_PREFIX)).items


def test_a_superseded_mark_is_done_in_one_request(tmp_path: Path) -> None:
    meter = Meter()
    with open_table("sqlite", tmp_path, meter) as table:
        run_id = a_run(table)
        with meter.measure() as spent:
            Worker(Indexer(table, lambda: NOW + QUIET), Fold(table)).work(Task(run_id, NOW - 30_000))
        assert spent.requests == 1


class FixedIndexer(Indexer):
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def index(self, run_id: str, marked: int) -> Outcome:
        return self._outcome


@pytest.mark.parametrize("outcome", list(Outcome))
def test_early_and_contended_tasks_come_again_and_no_others(outcome: Outcome, table: EngineTable) -> None:
    worker = Worker(FixedIndexer(outcome), Fold(table))
    if outcome in (Outcome.EARLY, Outcome.CONTENDED):
        with pytest.raises(NotYet):
            worker.work(Task(A, NOW))
    else:
        worker.work(Task(A, NOW))


def test_a_task_is_not_begun_when_the_time_is_nearly_up(table: EngineTable) -> None:
    run_id = a_run(table)
    with pytest.raises(NotYet):
        Worker(Indexer(table, lambda: NOW + QUIET), Fold(table)).do(
            Task(run_id, NOW).message(), LEAST_MS - 1
        )
    assert list(dirty.marks(table, run_id[:16]))


def overdue(table: EngineTable, sqs: FakeSqs, experiments: Sequence[str], bits: int = 0) -> Overdue:
    return Overdue(table, lambda: experiments, Queue(sqs, "queue"), lambda: NOW, lambda _: bits)


def test_marks_that_stand_for_too_long_are_sent_again_and_others_are_not(table: EngineTable) -> None:
    old, young = NOW - OVERDUE_MS - 1, NOW - OVERDUE_MS
    for run_id, time in ((A, old), (B, young)):
        table.put(dirty.put(run_id, time, moved=False))
    sqs = FakeSqs()
    assert overdue(table, sqs, ["3", "7"]).remind() == 1
    assert sqs.sent == [(Task(A, old), 0)]


def test_a_round_is_bounded_and_begins_anywhere(table: EngineTable) -> None:
    runs = {name: new_run_id(name, keyed_bits(name)) for name in ("1", "2", "3")}
    for run_id in runs.values():
        table.put(dirty.put(run_id, 0, moved=False))
    for bits, first in ((0, "1"), (1, "2"), (5, "3")):
        sqs = FakeSqs()
        assert overdue(table, sqs, list(runs), bits).remind(1) == 1
        assert sqs.sent == [(Task(runs[first], 0), 0)]
    sqs = FakeSqs()
    assert overdue(table, sqs, list(runs), 1).remind() == 3
    assert overdue(table, sqs, []).remind() == 0


def test_messages_are_read_by_a_later_version_as_they_are_written_now() -> None:
    """Those of the version before are in the queue while a new one is deployed."""
    assert json.loads(Task(A, 5).message()) == {"run_id": A, "marked": 5}
    assert json.loads(Task(A).message()) == {"run_id": A, "marked": None}
