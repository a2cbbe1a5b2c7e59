"""The first page of the UI's runs table, with 300 metric columns, in a small and in a large experiment:
what the table is asked for, and what it takes. ``python -m bench.ui_growth [RUNS]``

One process on SQLite, the handler alone; the sizes take turns, so that what else the machine does falls on
all of them. ``tests/budget/test_ui.py`` holds the requests, at 20,000 runs.
"""

import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import event
from bench.load import RunSpec, load, run_id_of
from bench.ui import RUNS, Call, recording
from bench.workloads import expect
from cairn.app import build_local
from cairn.http import App, handle
from cairn.storage.sqlite import SqliteTable

WIDE = RunSpec(metrics=300, params=5, tags=2, text_bytes=300)
NARROW = RunSpec(metrics=1, params=1, tags=0, text_bytes=20)
SHOWN, SMALL, LARGE = 100, 200, 100_000
TIMES = 40
QUICK = 1_000
"""Runs with which it proves that everything works, and measures nothing."""
PAGE = "runs table"


@dataclass(frozen=True, slots=True)
class Site:
    """An experiment of which the newest 100 runs are wide, and the requests of a page about it."""

    app: App
    calls: Sequence[Call]

    def open(self) -> tuple[float, float]:
        """Milliseconds, and those of the processor."""
        begun, worked = time.perf_counter(), time.process_time()
        for call in self.calls:
            answer = handle(self.app, _event(call))
            expect(answer.status == 200, call.path, answer.body)
        return (time.perf_counter() - begun) * 1000, (time.process_time() - worked) * 1000


def main(arguments: Sequence[str]) -> None:
    large = int(arguments[0]) if arguments else LARGE
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder:
        root = Path(folder)
        app = build_local(root / "cairn.db", root / "artifacts", root / "blobs", root / "staging")
        table = SqliteTable(root / "cairn.db")
        sites = {runs: _filled(app, table, runs) for runs in (SMALL, large)}
        gc.freeze()
        for site in sites.values():
            site.open()  # warm
        spent: dict[int, list[tuple[float, float]]] = {runs: [] for runs in sites}
        for _ in range(TIMES if large > QUICK else 2):
            for runs, site in sites.items():
                spent[runs].append(site.open())
        table.close()
    for runs, each in spent.items():
        wall, processor = (statistics.median(column) for column in zip(*each, strict=True))
        sys.stdout.write(f"{runs:>9,} runs: {wall:.1f} ms, {processor:.1f} ms of the processor\n")


def _filled(app: App, table: SqliteTable, runs: int) -> Site:
    made = handle(app, event("experiments/create", {"name": f"{runs} runs"}))
    assert isinstance(made.body, bytes)
    experiment = json.loads(made.body)["experiment_id"]
    load(table, experiment, NARROW, range(runs - SHOWN))
    load(table, experiment, WIDE, range(runs - SHOWN, runs))
    newest = [run_id_of(experiment, number) for number in reversed(range(runs - SHOWN, runs))]
    named = [*newest, *newest][:RUNS]
    return Site(app, [call.about(experiment, named) for call in recording()[PAGE]])


def _event(call: Call) -> dict[str, object]:
    query: dict[str, list[str]] = {}
    for name, value in call.query:
        query.setdefault(name, []).append(value)
    body = None if call.body is None else json.dumps(call.body)
    sent = {"httpMethod": call.method, "path": call.path, "multiValueQueryStringParameters": query}
    return {**event("", {}), **sent, "body": body}


if __name__ == "__main__":
    main(sys.argv[1:])
