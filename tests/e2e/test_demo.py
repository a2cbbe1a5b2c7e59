"""``make demo``, as somebody would run it who has just cloned the repository."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from cairn.events.catalogue import AliasSet
from cairn.events.schema import schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.demo
@pytest.mark.timeout(600)  # trainings, on machines that do something else besides
def test_the_demo_runs_every_example_and_ends() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "demo"],
        cwd=ROOT,
        env=os.environ | {"DEMO_EXIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = {
        line.split()[0]: line.split()[1:3]
        for line in done.stdout.splitlines()
        if re.search(r"\s\d+\s+\d+\s", line)
    }
    assert table["wine"] == ["1", "1"]  # runs, logged models
    assert table["diabetes"] == ["13", "0"]
    assert table["digits"] == ["1", "1"]
    assert re.search(r"Tracking URI: http://127\.0\.0\.1:\d+", done.stdout)
    page = r"http://127\.0\.0\.1:\d+/#/experiments/\d+/runs/[0-9a-f]{32}"
    assert len(re.findall(rf"^ +{page}$", done.stdout, re.MULTILINE)) == 3
    assert "best of 12" in done.stdout
    assert re.search(r"models:/wine@champion loaded back: \d\d of 54 predictions right", done.stdout)
    event, _ = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index("{\n"))
    assert event["detail-type"] == "Model Alias Set"
    jsonschema.validate(event["detail"], schema(AliasSet))
    assert (event["detail"]["name"], event["detail"]["alias"]) == ("wine", "champion")
    assert event["detail"]["model_version"] == 1


def test_a_demo_that_is_ended_leaves_no_server() -> None:
    demo = subprocess.Popen(
        [sys.executable, ROOT / "examples" / "demo.py"], stdout=subprocess.PIPE, text=True
    )
    assert demo.stdout is not None
    port = int(demo.stdout.readline().rpartition(":")[2])
    demo.stdout.readline()
    assert demo.stdout.readline().startswith("[1/3]"), "it is at work"
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=60)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
