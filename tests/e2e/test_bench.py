"""The benchmark works: both servers start, all answers are right and equal, a report is written.

Numbers are tiny here and times are not looked at.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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
    "search page of 100 of 110, default order",
    "search page of 100 of 110, metric order",
    "search page of 100 of 110, filter",
    "search page of 100 of 110, filter and metric order",
)
HANDLERS = ("log_batch of 20 | SQLite", "search page of 100 | SQLite", "log_batch of 20 | DynamoDB")


@pytest.mark.timeout(900)  # MLflow's server alone takes most of a minute on a busy machine
def test_the_quick_benchmark_runs_and_reports(tmp_path: Path) -> None:
    report = tmp_path / "benchmarks.md"
    command = (sys.executable, "-m", "bench", "--quick", "--output", str(report))
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=_environment(), check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "all answers right and equal on both sides" in ran.stdout
    text = report.read_text()
    for name in (*WORKLOADS, *HANDLERS):
        assert f"| {name} |" in text
    assert str(tmp_path) not in text
    assert str(ROOT) not in text


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "layers/core/python")))}
