"""The SQLite engine keeps each change of an entity with its write; a local server tells of all of them."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cairn.domain import runs as changes
from cairn.events.catalogue import Event
from cairn.local import tell
from cairn.local.data import Unusable, take
from cairn.local.tell import Teller, drain, line, telling
from cairn.storage import outbox as kept
from cairn.storage.expr import Absent
from cairn.storage.outbox import Outbox
from cairn.storage.sqlite import SqliteTable
from cairn.storage.table import ConditionFailed, Cost, Put
from tests.events.flow import NOW, Watched, watched
from tests.storage.stores import aggregates


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as found:
        yield found


def head(number: int, name: str = "e") -> Put:
    item = {"pk": f"E#{number:016x}", "sk": "#", "n": name, "st": "active", "ep": 0}
    return Put(item, Absent())


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_write_that_fails_leaves_nothing(seen: Watched) -> None:
    seen.table.put(head(1))
    assert len(seen.changes()) == 1
    with pytest.raises(ConditionFailed):
        seen.table.put(head(1))
    with pytest.raises(ConditionFailed):
        seen.table.transact([head(2), head(1)])
    assert seen.changes() == []


def test_a_write_without_its_change_does_not_exist(seen: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends between the two: neither is there."""

    def crash(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(kept, "note", crash)
    for write in (lambda: seen.table.put(head(1)), lambda: seen.table.transact([head(1), head(2)])):
        with pytest.raises(SystemExit):
            write()
    assert seen.table.get(head(1).key) is None
    assert seen.changes() == []


def test_an_engine_keeps_nothing_unless_it_is_asked(tmp_path: Path) -> None:
    with closing(SqliteTable(tmp_path / "table.db")) as table:
        table.put(head(1))
        with closing(Outbox(tmp_path / "table.db")) as outbox:
            assert outbox.read() == ([], 0)


def test_the_outbox_costs_no_request_and_no_unit(tmp_path: Path) -> None:
    costs = []
    for outbox in (False, True):
        told: list[Cost] = []
        with closing(SqliteTable(tmp_path / f"{outbox}.db", outbox=outbox, observer=told.append)) as table:
            stores = aggregates(table, clock=lambda: NOW)
            run_id = stores.run(stores.experiment())
            stores.change(run_id, changes.update_info("FINISHED", 9, None))
        costs.append([(cost.operation, cost.write_units, cost.read_units) for cost in told])
    assert costs[0] == costs[1] != []


def test_changes_are_told_in_order_until_they_are_forgotten(seen: Watched) -> None:
    for number in range(7):
        seen.table.put(head(number))
    told: list[str] = []

    def tell_names(events: list[Event]) -> None:
        told.extend(event.entity for event in events)

    first, last = seen.outbox.read(3)
    assert [change.key.pk[-1] for change in first] == ["0", "1", "2"]
    assert seen.outbox.read(3) == (first, last)
    seen.outbox.forget(last)
    assert drain(seen.outbox, tell_names) == 4
    assert drain(seen.outbox, tell_names) == 0
    assert told == [f"experiments/{number}" for number in range(3, 7)]


def test_what_could_not_be_told_is_told_again(seen: Watched) -> None:
    seen.table.put(head(1))

    def full(events: list[Event]) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        drain(seen.outbox, full)
    again: list[Event] = []
    drain(seen.outbox, again.extend)
    assert [event.entity for event in again] == ["experiments/1"]


def test_a_change_that_nobody_understands_holds_nothing_up(
    seen: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    seen.table.put(Put({"pk": "E#" + "0" * 16, "sk": "#", "n": "without stage and epoch"}))
    seen.table.put(head(2))
    told: list[Event] = []
    with caplog.at_level(logging.ERROR):
        drain(seen.outbox, told.extend)
    assert [event.entity for event in told] == ["experiments/2"]
    assert "no events of a change" in caplog.text


def test_a_server_prints_and_appends(seen: Watched, tmp_path: Path) -> None:
    file, printed = tmp_path / "events.jsonl", list[str]()
    file.write_text("kept\n")
    stores = aggregates(seen.table, clock=lambda: NOW)
    with telling(lambda: Outbox(tmp_path / "table.db"), tmp_path / "lock", file, printed.append):
        run_id = stores.run(stores.experiment("iris"))
        until(lambda: len(printed) == 2)
        stores.change(run_id, changes.update_info("FINISHED", 9, None))
    assert printed == [
        "Experiment Created: experiment id 1, name iris",
        f"Run Created: experiment id 1, run id {run_id}, name calm-lake-1, status RUNNING",
        f"Run Finished: experiment id 1, run id {run_id}, name calm-lake-1, status FINISHED",
    ], "the last one at the end"
    kept_line, *lines = file.read_text().splitlines()
    assert kept_line == "kept"
    assert [json.loads(one)["detail-type"] for one in lines] == [one.partition(":")[0] for one in printed]


def test_of_two_servers_one_tells_and_the_other_goes_on(seen: Watched, tmp_path: Path) -> None:
    first, second = list[str](), list[str]()

    def make() -> Outbox:
        return Outbox(tmp_path / "table.db")

    held = take(tmp_path / "lock")
    assert held is not None
    with held, telling(make, tmp_path / "lock", None, first.append):
        seen.table.put(head(1))
        time.sleep(3 * tell.PAUSE_S)
        assert first == []
        held.close()
        until(lambda: first)
        seen.table.put(head(2))
    assert len(first) == 2
    with telling(make, tmp_path / "lock", None, second.append):
        seen.table.put(head(3))
        until(lambda: second)
    assert len(second) == 1


def test_a_terminal_that_is_gone_keeps_nothing_from_the_file(seen: Watched, tmp_path: Path) -> None:
    def gone(_: str) -> None:
        raise BrokenPipeError("gone")

    seen.table.put(head(1))
    seen.table.put(head(2))
    while drain(seen.outbox, Teller(tmp_path / "events", gone)):
        continue
    assert len((tmp_path / "events").read_text().splitlines()) == 2


def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with (
        pytest.raises(Unusable, match="cannot append events to"),
        telling(lambda: Outbox(tmp_path / "t"), tmp_path / "lock", tmp_path / "no" / "file", print),
    ):
        pass


def test_a_line_is_one_line(seen: Watched) -> None:
    seen.table.put(head(1, "two\nlines"))
    (event,) = seen.events()
    assert line(event) == "Experiment Created: experiment id 1, name two lines"
