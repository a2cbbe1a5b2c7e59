"""The report: a table for the terminal and docs/benchmarks.md, with the machine that it was made on."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.cpu import HandlerTime
from bench.runner import Result

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


def document(results: Sequence[Result], times: Sequence[HandlerTime], started: tuple[float, float]) -> str:
    """docs/benchmarks.md."""
    return f"""# Benchmarks

`make bench` makes this page. It starts MLflow's own server {version("mlflow")} on SQLite, with its
defaults, and `cairn local` on SQLite beside it, sends both the same requests over HTTP from one client with
kept-alive connections, and alternates between them. Every answer is checked against what it must be, and
Cairn's against MLflow's.

Machine: {machine()}. Client and both servers share it, so the absolute numbers are upper bounds; the ratio
is what to read: MLflow's median over Cairn's, and with several writers Cairn's requests per second over
MLflow's. Times are milliseconds.

The client acknowledges packets at once. A client with the defaults of Linux, MLflow's own among them, waits
some 40 ms longer for each answer of MLflow's server, whose workers' sockets hold the body of an answer back
until its head is acknowledged (Nagle's algorithm); that is not counted here.

{table(results)}

From start to a healthy answer: MLflow's server {started[0]:.1f} s, `cairn local` {started[1]:.1f} s.

## CPU in the handler

One event, one answer, in a process that is warm, without any HTTP front: what a Lambda function computes
beside its waits. With SQLite the engine's own work is in it; with DynamoDB it is botocore's (signing, JSON,
HTTP), while the table itself answers from another process.

{cpu_table(times)}
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
