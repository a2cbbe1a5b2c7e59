"""The benchmark works: both servers start, all answers are right and equal, a report is written.

Numbers are tiny here and times are not looked at.
"""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import postgres, searches, ui

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
WORKLOADS = (
    "create_run",
    "create_run, 8 writers",
    "log_metric",
    "log_metric, 8 writers",
    "log_batch of 20",
    "log_batch of 20, 8 writers",
    "log_batch of 1,000",
    "log_batch of 1,000, 8 writers",
    "get_run",
    "get_run, 8 writers",
    "log_batch of 1,000, one run and key",
    "history of 2,000 points",
    "create_run and log_batch, 8 writers",
)
QUERIES = (
    "default order",
    "default order, page 2",
    "default order, a deep page",
    "params.param_000 = 'choice-3'",
    "tags.mlflow.parentRunId = '...'",
    "run_name ILIKE '%LAKE%'",
    "metrics.a > 0.99, by metrics.b",
    "by metrics.b",
)
FUNCTIONS = ("tracking", "artifacts")
HANDLERS = ("log_batch of 20 | SQLite", "search page of 100 | SQLite", "log_batch of 20 | DynamoDB")


@pytest.mark.timeout(900)  # MLflow's server alone takes most of a minute on a busy machine
def test_the_quick_benchmark_runs_and_reports(tmp_path: Path) -> None:
    report = tmp_path / "benchmarks.md"
    command = (sys.executable, "-m", "bench", "--quick", "--output", str(report))
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=_environment(), check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "all answers right and equal on both sides" in ran.stdout
    text = report.read_text()
    for name in (*WORKLOADS, *HANDLERS, *FUNCTIONS):
        assert f"| {name} |" in text
    for runs in searches.QUICK.runs:
        for query in QUERIES:
            assert f"| {runs} | {query} |" in text
    for page in ui.recording():
        assert f"| {page} |" in text
    assert ("PostgreSQL/Cairn" in text) == (postgres.installed() is not None)
    assert "(benchmarks.svg)" in text
    plot = ElementTree.parse(tmp_path / "benchmarks.svg")
    shown = [element.text for element in plot.iter(f"{SVG}text")]
    assert set(QUERIES) <= set(shown)
    assert str(tmp_path) not in text
    assert str(ROOT) not in text


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "layers/core/python")))}
