"""examples/quality_gate: the gate against a real server, as CI starts it, and the workflow that does."""

import os
import re
import shlex
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from mlflow import MlflowClient

from examples.quality_gate import gate
from tests.e2e.local_cairn import QUIET, LocalCairn, local_cairn

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "examples" / "quality_gate" / "quality-gate.yml"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalCairn]:
    with local_cairn("--ephemeral") as server:
        yield server


def start_gate(uri: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, gate.__file__, *arguments],
        env=os.environ | QUIET | {"MLFLOW_TRACKING_URI": uri, "GITHUB_SHA": "4f2a"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_a_better_model_becomes_champion(server: LocalCairn) -> None:
    """Accuracies on the held-out digits: 0.77 of 1 tree, 0.89 of 5, 0.97 of 40."""
    client = MlflowClient(server.uri)
    rounds = [
        (["--trees", "5"], gate.MOVED, "is the first @champion", "1"),
        (["--trees", "1"], gate.STAYS, "does not beat @champion, version 1 ", "1"),
        (["--trees", "5"], gate.STAYS, "does not beat @champion, version 1 ", "1"),
        (["--trees", "40", "--margin", "0.5"], gate.STAYS, "by more than 0.5", "1"),
        (["--trees", "40"], gate.MOVED, "takes @champion from version 1 ", "5"),
    ]
    for version, (arguments, status, said, champion) in enumerate(rounds, start=1):
        done = start_gate(server.uri, *arguments)
        assert done.returncode == status, done.stdout + done.stderr
        verdict = done.stdout.splitlines()[-1]
        assert verdict.startswith(
            f"{'PASSED' if status == gate.MOVED else 'FAILED'}: digits-gate version {version} "
        )
        assert said in verdict
        assert client.get_registered_model("digits-gate").aliases == {"champion": champion}
    tags = client.get_model_version_by_alias("digits-gate", "champion").tags
    assert tags["commit"] == "4f2a"
    assert float(tags["held_out_accuracy"]) > 0.95


def test_a_server_that_is_not_there_is_no_verdict() -> None:
    done = start_gate("http://127.0.0.1:1")
    assert done.returncode not in (gate.MOVED, gate.STAYS)
    assert "PASSED" not in done.stdout


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert list(jobs) == ["gate"]
    return dict(jobs["gate"])


def step(job: dict[str, Any], word: str) -> tuple[int, dict[str, Any]]:
    """The one step that uses, or runs, what contains the word, and its place."""
    (found,) = [
        (place, step)
        for place, step in enumerate(job["steps"])
        if word in step.get("uses", "") + step.get("run", "")
    ]
    return found


def test_the_workflow_has_a_role_and_no_keys(job: dict[str, Any]) -> None:
    text = WORKFLOW.read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read", "id-token": "write"}
    place, credentials = step(job, "aws-actions/configure-aws-credentials@")
    assert credentials["with"] == {
        "role-to-assume": "${{ vars.CAIRN_ROLE_ARN }}",
        "aws-region": "${{ vars.AWS_REGION }}",
    }
    assert place < step(job, "gate.py")[0]
    assert job["env"] == {
        "MLFLOW_TRACKING_URI": "${{ vars.MLFLOW_TRACKING_URI }}",
        "MLFLOW_TRACKING_AWS_SIGV4": "true",
    }
    assert "secrets." not in text
    assert "requests-auth-aws-sigv4" in step(job, "pip install")[1]["run"]


def test_the_workflow_starts_the_gate_with_arguments_that_it_takes(job: dict[str, Any]) -> None:
    _, start = step(job, "gate.py")
    assert "${{" not in start["run"]  # text of whoever starts the job would be a command
    inputs = yaml.safe_load(WORKFLOW.read_text())[True]["workflow_dispatch"]["inputs"]  # YAML 1.1's `on`
    given = {}
    for name, expression in start["env"].items():
        found = re.fullmatch(r"\$\{\{ inputs\.(\w+) \|\| '(\w+)' \}\}", expression)
        assert found is not None, expression
        assert inputs[found[1]]["default"] == found[2]
        given[name] = found[2]
    program, script, *arguments = shlex.split(string.Template(start["run"]).substitute(given))
    assert program == "python"
    assert ROOT / script == Path(gate.__file__)
    options = gate.parse(arguments)
    assert (options.model, options.trees, options.depth) == ("digits-gate", 50, 12)


def test_gates_of_one_model_wait_for_each_other() -> None:
    assert yaml.safe_load(WORKFLOW.read_text())["concurrency"] == {
        "group": "quality-gate-digits",
        "cancel-in-progress": False,
    }
