"""The report: tables for the terminal and docs/benchmarks.md, with the machine that it was made on."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench import cold_start, searches, ui
from bench.cold_start import ColdStart
from bench.cpu import HandlerTime
from bench.runner import Result
from bench.searches import Search, Taken
from bench.ui import PageLoad

_HEAD = (
    "| workload | requests | MLflow median | MLflow p95 | Cairn median | Cairn p95 | MLflow/Cairn | "
    "MLflow per s | Cairn per s |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def row(result: Result) -> str:
    """One workload; times in milliseconds, the ratio of the medians (of the rates where many write)."""
    mlflow, cairn = result.mlflow, result.cairn
    ratio = mlflow.median / cairn.median if result.writers == 1 else cairn.rate / mlflow.rate
    return (
        f"| {result.name} | {result.count:,} | {_ms(mlflow.median)} | {_ms(mlflow.p95)} "
        f"| {_ms(cairn.median)} | {_ms(cairn.p95)} | {ratio:.1f}x "
        f"| {mlflow.rate:,.0f} | {cairn.rate:,.0f} |"
    )


def table(results: Sequence[Result]) -> str:
    return "\n".join([_HEAD, *(row(result) for result in results)])


def cpu_table(times: Sequence[HandlerTime]) -> str:
    lines = ["| handler, warm | engine | CPU median | CPU p95 | budget |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| {each.name} | {each.engine} | {each.median:.2f} ms | {each.p95:.2f} ms | {each.budget:g} ms |"
        for each in times
    ]
    return "\n".join(lines)


def cold_table(starts: Sequence[ColdStart]) -> str:
    lines = [
        "| function | import | first request | together | of it CPU | budget |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {each.function} | {each.imports:.0f} ms | {each.first:.0f} ms | {each.total:.0f} ms "
        f"| {each.cpu:.0f} ms | {cold_start.BUDGET_MS} ms |"
        for each in starts
    ]
    return "\n".join(lines)


def search_table(found: Sequence[Search]) -> str:
    """Medians and 95th percentiles of every server, and the others' medians over Cairn's."""
    names = list(dict.fromkeys(name for search in found for name in search.taken))
    others = [name for name in names if name != "Cairn"]
    heads = ["runs", "query", "answered", *(f"{name} median | p95" for name in names)]
    heads += [f"{name}/Cairn" for name in others]
    columns = 3 + 2 * len(names) + len(others)
    lines = [f"| {' | '.join(heads)} |", "|---:|---|" + "---:|" * (columns - 2)]
    return "\n".join([*lines, *(search_row(search, names) for search in found)])


def search_row(search: Search, names: Sequence[str]) -> str:
    """One query at one size, of the servers with these names."""
    times = [_median_and_p95(search.taken.get(name)) for name in names]
    ratios = [_ratio(search, name) for name in names if name != "Cairn"]
    cells = [f"{search.runs:,}", search.query, str(search.answered), *times, *ratios]
    return f"| {' | '.join(cells)} |"


def page_table(pages: Sequence[PageLoad]) -> str:
    heads = [
        *("page", "requests", "MLflow, in a row", "Cairn", "MLflow/Cairn"),
        *("MLflow, at once", "Cairn", "MLflow/Cairn", "MLflow KB", "Cairn KB"),
    ]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join([*lines, *map(page_row, pages)])


def page_row(page: PageLoad) -> str:
    """One page; times in milliseconds."""
    mlflow, cairn = page.loads["MLflow"], page.loads["Cairn"]
    cells = [page.page, str(page.requests)]
    for theirs, ours in ((mlflow.in_a_row, cairn.in_a_row), (mlflow.at_once, cairn.at_once)):
        slow, fast = ui.median(theirs), ui.median(ours)
        cells += [_ms(slow), _ms(fast), f"{slow / fast:.1f}x"]
    cells += [f"{each.size / 1000:,.0f}" for each in (mlflow, cairn)]
    return f"| {' | '.join(cells)} |"


def _median_and_p95(taken: Taken | None) -> str:
    if taken is None:
        return "- | -"
    if taken.waited is not None:
        return f"> {_ms(taken.waited)} | -"
    return f"{_ms(taken.median)} | {_ms(taken.p95)}"


def _ratio(search: Search, name: str) -> str:
    taken, cairn = search.taken.get(name), search.taken["Cairn"]
    if taken is None or cairn.waited is not None:
        return "-"
    if taken.waited is not None:
        return f"> {taken.waited / cairn.median:,.0f}x"
    return f"{taken.median / cairn.median:,.1f}x"


@dataclass(slots=True)
class Report:
    """What was measured; a part that was left out is empty."""

    results: list[Result] = field(default_factory=list)
    started: tuple[float, float] | None = None
    found: list[Search] = field(default_factory=list)
    postgres: str | None = None
    """Its version, where there is one."""
    pages: list[PageLoad] = field(default_factory=list)
    times: list[HandlerTime] = field(default_factory=list)
    starts: list[ColdStart] = field(default_factory=list)


def document(report: Report, plot: str) -> str:
    """docs/benchmarks.md; ``plot`` is the file's name beside it."""
    parts = [_intro()]
    if report.results and report.started:
        parts.append(_requests(report.results, report.started))
    if report.found:
        parts.append(_searches(report, plot))
    if report.pages:
        parts.append(_pages(report.pages))
    if report.times:
        parts.append(_handlers(report.times))
    if report.starts:
        parts.append(_starts(report.starts))
    return "\n".join(parts)


