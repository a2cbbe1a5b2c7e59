"""``cairn share`` as an admin types it, against the API in this process."""

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from cairn.domain import shares as rules
from cairn.domain.shares import Found, LastRun
from cairn.local import share as command
from mlflow_cairn import server
from mlflow_cairn.parameter import Shared, checked
from mlflow_cairn.server import Failed
from tests.access.worlds import OWNER, a_world
from tests.sharing.stage import URI, Stage
from tests.sharing.test_api import Owned, direct_s3

CREATE = [
    "create",
    "fraud",
    "--experiments",
    "fraud/*",
    "shared",
    "--experiment-ids",
    "7",
    "--models",
    "fraud-*",
    "--permission",
    "WRITE",
    "--principal",
    "444455556666",
    "--principal",
    "777788889999",
    "--role",
    "Train*",
]


class Terminal:
    """The command, with requests that go to an application in this process."""

    def __init__(self, owned: Owned, capsys: pytest.CaptureFixture[str]) -> None:
        self.owned, self.capsys = owned, capsys

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        path, _, query = path.partition("?")
        given = {"name": query.removeprefix("name=")} if query else None
        content = None if body is None else json.dumps(body)
        admin = self.owned.world.of(OWNER, name="Admin")
        reply = admin.send(method, f"/api/3.0/cairn/{path}", content=content, query=given)
        if reply.status != 200:
            raise Failed(f"{reply.code}: {reply.json['message']}")
        return dict(reply.json)

    def __getitem__(self, line: str) -> str:
        return self.type(*line.split())[1]

    def type(self, *words: str) -> tuple[int, str]:
        try:
            status = command.main(["share", *words], lambda uri: self)
        except SystemExit as left:
            status = int(str(left.code))
        told = self.capsys.readouterr()
        return status, told.out + told.err


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    with a_world(tmp_path) as world:
        yield Terminal(Owned(world), capsys)


def test_the_command_line_becomes_a_share(terminal: Terminal) -> None:
    status, told = terminal.type(*CREATE)
    assert status == 0
    assert "parameter       arn:p/fraud" in told
    assert "fraud: NEW" in told
    made = terminal.owned.shares.get("fraud")
    assert set(made.members) == {"444455556666", "777788889999"}
    assert made.roles == ("Train*",)
    assert {(one.kind, one.match, one.text) for one in made.patterns} == {
        ("experiments", "prefix", "fraud/"),
        ("experiments", "name", "shared"),
        ("experiments", "id", "7"),
        ("models", "prefix", "fraud-"),
    }


def test_a_permission_that_is_not_said_is_to_read(terminal: Terminal) -> None:
    assert "permission      READ" in terminal["create x --models m --principal 444455556666"]


def test_an_update_says_what_changes(terminal: Terminal) -> None:
    terminal.type(*CREATE)
    told = terminal["update fraud --models --experiments a* --any-role --remove-principal 777788889999"]
    assert "a*" in told
    assert "fraud-*" not in told
    assert "777788889999: UNKNOWN, leaves" in told
    made = terminal.owned.shares.get("fraud")
    assert (made.roles, made.permission.name) == ((), "WRITE")


def test_a_list_has_a_line_each(terminal: Terminal) -> None:
    assert terminal["list"] == "Nothing is shared. `cairn share create` shares something.\n"
    terminal.type(*CREATE)
    (line,) = terminal["list"].splitlines()
    assert line.split()[:3] == ["fraud", "NEW", "WRITE"]


def found(terminal: Terminal, state: str, statuses: dict[str, str], *problems: str) -> None:
    terminal.owned.shares.change(
        "fraud", lambda held: replace(held, found=Found(state, statuses, problems))
    )
    terminal.owned.shares.note(LastRun(terminal.owned.world.app.stores.clock()))


def test_a_status_says_what_to_do_next(terminal: Terminal) -> None:
    terminal.type(*CREATE)
    in_time = {"444455556666": "ASSOCIATED", "777788889999": "ASSOCIATING"}
    found(terminal, rules.WAITING, in_time)
    status, told = terminal.type("status")
    assert status == 0
    assert "777788889999: ASSOCIATING" in told
    assert "the admin of 777788889999 runs `aws ram get-resource-share-invitations`" in told
    found(terminal, rules.SHARED, dict.fromkeys(in_time, "ASSOCIATED"))
    assert "Its consumers set MLFLOW_TRACKING_URI=arn:p/fraud" in terminal["status fraud"]
    found(terminal, rules.FAILED, in_time, "RAM refused 777788889999: no")
    status, told = terminal.type("status", "fraud")
    assert (status, "problem: RAM refused" in told) == (1, True)


