"""Shares that stacks declare: CloudFormation's requests, the function at the front, the construct."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cairn.errors import CairnError, InvalidParameterValue, ResourceAlreadyExists
from cairn.services.declared import Declarer
from tests.access.worlds import a_world
from tests.infra.test_bootstrap import CONTEXT, answers
from tests.sharing.test_api import Owned
from tests.upkeep.test_handlers import function

__all__ = ["answers"]  # a fixture

PROPERTIES: dict[str, Any] = {
    "Name": "fraud",
    "Permission": "WRITE",
    "Experiments": ["fraud/*"],
    "ExperimentIds": [],
    "Models": ["fraud"],
    "Prompts": [],
    "Principals": ["444455556666", "777788889999"],
    "Roles": ["Trainer"],
}


def request(kind: str, physical: str = "", request_id: str = "1", **more: Any) -> dict[str, Any]:
    ids = {"StackId": "stack", "RequestId": request_id, "LogicalResourceId": "Fraud"}
    held = {"PhysicalResourceId": physical} if physical else {}
    return {"RequestType": kind, **ids, **held, "ResourceProperties": {**PROPERTIES, **more}}


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[Owned]:
    with a_world(tmp_path) as world:
        yield Owned(world)


@pytest.fixture
def declarer(owned: Owned) -> Declarer:
    stores = owned.world.app.stores
    assert stores.shares is not None
    return Declarer(stores.shares, stores.clock)


def test_a_stack_makes_a_share_once(owned: Owned, declarer: Declarer) -> None:
    physical, data = declarer.declare(request("Create"))
    share = owned.shares.get("fraud")
    assert physical == f"fraud/{share.share_id}"
    assert data == {"ParameterArn": "arn:p/fraud"}
    assert (share.declared, share.permission.name, share.roles) == ("stack", "WRITE", ("Trainer",))
    assert declarer.declare(request("Create")) == (physical, data), "Lambda may call twice"
    assert len(owned.shares.all()[0]) == 1


def test_a_stack_does_not_take_over_what_was_there(owned: Owned, declarer: Declarer) -> None:
    """What could not be made CloudFormation deletes in its turn: that must not hit the other share."""
    owned.create()
    with pytest.raises(ResourceAlreadyExists):
        declarer.declare(request("Create"))
    for physical in ("no-share", "fraud/0000", "fraud", ""):
        declarer.declare(request("Delete", physical))
    assert not owned.shares.get("fraud").deleting
    with pytest.raises(CairnError, match="another one"):
        declarer.declare(request("Update", "fraud/0000"))


def test_an_update_changes_what_the_stack_says_and_leaves_what_ram_added(
    owned: Owned, declarer: Declarer
) -> None:
    physical, _ = declarer.declare(request("Create"))
    owned.send("PATCH", "/fraud", {"principals": ["222233334444"]})
    changed = request(
        "Update", physical, "2", Models=[], Roles=[], Principals=["444455556666", "123412341234"]
    )
    same, _ = declarer.declare({**changed, "OldResourceProperties": PROPERTIES})
    share = owned.shares.get("fraud")
    assert same == physical
    assert share.members == {
        "444455556666": "wanted",
        "777788889999": "leaving",
        "222233334444": "wanted",
        "123412341234": "wanted",
    }
    assert ([one.kind for one in share.patterns], share.roles) == (["experiments"], ())


def test_another_name_is_another_share(owned: Owned, declarer: Declarer) -> None:
    """CloudFormation deletes the old one when it sees the new physical id."""
    old, _ = declarer.declare(request("Create"))
    new, _ = declarer.declare(request("Update", old, "2", Name="cards"))
    assert new.startswith("cards/")
    declarer.declare(request("Delete", old))
    assert owned.shares.get("fraud").deleting
    assert not owned.shares.get("cards").deleting


@pytest.mark.parametrize(
    "more",
    [{"Permission": "ALL"}, {"Models": "fraud"}, {"Name": None}, {"Principals": []}, {"Roles": ["*"]}],
)
def test_what_cannot_be_shared_cannot_be_declared(
    owned: Owned, declarer: Declarer, more: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameterValue):
        declarer.declare(request("Create", **more))
    assert owned.shares.all()[0] == []


def test_the_function_tells_cloudformation(
    declarer: Declarer,
    monkeypatch: pytest.MonkeyPatch,
    answers: tuple[str, list[dict[str, Any]]],
) -> None:
    url, received = answers
    monkeypatch.setenv("CAIRN_SHARES", "arn:aws:ssm:eu-central-1:111122223333:parameter/cairn/prod/shares")
    module = function("shares", monkeypatch)
    monkeypatch.setattr(module, "declarer", declarer)
    context = SimpleNamespace(**vars(CONTEXT))
    module.handler({**request("Create", Roles=["*"]), "ResponseURL": url}, context)
    module.handler({**request("Delete", "no-share"), "ResponseURL": url}, context)
    module.handler({**request("Create"), "ResponseURL": url}, context)
    refused, removed, made = received
    assert (refused["Status"], refused["PhysicalResourceId"]) == ("FAILED", "no-share")
    assert refused["Reason"].startswith("'*' cannot narrow a share")
    assert (removed["Status"], removed["PhysicalResourceId"]) == ("SUCCESS", "no-share")
    assert made["PhysicalResourceId"].startswith("fraud/")
    assert made["Data"] == {"ParameterArn": "arn:p/fraud"}