def _intro() -> str:
    return f"""# Benchmarks

`make bench` makes this page. It starts MLflow's own server {version("mlflow")} with its defaults, and
`cairn local` on SQLite beside it, sends both the same requests over HTTP from one client with kept-alive
connections, and alternates between them. Every answer is checked against what it must be, and Cairn's
against MLflow's.

Machine: {machine()}. Client and servers share it, so the absolute numbers are upper bounds; the ratio is
what to read: MLflow's median over Cairn's, and with several writers Cairn's requests per second over
MLflow's. Times are milliseconds.

The client acknowledges packets at once. A client with the defaults of Linux, MLflow's own among them, waits
some 40 ms longer for each answer of MLflow's server, whose workers' sockets hold the body of an answer back
until its head is acknowledged (Nagle's algorithm); that is not counted here.
"""


def _requests(results: Sequence[Result], started: tuple[float, float]) -> str:
    return f"""## Single requests

MLflow's server is on SQLite here.

{table(results)}

From start to a healthy answer: MLflow's server {started[0]:.1f} s, `cairn local` {started[1]:.1f} s.
"""


def _searches(report: Report, plot: str) -> str:
    made, size = searches.RUNS, searches.FULL
    odd = f"{made.missing:.0%} missing, {made.nan:.0%} NaN, {made.tied:.0%} ties"
    return f"""## Searches of growing experiments

![Milliseconds for a page of 100 against the number of runs]({plot})

{_postgres(report)} All search the same runs, which are finished and indexed, and were put straight into the
databases: {made.metrics} metrics ({odd}), {made.params} params, {made.tags} tags
besides MLflow's own, {made.deleted:.0%} of the runs deleted, {made.same_start} that start at once, families
of a parent and {made.family - 1} children.

All answers to a query are equal, on all servers and every time: the same ids in the same order, the same
values, more to come or not. A page is 100 runs; the deep page is number {searches.DEEP}, or the one in the
middle of fewer runs, by its token. Each server is asked {size.requests} times, or as often as
{size.seconds:g} s allow, and waited for at most {size.patience:g} s; one that takes longer is ended, as it
would go on computing beside the others.

{search_table(report.found)}
"""


def _postgres(report: Report) -> str:
    if report.postgres is None:
        return (
            "MLflow's server is on SQLite; a second one on PostgreSQL was left out, which is not\n"
            "installed on this machine."
        )
    return (
        f"MLflow's server is on SQLite, and a second one on PostgreSQL {report.postgres}, with its\n"
        "package's settings and its tables analyzed after loading."
    )


def _pages(pages: Sequence[PageLoad]) -> str:
    return f"""## Pages of the UI

What MLflow's UI asks for when a page is opened, recorded in a browser (`python -m bench.ui_record`), and
sent to both servers about an experiment of {pages[0].runs:,} runs: all requests of the page one after
another, and {ui.CONNECTIONS} at a time, as a browser sends them. Medians of
{len(pages[0].loads["Cairn"].in_a_row)} loads; static files, which browsers keep, are left out, and so is
what the browser computes. MLflow's server is on SQLite. The runs that both answer are equal.

{page_table(pages)}
"""


def _handlers(times: Sequence[HandlerTime]) -> str:
    return f"""## CPU in the handler

One event, one answer, in a process that is warm, without any HTTP front: what a Lambda function computes
beside its waits. With SQLite the engine's own work is in it; with DynamoDB it is the wire's (signing, JSON,
HTTP), while the table itself answers from another process.

{cpu_table(times)}
"""


def _starts(starts: Sequence[ColdStart]) -> str:
    return f"""## Cold starts

A new Python imports a function's handler with its layers and answers a first request, from a table without
items. Medians over new processes.

{cold_table(starts)}
"""


def machine() -> str:
    """Cores, processor, memory, system and versions; no names and no paths."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GB, "
        f"{platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _ms(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.1f}"