def test_a_status_tells_of_a_reconciler_that_does_not_come_and_of_strays(terminal: Terminal) -> None:
    terminal.type(*CREATE)
    status, told = terminal.type("status")
    assert (status, "read the log of the function" in told) == (1, True)
    now = terminal.owned.world.app.stores.clock()
    terminal.owned.shares.note(LastRun(now, ("arn:stray",)))
    status, told = terminal.type("status")
    assert (status, "aws ram delete-resource-share --resource-share-arn arn:stray" in told) == (1, True)


def test_a_status_tells_of_a_gate_that_is_shut(terminal: Terminal) -> None:
    terminal.type(*CREATE)
    shares = terminal.owned.world.app.stores.shares
    assert shares is not None
    gated = replace(shares, place=replace(shares.place, gate="accounts:444455556666"))
    world = terminal.owned.world
    world.app = replace(world.app, stores=replace(world.app.stores, shares=gated))
    found(terminal, rules.SHARED, {})
    status, told = terminal.type("status", "fraud")
    assert (status, "lets nobody of 777788889999 in" in told) == (1, True)


def test_a_deletion_and_the_json_of_an_answer(terminal: Terminal) -> None:
    terminal.type(*CREATE)
    assert "DELETING" in terminal["delete fraud"]
    assert json.loads(terminal["show fraud --json"])["share"]["state"] == "DELETING"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("create", "NAME"),
        ("create x --models m", "--principal"),
        ("create x --models a*b --principal 444455556666", "INVALID_PARAMETER_VALUE"),
        ("create x --models m --permission ALL --principal 444455556666", "invalid choice"),
        ("show x", "cairn share list"),
        ("frobnicate", "invalid choice"),
    ],
)
def test_a_mistake_is_one_line(terminal: Terminal, line: str, says: str) -> None:
    status, told = terminal.type(*line.split())
    assert (status, told.count("\n")) == (2, 1)
    assert told.startswith("cairn: ")
    assert says in told


def test_the_server_is_the_one_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, str, object]] = []

    def call(self: server.Server, method: str, path: str, body: object = None) -> dict[str, Any]:
        asked.append((method, f"{self.uri}/{path}", body))
        return {"shares": [], "reconciler": None}

    monkeypatch.setattr(server.Server, "call", call)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://a.example/prod")
    assert command.main(["share", "list"]) == 0
    assert command.main(["share", "status", "a b", "--server", "https://b.example/x/"]) == 0
    assert asked == [
        ("GET", "https://a.example/prod/shares", None),
        ("GET", "https://b.example/x/share-status?name=a%20b", None),
    ]
    for wrong in ("", "./mlruns"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", wrong)
        with pytest.raises(SystemExit):
            command.main(["share", "list"])
    capsys.readouterr()


def test_what_is_shared_is_followed_by_the_consumers_plugin(stage: Stage) -> None:
    made = stage.settled()
    (value,) = stage.world.parameters.values()
    assert checked(value, "eu-central-1", []) == Shared(URI, "eu-central-1", made.share_id)


def test_the_command_is_one_of_cairns() -> None:
    (found,) = [entry for entry in entry_points(group="cairn.commands") if entry.name == "share"]
    assert found.load() == command.SHARE


def test_direct_s3_is_said_and_unsaid(terminal: Terminal) -> None:
    direct_s3(terminal.owned)
    create = "create fraud --experiment-ids 0 --principal 444455556666"
    assert "direct S3" in terminal[f"{create} --direct-s3"]
    assert terminal.owned.shares.get("fraud").direct
    assert "direct S3" in terminal["update fraud --permission WRITE"]
    assert "direct S3" not in terminal["update fraud --no-direct-s3"]
    assert not terminal.owned.shares.get("fraud").direct
    assert "direct S3" in terminal["update fraud --direct-s3"]
    status, told = terminal.type("update", "fraud", "--models", "m")
    assert (status, "--experiment-ids" in told) == (2, True)
