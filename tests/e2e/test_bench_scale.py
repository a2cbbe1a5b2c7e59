"""The benchmark of a large experiment works: it loads, searches, compares every answer, and reports."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.filled import filled
from bench.load import load
from bench.scale import QUICK, SPEC, pages_of
from bench.scale_queries import Population
from tests.e2e.test_bench import ROOT, _environment

SEARCHES = 13


def test_the_quick_benchmark_runs_and_reports(tmp_path: Path) -> None:
    report = tmp_path / "scale.md"
    command = (sys.executable, "-m", "bench.scale", "--quick", "--output", str(report))
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=_environment(), check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "byte-equal to the API's" in ran.stdout
    assert "all answers right, every request within its budget" in ran.stdout
    text = report.read_text()
    pages, dearest = text.split("## The dearest page")
    assert len(re.findall(r"^\| .* \| [\d,]+ \| 1 \| 1 \| \d+ \| ", pages, re.MULTILINE)) == SEARCHES
    assert len(re.findall(r"^\| .* \| \d+ \| \d+ \| 1 \| ", dearest, re.MULTILINE)) == SEARCHES
    assert str(tmp_path) not in text
    assert str(ROOT) not in text


def test_a_wrong_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 400 runs 40 are not in the table; then a request may not read anything."""
    with filled(tmp_path / "table.db") as at:
        experiment = at.experiment("scale")
        load(at.table, experiment, SPEC, range(360))
        query = next(Population(SPEC, experiment, 400).queries(10_000))
        problems: list[str] = []
        pages_of(at, experiment, query, QUICK, problems)
        assert problems[0] == "default order: page 1 is wrong"
        right = next(Population(SPEC, experiment, 360).queries(10_000))
        problems.clear()
        pages_of(at, experiment, right, QUICK, problems)
        assert problems == []
        monkeypatch.setattr("bench.scale.MOST_UNITS", 10)
        pages_of(at, experiment, right, QUICK, problems)
    assert re.match(r"default order: a request of page 1 took \d+ read units", problems[0])
