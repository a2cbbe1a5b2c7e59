"""Why a principal may, or may not: what is told is what the request itself would meet."""

from urllib.parse import parse_qsl

import pytest

from cairn.domain.access import Permission
from cairn.local import access as command
from mlflow_cairn.server import Failed, Server
from tests.access.samples import placed
from tests.access.worlds import GUEST, ORGANISATION, OWNER, STRANGER, World, identified, named, prefixed

TRAINER = f"arn:aws:iam::{GUEST}:role/teams/ml/Trainer"


def explained(world: World, **query: str) -> dict[str, object]:
    reply = world.of().get("/api/3.0/cairn/access/explain", **query)
    assert reply.status == 200, reply.content
    told: dict[str, object] = reply.json
    return told


def test_a_decision_is_the_one_that_the_request_meets(world: World) -> None:
    """Each permission, each action on an experiment that the samples have."""
    place = placed(world.of(), 1)
    for permission in Permission:
        world.take_all(GUEST)
        if permission:
            world.grant(GUEST, permission, prefixed("experiments", "shared/"), share="fraud")
        for action, path, body in (
            ("runs:read", "runs/search", {"experiment_ids": [place.experiment]}),
            ("runs:log", "runs/set-tag", {"run_id": place.run, "key": "k", "value": "v"}),
            ("experiments:delete", "experiments/delete", {"experiment_id": place.experiment}),
        ):
            told = explained(world, principal=TRAINER, action=action, experiment=place.name)
            reply = world.of(GUEST).post(path, body)
            shown = reply.content != b"{}" if action == "runs:read" else reply.status == 200
            met = "ALLOWED" if shown else "INVISIBLE"
            met = "PERMISSION_DENIED" if reply.code == "PERMISSION_DENIED" else met
            assert (told["decision"], told["has"]) == (met, permission.name), (action, permission)
    told = explained(world, principal=TRAINER, action="runs:read", experiment=place.experiment)
    assert told["principal"] == f"arn:aws:iam::{GUEST}:role/Trainer"
    resource = {"kind": "experiments", "name": place.name, "exists": True, "id": place.experiment}
    assert told["resource"] == resource


def test_what_a_decision_follows_from(world: World) -> None:
    place = placed(world.of(), 1)
    asked = {"principal": TRAINER, "action": "runs:log", "experiment": place.name}
    assert explained(world, **asked)["advice"] == (
        f"Share it: cairn share create NAME --permission WRITE --principal {GUEST}, with the name or "
        "prefix of the resource."
    )
    world.grant(GUEST, Permission.READ, prefixed("experiments", "shared/"), share="fraud")
    told = explained(world, **asked)
    assert told["because"] == [f"Share 'fraud' gives READ on experiments 'shared/*' to {GUEST}."]
    assert str(told["advice"]).startswith("Raise a share: cairn share update fraud --permission WRITE.")
    world.grant(GUEST, Permission.WRITE, named("experiments", place.name), role="Ops", share="ops")
    told = explained(world, **asked)
    assert f"to the roles 'Ops' of {GUEST}, and the caller is role 'Trainer'" in str(told["because"])
    assert told["decision"] == "PERMISSION_DENIED"
    assert str(told["advice"]).startswith("Share 'ops' names roles")
    world.grant(ORGANISATION, Permission.MANAGE, identified(place.experiment), share="all")
    assert explained(world, **asked)["decision"] == "PERMISSION_DENIED", (
        "an ARN does not say its organisation"
    )
    told = explained(world, **asked, organisation=ORGANISATION)
    assert (told["decision"], told["has"]) == ("ALLOWED", "MANAGE")
    told = explained(world, principal=f"arn:aws:iam::{OWNER}:user/ada", action="deployment:manage")
    assert told["because"] == [f"Principals of the owner's account {OWNER} have MANAGE on everything."]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"principal": "ada", "action": "runs:read", "experiment": "a"}, "is no principal"),
        ({"principal": TRAINER, "action": "runs:eat", "experiment": "a"}, "There is no action"),
        ({"principal": TRAINER, "action": "runs:read", "model": "a"}, "is about an experiment"),
        ({"principal": TRAINER, "action": "registry:read"}, "is about a model or a prompt"),
        ({"principal": TRAINER, "action": "deployment:manage", "model": "a"}, "is not about any"),
    ],
)
def test_what_cannot_be_explained(world: World, query: dict[str, str], message: str) -> None:
    reply = world.of().get("/api/3.0/cairn/access/explain", **query)
    assert reply.code == "INVALID_PARAMETER_VALUE"
    assert message in reply.json["message"]


def test_only_who_manages_everything_may_ask(world: World) -> None:
    world.grant(STRANGER, Permission.MANAGE, prefixed("experiments", ""))
    asked = {"principal": TRAINER, "action": "runs:read", "experiment": "a"}
    reply = world.of(STRANGER).get("/api/3.0/cairn/access/explain", **asked)
    assert reply.code == "PERMISSION_DENIED"


def test_the_command_says_it_in_words(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placed(world.of(), 1)
    world.grant(GUEST, Permission.READ, prefixed("experiments", "shared/"), share="fraud")

    def ask(server: Server, path: str) -> dict[str, object]:
        assert server.uri == "https://cairn.example"
        query = dict(parse_qsl(path.removeprefix("access/explain?")))
        reply = world.of().get("/api/3.0/cairn/access/explain", **query)
        if reply.status != 200:
            raise Failed(f"{reply.code}: {reply.json['message']}")
        told: dict[str, object] = reply.json
        return told

    monkeypatch.setattr(Server, "get", ask)
    words = ["access", "explain", "--server", "https://cairn.example", "--principal", TRAINER, "--action"]
    assert command.main([*words, "runs:log", "--experiment", "shared/1"]) == 1
    assert capsys.readouterr().out.splitlines()[:3] == [
        f"arn:aws:iam::{GUEST}:role/Trainer may not runs:log on experiment 'shared/1'",
        "  needs WRITE, has READ",
        f"  Share 'fraud' gives READ on experiments 'shared/*' to {GUEST}.",
    ]
    assert command.main([*words, "runs:read", "--experiment", "shared/1"]) == 0
    assert command.main([*words, "runs:read", "--experiment", "other", "--json"]) == 1
    with pytest.raises(SystemExit) as ended:
        command.main([*words, "runs:eat", "--experiment", "shared/1"])
    assert ended.value.code == 2
    assert "There is no action 'runs:eat'" in capsys.readouterr().err
