"""``python -m bench``: compare Cairn with MLflow's own server and write docs/benchmarks.md."""

import argparse
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from bench import cold_start, cpu, plan, plot, postgres, report, searches, ui
from bench.report import Report
from bench.servers import both, mlflow

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
PARTS = ("cpu", "cold", "requests", "search", "ui")
SETTLE = 20.0
"""Seconds that the servers get before: MLflow's starts job workers after it answers."""
COLD_ROUNDS = 15


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers: proves that it works")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="measure this part, print its tables"
    )
    parser.add_argument("--runs", type=_sizes, metavar="N,N,...", help="sizes of the experiments searched")
    parser.add_argument("--output", type=Path, help="where the report goes (default: docs/benchmarks.md)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    whole = not (options.quick or options.only or options.runs)

    measured = Report()
    parts = options.only or PARTS
    if "cpu" in parts:
        _cpu(measured, quick=options.quick)
    if "cold" in parts:
        for each in cold_start.measure(1 if options.quick else COLD_ROUNDS):
            measured.starts.append(each)
            _say(
                f"{each.function}: {each.total:.0f} ms to the first answer (budget {cold_start.BUDGET_MS})"
            )
    if {"requests", "search", "ui"} & set(parts):
        _compare(measured, parts, quick=options.quick, runs=options.runs)
    _write(measured, options.output or (DOCUMENT if whole else None))
    print("done: all answers right and equal on both sides")


def _cpu(measured: Report, *, quick: bool) -> None:
    for each in cpu.measure(quick=quick):
        measured.times.append(each)
        _say(f"{each.name}, {each.engine}: {each.median:.2f} ms of CPU (budget {each.budget:g})")


def _compare(measured: Report, parts: Sequence[str], *, quick: bool, runs: tuple[int, ...] | None) -> None:
    """The parts that need servers. Those on SQLite are one and the same for all parts; PostgreSQL starts
    when it is searched, and searches come last: a server that takes too long is ended."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cairn-bench-")))
        workers = 1 if quick else None
        servers = stack.enter_context(both(folder, workers))
        measured.started = (servers[0].started, servers[1].started)
        settle: Callable[[], None] = (lambda: None) if quick else (lambda: time.sleep(SETTLE))
        if "requests" in parts:
            settle()
            for result in plan.measure(servers, plan.QUICK if quick else plan.FULL):
                measured.results.append(result)
                _say(report.row(result))
        if "ui" in parts:
            settle()
            for page in ui.measure(servers, ui.QUICK if quick else ui.FULL, _say):
                measured.pages.append(page)
                _say(report.page_row(page))
        if "search" in parts:
            sides = list(servers)
            if package := postgres.installed():
                measured.postgres = package.version
                uri = stack.enter_context(postgres.serving(package))
                name = "MLflow, PostgreSQL"
                sides.insert(1, stack.enter_context(mlflow(folder / "postgres", uri, name, workers)))
            settle()
            size = searches.QUICK if quick else searches.FULL
            for search in searches.measure(sides, searches.of_runs(size, runs), _say):
                measured.found.append(search)
                _say(report.search_row(search, [side.name for side in sides]))


def _write(measured: Report, output: Path | None) -> None:
    """The document and its plot beside it; tables alone, on the terminal, where there is no place."""
    if output is None:
        return
    drawn = output.with_suffix(".svg")
    output.write_text(report.document(measured, drawn.name))
    if measured.found:
        drawn.write_text(plot.svg(measured.found))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(number) for number in text.split(",")))


def _say(text: str) -> None:
    print(text, flush=True)


def _leave(*_: object) -> NoReturn:
    """The servers are stopped on the way out."""
    raise SystemExit(1)


if __name__ == "__main__":
    main()
