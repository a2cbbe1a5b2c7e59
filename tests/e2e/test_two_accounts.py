"""examples/two_accounts: its script against a real server, its commands as the command line takes them."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from cairn.local import access, share
from tests.e2e.local_cairn import QUIET, local_cairn

EXAMPLE = Path(__file__).parents[2] / "examples" / "two_accounts"


def test_the_script_looks_and_writes(tmp_path: Path) -> None:
    with local_cairn("--data", str(tmp_path / "data")) as server:
        client = MlflowClient(server.uri)
        client.create_run(client.create_experiment("fraud/eu"), run_name="first")
        done = {
            name: subprocess.run(
                [sys.executable, EXAMPLE / "train.py", name],
                env=os.environ | QUIET | {"MLFLOW_TRACKING_URI": server.uri},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            for name in ("fraud/eu", "churn")
        }
    assert done["fraud/eu"].returncode == 0, done["fraud/eu"].stderr
    assert "I see 2 experiments" in done["fraud/eu"].stdout
    assert "has runs: first" in done["fraud/eu"].stdout
    assert "read back: written by a presigned URL" in done["fraud/eu"].stdout
    assert (done["churn"].returncode, done["churn"].stdout.splitlines()[-1]) == (
        1,
        "There is no experiment churn for me.",
    )


def commands() -> list[list[str]]:
    text = (EXAMPLE / "README.md").read_text().replace("$CONSUMER", "444455556666")
    return [shlex.split(line) for line in re.findall(r"^\s+cairn (\S.*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_one(words: list[str]) -> None:
    parsers = {"share": share._parser, "access": access._parser}
    assert parsers[words[0]]().parse_args(words).task == words[1]


def test_the_policy_reads_the_pointer_and_calls_the_api() -> None:
    statements = json.loads((EXAMPLE / "consumer-policy.json").read_text())["Statement"]
    assert [one["Action"] for one in statements] == ["ssm:GetParameter", "execute-api:Invoke"]
    assert len(commands()) >= 6
