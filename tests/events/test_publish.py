"""The publisher against a bus that refuses, fails, and counts what a request may hold."""

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cairn.events.catalogue import MAX_TEXT, Event, ExperimentCreated
from cairn.events.publish import ATTEMPTS, MAX_BYTES, Published, Publisher, entry_size
from tests.upkeep.records import record

QUEUE = "https://sqs/letters"


@dataclass
class FakeBus:
    """Keeps what it takes. ``refuses`` gives the code of an entry's refusal; ``down`` requests fail."""

    refuses: Callable[[Mapping[str, Any], int], str | None] = lambda entry, request: None
    down: int = 0
    requests: list[list[Mapping[str, Any]]] = field(default_factory=list)
    taken: list[Mapping[str, Any]] = field(default_factory=list)

    def put_events(self, *, Entries: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803
        assert 1 <= len(Entries) <= 10
        assert sum(map(entry_size, Entries)) <= 256 * 1024
        self.requests.append(list(Entries))
        if self.down:
            self.down -= 1
            raise ConnectionError("the bus is away")
        codes = [self.refuses(entry, len(self.requests)) for entry in Entries]
        self.taken += [entry for entry, code in zip(Entries, codes, strict=True) if code is None]
        results = [{"EventId": "e"} if code is None else {"ErrorCode": code} for code in codes]
        return {"FailedEntryCount": len(codes) - codes.count(None), "Entries": results}

    @property
    def names(self) -> list[str]:
        return [json.loads(entry["Detail"])["name"] for entry in self.taken]


@dataclass
class FakeLetters:
    sent: list[dict[str, Any]] = field(default_factory=list)
    down: bool = False

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> Mapping[str, Any]:  # noqa: N803
        assert QueueUrl == QUEUE
        if self.down:
            raise ConnectionError("the queue is away")
        self.sent.append(json.loads(MessageBody))
        return {}


def publisher(bus: Any, letters: Any, pauses: list[int] | None = None) -> Publisher:
    return Publisher(bus, "cairn", letters, QUEUE, (pauses if pauses is not None else []).append)


def created(number: int, name: str | None = None) -> dict[str, Any]:
    item = {"pk": f"E#{number:016x}", "sk": "#", "n": name or f"e{number}", "st": "active", "ep": 0}
    return record(item, number=number + 1)


def named(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda entry: json.loads(entry["Detail"])["name"] in names


def test_ten_at_a_time_and_in_order() -> None:
    bus = FakeBus()
    assert publisher(bus, FakeLetters()).publish(map(created, range(23))) == Published(23, 0)
    assert [len(request) for request in bus.requests] == [10, 10, 3]
    assert bus.names == [f"e{number}" for number in range(23)]
    (entry, *_) = bus.taken
    assert entry["Source"] == "cairn"
    assert entry["DetailType"] == "Experiment Created"
    assert entry["EventBusName"] == "cairn"
    assert entry["Resources"] == ["experiments/0"]
    assert entry["Time"].isoformat() == "2026-01-01T00:00:00+00:00"


def test_no_events_no_request() -> None:
    bus = FakeBus()
    item = {"pk": "E#" + "0" * 16, "sk": "#", "n": "e", "st": "active", "ep": 0}
    assert publisher(bus, FakeLetters()).publish([record({**item, "n": "f"}, item)]) == Published(0, 0)
    assert bus.requests == []


def test_a_request_holds_256_kilobytes() -> None:
    bus = FakeBus()
    publisher(bus, FakeLetters()).publish(created(number, "\0" * MAX_TEXT) for number in range(10))
    assert [len(request) for request in bus.requests] == [2, 2, 2, 2, 2]


def test_the_longest_event_fits() -> None:
    event = Event(ExperimentCreated(experiment_id="1", name="\0" * 100_000), "experiments/1", 1, 1)
    detail = event.detail()
    assert (len(detail["name"]), detail["cut"]) == (MAX_TEXT, ["name"])
    assert 2 * len(json.dumps(detail)) < MAX_BYTES, "no type has more than two long texts"


def test_refused_entries_alone_are_sent_again() -> None:
    wanted = named("e3", "e7")
    pauses: list[int] = []
    bus = FakeBus(lambda entry, request: "ThrottlingException" if wanted(entry) and request < 3 else None)
    letters = FakeLetters()
    assert publisher(bus, letters, pauses).publish(map(created, range(12))) == Published(12, 0)
    assert [len(request) for request in bus.requests] == [10, 2, 2, 2]
    assert sorted(bus.names) == sorted(f"e{number}" for number in range(12))
    assert pauses == [0, 1]
    assert letters.sent == []


def test_what_stays_refused_is_a_dead_letter_and_holds_nothing_up() -> None:
    wanted = named("e1")
    bus = FakeBus(lambda entry, request: "InternalFailure" if wanted(entry) else None)
    letters = FakeLetters()
    assert publisher(bus, letters).publish(map(created, range(3))) == Published(3, 1)
    assert bus.names == ["e0", "e2"]
    assert len(bus.requests) == ATTEMPTS
    (letter,) = letters.sent
    assert letter["reason"].startswith("InternalFailure")
    assert letter["entry"]["DetailType"] == "Experiment Created"
    assert json.loads(letter["entry"]["Detail"])["name"] == "e1"
    assert letter["entry"]["Time"] == "2026-01-01T00:00:00+00:00"


def test_what_cannot_get_better_is_not_tried_again() -> None:
    wanted = named("e1")
    bus = FakeBus(lambda entry, request: "MalformedDetail" if wanted(entry) else None)
    letters = FakeLetters()
    publisher(bus, letters).publish(map(created, range(3)))
    assert len(bus.requests) == 1
    assert len(letters.sent) == 1


def test_a_bus_that_is_away_repeats_the_batch_under_the_same_ids() -> None:
    """A crash between two requests is the same: what was told already is told again."""
    records = [created(number) for number in range(15)]
    for survived in range(3):
        bus = FakeBus()
        own = publisher(bus, FakeLetters())
        with pytest.raises(ConnectionError):
            own.publish(_crashing(records, after=survived * 10))
        own.publish(records)
        ids = [json.loads(entry["Detail"])["id"] for entry in bus.taken]
        assert len(set(ids)) == 15
        assert ids[-15:] == list(dict.fromkeys(ids))


def _crashing(records: Sequence[Any], after: int) -> Any:
    yield from records[:after]
    raise ConnectionError("the function ended")


def test_a_request_that_fails_raises() -> None:
    bus = FakeBus(down=1)
    with pytest.raises(ConnectionError):
        publisher(bus, FakeLetters()).publish(map(created, range(3)))


def test_a_letter_that_cannot_be_sent_raises() -> None:
    bus = FakeBus(lambda entry, request: "MalformedDetail")
    with pytest.raises(ConnectionError):
        publisher(bus, FakeLetters(down=True)).publish([created(1)])


@mock_aws
def test_against_the_clients_that_are_used() -> None:
    """Names and types of the requests are boto3's to check; moto routes to a queue as a rule says."""
    session = boto3.Session("a", "b", region_name="us-east-1")
    bus, sqs = session.client("events"), session.client("sqs")
    bus.create_event_bus(Name="cairn")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name="all", EventBusName="cairn", EventPattern='{"source": ["cairn"]}')
    bus.put_targets(Rule="all", EventBusName="cairn", Targets=[{"Id": "1", "Arn": arn}])
    assert Publisher(bus, "cairn", sqs, queue, lambda _: None).publish([created(7)]) == Published(1, 0)
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    heard = json.loads(message["Body"])
    assert heard["detail-type"] == "Experiment Created"
    assert heard["resources"] == ["experiments/7"]
    assert heard["detail"]["experiment_id"] == "7"


class Context:
    function_name = invoked_function_arn = aws_request_id = log_stream_name = "events"
    memory_limit_in_mb = 1024


def test_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    function = _function(monkeypatch)
    bus = FakeBus()
    monkeypatch.setattr(function, "publisher", publisher(bus, FakeLetters()))
    function.handler({"Records": [created(1)]}, Context())
    assert bus.names == ["e1"]
    broken = created(2)
    broken["dynamodb"]["Keys"]["pk"]["S"] = "Z#"
    with pytest.raises(ValueError, match="nobody derives"):
        function.handler({"Records": [broken]}, Context())


def _function(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for variable in ("CAIRN_TABLE", "CAIRN_BUCKET", "CAIRN_EVENT_BUS", "CAIRN_DEAD_LETTERS"):
        monkeypatch.setenv(variable, "cairn")
    for variable in ("AWS_REGION", "POWERTOOLS_SERVICE_NAME"):
        monkeypatch.setenv(variable, "us-east-1")
    return importlib.import_module("functions.events.handler")
