"""The audit trail: what a write and a refusal leave in the log, and what does not get there."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.domain.access import Permission
from tests.access.worlds import GUEST, As, World, a_world, prefixed


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    found = [record.audit for record in caplog.records if record.name == "cairn.audit"]  # type: ignore[attr-defined]
    caplog.clear()
    return found


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    with a_world(tmp_path) as made, caplog.at_level(logging.INFO, logger="cairn.audit"):
        yield made


def test_a_write_is_a_line_and_a_read_is_none(world: World, caplog: pytest.LogCaptureFixture) -> None:
    owner = world.of()
    experiment = owner.experiment("a")
    (line,) = lines(caplog)
    assert line == {
        "who": "arn:aws:iam::111122223333:role/Trainer",
        "session": "session",
        "front": "signed",
        "action": "experiments:create",
        "resource": "name=a",
        "decision": "allowed",
        "code": "",
        "request_id": "request-1",
    }
    run = owner.run(experiment)
    assert [line["resource"] for line in lines(caplog)] == [f"experiment_id={experiment}"]
    secret = {"run_id": run, "key": "token", "value": "swordfish"}
    owner.made("runs/set-tag", secret)
    (line,) = lines(caplog)
    assert (line["action"], line["resource"]) == ("runs:log", f"run_id={run}")
    assert "swordfish" not in str(line)
    owner.get("runs/get", run_id=run)
    owner.made("runs/search", {"experiment_ids": [experiment]})
    assert lines(caplog) == []


def test_a_file_is_named_by_its_path(world: World, caplog: pytest.LogCaptureFixture) -> None:
    owner = world.of()
    experiment = owner.experiment("a")
    lines(caplog)
    owner.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/r/a.txt", content="words")
    assert [line["resource"] for line in lines(caplog)] == [f"artifact_path={experiment}/r/a.txt"]


def test_refusals_say_who_was_refused_what(world: World, caplog: pytest.LogCaptureFixture) -> None:
    experiment = world.of().experiment("shared/a")
    run = world.of().run(experiment)
    world.grant(GUEST, Permission.READ, prefixed("experiments", "shared/"))
    guest = world.of(GUEST)
    lines(caplog)
    guest.post("runs/delete", {"run_id": run})
    guest.get("webhooks")
    refused = lines(caplog)
    assert [(line["who"], line["action"], line["resource"]) for line in refused] == [
        (f"arn:aws:iam::{GUEST}:role/Trainer", "runs:delete", f"run_id={run}"),
        (f"arn:aws:iam::{GUEST}:role/Trainer", "deployment:manage", ""),
    ]
    assert {(line["decision"], line["code"]) for line in refused} == {("refused", "PERMISSION_DENIED")}
    nobody = As(world, {"userArn": None})
    nobody.get("runs/get", run_id=run)
    (line,) = lines(caplog)
    assert (line["who"], line["code"]) == ("anyone", "UNAUTHENTICATED")


def test_a_write_that_fails_says_how(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.of().post("runs/delete", {"run_id": "0" * 32})
    (line,) = lines(caplog)
    assert (line["decision"], line["code"]) == ("allowed", "RESOURCE_DOES_NOT_EXIST")
    world.of().post("experiments/create", {"name": "x" * 5_000})
    (line,) = lines(caplog)
    assert len(line["resource"]) == 200
