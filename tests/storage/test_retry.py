"""How passing faults are repeated, and what is said when repeating did not help."""

import pytest

from cairn.errors import CairnError, RequestLimitExceeded, TemporarilyUnavailable
from cairn.storage.expr import Absent
from cairn.storage.retry import Conflicted, PassingFault, Retry, Throttled, Unreachable
from cairn.storage.sqlite import SqliteTable
from cairn.storage.table import ConditionFailed, Key, Put
from tests.storage.faults import Crash, FaultyTable


class Failing:
    """Fails so often, then answers."""

    def __init__(self, times: int, fault: type[Exception]) -> None:
        self.left = times
        self.fault = fault
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.fault("passing")
        return "answer"


def test_waits_grow_to_a_cap_with_full_jitter() -> None:
    waits: list[float] = []
    shares = iter([1.0, 0.5, 0.0, 1.0, 1.0])
    retry = Retry(attempts=6, base=0.1, cap=0.5, sleep=waits.append, random=lambda: next(shares))
    request = Failing(5, Throttled)
    assert retry.call(request) == "answer"
    assert request.calls == 6
    assert waits == [0.1, 0.1, 0.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Throttled, RequestLimitExceeded),
        (Conflicted, TemporarilyUnavailable),
        (Unreachable, TemporarilyUnavailable),
    ],
)
def test_spent_attempts_become_an_answer(fault: type[PassingFault], answer: type[CairnError]) -> None:
    waits: list[float] = []
    request = Failing(4, fault)
    with pytest.raises(answer):
        Retry(attempts=4, sleep=waits.append).call(request)
    assert request.calls == 4
    assert len(waits) == 3


def test_what_does_not_pass_is_not_repeated() -> None:
    request = Failing(1, ValueError)
    with pytest.raises(ValueError, match="passing"):
        Retry().call(request)
    assert request.calls == 1


def test_the_waits_of_the_defaults_fit_a_request() -> None:
    waits: list[float] = []
    retry = Retry(sleep=waits.append, random=lambda: 1.0)
    with pytest.raises(RequestLimitExceeded):
        retry.call(Failing(99, Throttled))
    assert 3 < sum(waits) < 6


def test_every_operation_is_repeated() -> None:
    table = SqliteTable()
    stored = {"pk": "p", "sk": "s"}
    faulty = FaultyTable(table, every=2)
    for _ in range(2):
        faulty.put(Put(stored))
        assert faulty.get(Key("p", "s")) == stored
        faulty.batch_write([Put(stored)])
        assert faulty.batch_get([Key("p", "s")]) == {Key("p", "s"): stored}
        faulty.transact([Put(stored)])
    assert faulty.injected == 9
    table.close()


def test_a_lost_answer_does_not_hide_anothers_item() -> None:
    """The condition failed on an item that is not what was put: somebody else's."""
    table = SqliteTable()
    table.put(Put({"pk": "p", "sk": "s", "by": "other"}))
    faulty = FaultyTable(table, every=1, faults=(Unreachable,), retry=Retry(attempts=1))
    with pytest.raises(TemporarilyUnavailable):
        faulty.put(Put({"pk": "p", "sk": "s"}, Absent()))
    once = FaultyTable(table, every=2, faults=(Unreachable,))
    assert once.get(Key("p", "s")) is not None
    with pytest.raises(ConditionFailed):
        once.put(Put({"pk": "p", "sk": "s"}, Absent()))
    assert once.injected == 1
    table.close()


def test_a_transaction_whose_answer_was_lost_is_done_once() -> None:
    table = SqliteTable()
    faulty = FaultyTable(
        table, lose_every=1, lost=Unreachable, retry=Retry(attempts=3, sleep=lambda _: None)
    )
    with pytest.raises(TemporarilyUnavailable):
        faulty.transact([Put({"pk": "p", "sk": "s"}, Absent())])
    every_second = FaultyTable(table, lose_every=2, lost=Unreachable)
    every_second.get(Key("p", "s"))
    every_second.transact([Put({"pk": "p", "sk": "t"}, Absent())])
    assert every_second.injected == 1
    assert table.get(Key("p", "t")) is not None
    table.close()


def test_crashes_fall_around_the_request_and_stay() -> None:
    table = SqliteTable()
    before = FaultyTable(table, crash_before=2)
    before.put(Put({"pk": "p", "sk": "1"}))
    with pytest.raises(Crash):
        before.put(Put({"pk": "p", "sk": "2"}))
    with pytest.raises(Crash):
        before.get(Key("p", "1"))
    before.restart()
    assert before.get(Key("p", "2")) is None
    after = FaultyTable(table, crash_after=1)
    with pytest.raises(Crash):
        after.put(Put({"pk": "p", "sk": "3"}))
    assert table.get(Key("p", "3")) is not None
    assert (before.requests, after.requests) == (4, 1)
    table.close()
