"""Events of a real ``cairn local``: printed, appended, and told after a crash."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from cairn.events.catalogue import CATALOGUE
from cairn.events.schema import schema
from cairn.local.data import take
from tests.e2e.local_cairn import LocalCairn, local_cairn

SOON_S = 10


def post(server: LocalCairn, path: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    status, answer = server.request("POST", f"/api/2.0/mlflow/{path}", json.dumps(body).encode(), headers)
    assert status == 200, answer
    return json.loads(answer)


def told(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def await_events(file: Path, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    deadline = time.monotonic() + SOON_S
    while not enough(found := told(file)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_an_alias_is_told_on_the_terminal_and_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    with local_cairn("--data", str(tmp_path / "data"), "--events", str(file)) as server:
        post(server, "registered-models/create", {"name": "fraud"})
        post(server, "model-versions/create", {"name": "fraud", "source": "s3://b/model"})
        post(server, "registered-models/alias", {"name": "fraud", "alias": "champion", "version": "1"})
        events = await_events(file, lambda found: len(found) == 4)
        assert server.end() == 0
    assert [event["detail-type"] for event in events] == [
        "Experiment Created",  # Default
        "Registered Model Created",
        "Model Version Created",
        "Model Alias Set",
    ]
    types = {one.type: one for one in CATALOGUE}
    for event in events:
        jsonschema.validate(event["detail"], schema(types[event["detail-type"]]))
    assert "Model Alias Set: name fraud, model version 1, alias champion" in server.output


def test_what_a_killed_server_had_not_told_the_next_one_tells(tmp_path: Path) -> None:
    """The lock keeps the server from telling, as a crash right after the answer would."""
    data, file = tmp_path / "data", tmp_path / "events.jsonl"
    data.mkdir()
    held = take(data / "events.lock")
    assert held is not None
    with held:
        server = LocalCairn("--data", str(data), "--events", str(file))
        run_id = post(server, "runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
        post(server, "runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 5})
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.communicate(timeout=30)
    assert told(file) == []
    with local_cairn("--data", str(data), "--events", str(file)):
        events = await_events(file, lambda found: len(found) >= 3)
    types = [event["detail-type"] for event in events]
    assert types == ["Experiment Created", "Run Created", "Run Finished"]


def test_the_file_belongs_to_data_on_this_machine(tmp_path: Path) -> None:
    from tests.e2e.test_local_cli import run

    done = run("local", "--aws-endpoint", "http://127.0.0.1:1", "--events", str(tmp_path / "e"))
    assert done.returncode == 2
    assert "--events tells of data on this machine" in done.stderr
    done = run("local", "--ephemeral", "--port", "0", "--events", str(tmp_path / "no" / "e"))
    assert done.returncode == 2
    assert "cannot append events to" in done.stderr
