"""Many writers on one item, one file under many processes, and a kill -9."""

import inspect
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cairn.storage.engine import EngineTable
from cairn.storage.expr import Absent, Add, Set, eq
from cairn.storage.retry import Conflicted, Throttled, Unreachable
from cairn.storage.sqlite import SqliteTable
from cairn.storage.table import ConditionFailed, Key, Put, Query, Table, Update
from tests.storage.faults import FaultyTable

COUNTER = Key("p", "counter")
THREADS, ROUNDS = 16, 12


def count_up(table: Table, rounds: int) -> None:
    """Read, change, write on condition; again when another was faster."""
    for _ in range(rounds):
        held = table.get(COUNTER)
        while True:
            number = held["n"] if held else 0
            condition = eq("n", number) if held else Absent()
            try:
                table.put(Put({"pk": "p", "sk": "counter", "n": number + 1}, condition))
            except ConditionFailed as failed:
                held = failed.item
            else:
                break


def in_threads(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, number) for number in range(THREADS)]:
            done.result()


def test_no_conditional_write_is_lost(table: EngineTable) -> None:
    in_threads(lambda _: count_up(table, ROUNDS))
    assert table.get(COUNTER) == {"pk": "p", "sk": "counter", "n": THREADS * ROUNDS}


def test_no_update_is_lost(table: EngineTable) -> None:
    def add(number: int) -> None:
        for _ in range(ROUNDS):
            table.update(Update(COUNTER, [Add("n", 1), Set(f"by{number}", True)]))

    in_threads(add)
    counted = table.get(COUNTER)
    assert counted is not None
    assert counted["n"] == THREADS * ROUNDS
    assert len(counted) == 3 + THREADS


def test_transactions_move_all_or_nothing(table: EngineTable) -> None:
    """Units move between two accounts; their sum stays."""
    for name in ("a", "b"):
        table.put(Put({"pk": "p", "sk": name, "n": 100}))

    def move(number: int) -> None:
        source, target = ("a", "b") if number % 2 else ("b", "a")
        for _ in range(number // 2 + 1):
            table.transact(
                [Update(Key("p", source), [Add("n", -1)]), Update(Key("p", target), [Add("n", 1)])]
            )

    in_threads(move)
    held = table.batch_get([Key("p", "a"), Key("p", "b")])
    assert {key.sk: item["n"] for key, item in held.items()} == {"a": 100, "b": 100}


def test_faults_in_every_third_request_are_not_seen(table: EngineTable) -> None:
    faulty = FaultyTable(table, every=3, faults=(Throttled, Conflicted))
    in_threads(lambda _: count_up(faulty, 4))
    assert table.get(COUNTER) == {"pk": "p", "sk": "counter", "n": THREADS * 4}
    assert faulty.injected == faulty.requests // 3 > 10


def test_a_put_whose_answer_was_lost_is_not_taken_for_anothers(table: EngineTable) -> None:
    faulty = FaultyTable(table, lose_every=2, lost=Unreachable)
    for number in range(10):
        faulty.put(Put({"pk": "p", "sk": f"{number}"}, Absent()))
    assert len(table.query(Query("p")).items) == 10
    assert faulty.injected > 3


# -- processes -----------------------------------------------------------------------------------------


def _count_up_in_process(path: str) -> None:
    table = SqliteTable(path)
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(count_up, table, 30) for _ in range(3)]:
            done.result()
    table.close()


def test_processes_share_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "table.db")
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_count_up_in_process, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    table = SqliteTable(path)
    assert table.get(COUNTER) == {"pk": "p", "sk": "counter", "n": 270}
    table.close()


_WRITER = """
    import sys
    from cairn.storage.expr import Absent
    from cairn.storage.sqlite import SqliteTable
    from cairn.storage.table import Put

    table = SqliteTable(sys.argv[1])
    number = 0
    while True:
        a, b = ({"pk": part, "sk": f"{number:09}", "b": b"x" * 3000} for part in "ab")
        table.transact([Put(a, Absent()), Put(b, Absent())])
        print(number, flush=True)
        number += 1
"""


def test_kill_9_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    root = Path(inspect.getfile(SqliteTable)).parents[2]
    for attempt in range(3):
        path = tmp_path / f"table{attempt}.db"
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_WRITER), str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
        ) as writer:
            assert writer.stdout is not None
            for _ in range(50):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            complete = writer.stdout.read().rpartition(b"\n")[0].split()
        last = int(complete[-1]) if complete else 49
        table = SqliteTable(path)
        kept = {part: walk(table, part) for part in "ab"}
        table.close()
        assert kept["a"] == kept["b"] == [f"{number:09}" for number in range(len(kept["a"]))]
        assert len(kept["a"]) > last
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


def walk(table: Table, pk: str) -> list[str]:
    sks: list[str] = []
    after = None
    while True:
        page = table.query(Query(pk, after=after))
        sks += [item["sk"] for item in page.items]
        after = page.after
        if after is None:
            return sks
