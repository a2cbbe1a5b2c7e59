"""Shares through the API: what is answered, who may, what a request writes, and what it tells the owner."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.access import KINDS, Pattern, Permission
from cairn.domain.shares import Place
from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import served_paths
from cairn.services.share_ports import Shares
from cairn.sharing.caller import TOKEN
from cairn.storage.shares import Shares as ShareItems
from tests.access.worlds import GUEST, OWNER, Reply, World, a_world
from tests.api.client import Client
from tests.sharing.ram_fake import unit_arn

PATH = "/api/3.0/cairn/shares"
BODY: dict[str, Any] = {
    "name": "fraud",
    "permission": "WRITE",
    "experiments": ["fraud/*", "fraud"],
    "experiment_ids": ["0"],
    "models": ["fraud-*"],
    "prompts": ["*"],
    "principals": ["444455556666"],
    "roles": ["Trainer"],
}


class Owned:
    """The API as the owner's admin calls it; ``nudges`` counts how often the reconciler was called."""

    def __init__(self, world: World) -> None:
        self.world, self.nudges = world, 0
        self.shares = ShareItems(world.table, lambda attempt: None)
        shares = Shares(
            self.shares, Place(OWNER, reads_organizations=False), lambda name: f"arn:p/{name}", self.nudge
        )
        world.app = replace(world.app, stores=replace(world.app.stores, shares=shares))

    def nudge(self) -> None:
        self.nudges += 1

    def send(self, method: str, path: str = "", body: object = None, key: str | None = None) -> Reply:
        headers = {} if key is None else {"Idempotency-Key": key}
        content = None if body is None else json.dumps(body)
        whole = path if path.startswith("/api") else PATH + path
        return self.world.of(OWNER, name="Admin").send(method, whole, content=content, headers=headers)

    def create(self, **more: object) -> dict[str, Any]:
        reply = self.send("POST", "", {**BODY, **more})
        assert reply.status == 200, reply.content
        return dict(reply.json["share"])


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[Owned]:
    with a_world(tmp_path) as world:
        yield Owned(world)


def test_a_share_is_answered_as_it_was_asked_for(owned: Owned) -> None:
    made = owned.create()
    assert {name: made[name] for name in BODY if name != "principals"} == {
        name: value for name, value in BODY.items() if name != "principals"
    }
    assert made["principals"] == [{"principal": "444455556666", "wish": "wanted", "status": "UNKNOWN"}]
    assert (made["state"], made["parameter"]) == ("NEW", "arn:p/fraud")
    assert "within 5 minutes" in made["next"]
    assert owned.send("GET", "/fraud").json["share"] == made
    assert owned.send("GET").json == {"shares": [made]}
    assert owned.nudges == 1


def test_a_repeated_create_makes_one_share(owned: Owned) -> None:
    first = owned.send("POST", "", BODY, key="k").json
    assert owned.send("POST", "", BODY, key="k").json == first
    assert owned.send("POST", "", BODY, key="other").code == "RESOURCE_ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "a/b", "share's name"),
        ("permission", "NONE", "READ, WRITE or MANAGE"),
        ("permission", "read", "READ, WRITE or MANAGE"),
        ("experiments", ["a*b"], "before its end"),
        ("experiment_ids", ["abc"], "no experiment id"),
        ("models", [""], "1 to 500"),
        ("principals", [], "names at least one principal"),
        ("principals", [f"arn:aws:iam::{GUEST}:role/Trainer"], "--role"),
        ("principals", [unit_arn("ou-ab12-aaaaaaaa")], "organizations_role"),
        ("principals", ["arn:aws:organizations::999999999999:organization/o-a1b2c3d4e5"], "no account"),
        ("roles", ["*"], "role's name"),
        ("roles", "Trainer", "roles"),
        ("principals", [f"{number:012d}" for number in range(101)], "at most 100"),
        ("experiments", [f"e{number}" for number in range(101)], "at most 100"),
    ],
)
def test_what_cannot_be_shared_is_refused(owned: Owned, field: str, value: object, says: str) -> None:
    reply = owned.send("POST", "", {**BODY, field: value})
    assert reply.code == "INVALID_PARAMETER_VALUE"
    assert says in reply.json["message"]
    assert (owned.shares.all(), owned.nudges) == (([], None), 0)


def test_something_must_be_shared(owned: Owned) -> None:
    body = {name: BODY[name] for name in ("name", "principals")}
    assert "at least one of experiments" in owned.send("POST", "", body).json["message"]
    owned.create()
    nothing: dict[str, list[str]] = {
        name: [] for name in ("experiments", "experiment_ids", "models", "prompts")
    }
    assert owned.send("PATCH", "/fraud", nothing).code == "INVALID_PARAMETER_VALUE"


def test_an_update_changes_what_it_names(owned: Owned) -> None:
    made = owned.create()
    owned.world.app.stores.clock  # noqa: B018 -- a fixed clock: created and updated stay
    changed = owned.send("PATCH", "/fraud", {"models": [], "permission": "READ", "roles": []}).json["share"]
    assert {**made, "models": [], "permission": "READ", "roles": []} == changed
    changed = owned.send("PATCH", "/fraud", {"experiment_ids": ["7"], "experiments": ["x"]}).json["share"]
    assert (changed["experiment_ids"], changed["experiments"], changed["prompts"]) == (["7"], ["x"], ["*"])
    assert owned.send("PATCH", "/fraud", {}).json["share"] == changed
    assert owned.nudges == 4


def test_principals_come_and_go(owned: Owned) -> None:
    owned.create()
    body = {"principals": ["777788889999"], "remove_principals": ["444455556666"]}
    changed = owned.send("PATCH", "/fraud", body).json["share"]
    assert {one["principal"]: one["wish"] for one in changed["principals"]} == {
        "444455556666": "leaving",
        "777788889999": "wanted",
    }
    both = {"principals": ["777788889999"], "remove_principals": ["777788889999"]}
    assert "choose" in owned.send("PATCH", "/fraud", both).json["message"]
    reply = owned.send("PATCH", "/fraud", {"remove_principals": ["000000000000"]})
    assert "not shared with '000000000000'" in reply.json["message"]


def test_a_deletion_is_told_until_it_is_done(owned: Owned) -> None:
    owned.create()
    gone = owned.send("DELETE", "/fraud").json["share"]
    assert (gone["state"], "within 5 minutes" in gone["next"]) == ("DELETING", True)
    assert owned.send("DELETE", "/fraud").json["share"] == gone
    assert "being deleted" in owned.send("PATCH", "/fraud", {"permission": "READ"}).json["message"]
    assert "free within minutes" in owned.send("POST", "", BODY).json["message"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/x"), ("PATCH", "/x"), ("DELETE", "/x")])
def test_an_unknown_share_is_not_there(owned: Owned, method: str, path: str) -> None:
    reply = owned.send(method, path, None if method != "PATCH" else {})
    assert (reply.status, reply.code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert owned.send("GET", "/api/3.0/cairn/share-status").json == {"shares": [], "reconciler": None}


def test_every_route_takes_manage_on_everything(owned: Owned) -> None:
    """Neither a guest with MANAGE on all of one kind, nor one who may only write, nor a token of the
    owner's."""
    owned.create()
    routes = [route for route in ROUTES if route.use_case.startswith("shares.")]
    assert len(routes) == 6
    everything = [Pattern(kind, "prefix", "") for kind in KINDS]
    owned.world.grant(GUEST, Permission.MANAGE, *everything[:2])
    owned.world.grant(GUEST, Permission.WRITE, *everything)
    guest = owned.world.of(GUEST, name="Admin")
    for route in routes:
        assert route.action == "shares:manage"
        path = route.path.replace("{name}", "fraud")
        content = None if route.method in ("GET", "DELETE") else json.dumps(BODY)
        reply = guest.send(route.method, path, content=content)
        assert (reply.status, reply.code) == (403, "PERMISSION_DENIED"), route.path
        assert served_paths(route) == (route.path,), "a browser has no business here"


def test_a_token_does_not_share(owned: Owned) -> None:
    front = owned.world.app.front_of

    def by_token(event: Any) -> Any:
        found = front(event)
        return replace(found, read=lambda context: replace(found.read(context), front=TOKEN))

    owned.world.app = replace(owned.world.app, front_of=by_token)
    reply = owned.send("POST", "", BODY)
    assert (reply.status, "signed requests" in reply.json["message"]) == (403, True)


def test_a_local_server_shares_nothing(tmp_path: Path) -> None:
    reply = Client(tmp_path).get(PATH)
    assert reply.error == (404, "ENDPOINT_NOT_FOUND")
    assert "shares nothing" in reply.json["message"]


DIRECT: dict[str, Any] = {
    "name": "fraud",
    "experiment_ids": ["0"],
    "principals": ["444455556666"],
    "direct_s3": True,
}


def direct_s3(owned: Owned) -> None:
    """The setting, and artifacts where they lie in AWS."""
    stores = owned.world.app.stores
    assert stores.shares is not None
    place = replace(stores.shares.place, direct_s3=True)
    root = stores.experiments.get("0").artifact_location.removesuffix("/0")
    stores = replace(stores, shares=replace(stores.shares, place=place), artifact_root=root)
    owned.world.app = replace(owned.world.app, stores=stores)


def test_direct_s3_is_kept_until_it_is_taken_away(owned: Owned) -> None:
    direct_s3(owned)
    assert owned.send("POST", "", DIRECT).json["share"]["direct_s3"] is True
    assert owned.send("PATCH", "/fraud", {"permission": "MANAGE"}).json["share"]["direct_s3"] is True
    assert owned.send("PATCH", "/fraud", {"direct_s3": False}).json["share"]["direct_s3"] is False
    more = {"direct_s3": False, "models": ["m"], "roles": ["Trainer"]}
    assert owned.send("PATCH", "/fraud", more).status == 200
    assert owned.send("PATCH", "/fraud", {"direct_s3": True}).code == "INVALID_PARAMETER_VALUE"
    less = {"direct_s3": True, "models": [], "roles": []}
    assert owned.send("PATCH", "/fraud", less).json["share"]["direct_s3"] is True


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"experiments": ["fraud"]}, "experiments 'fraud': S3 knows no names. Take --experiment-ids"),
        ({"models": ["m*"]}, "for experiments by id alone"),
        ({"prompts": ["*"]}, "for experiments by id alone"),
        ({"principals": ["arn:aws:organizations::999999999999:organization/o-a1b2c3d4e5"]}, "for accounts"),
        ({"roles": ["Trainer"]}, "Leave out --role"),
        ({"experiment_ids": ["77"]}, "No Experiment with id=77"),
    ],
)
def test_what_a_buckets_policy_cannot_say_is_refused(
    owned: Owned, more: dict[str, object], says: str
) -> None:
    direct_s3(owned)
    refused = owned.send("POST", "", {**DIRECT, **more})
    assert refused.status in (400, 404)
    assert says in refused.json["message"]
    assert owned.shares.all() == ([], None)
    owned.send("POST", "", DIRECT)
    held = owned.shares.get("fraud")
    assert says in owned.send("PATCH", "/fraud", more).json["message"]
    assert owned.shares.get("fraud") == held


def test_an_experiment_with_a_place_of_its_own_is_not_shared_so(owned: Owned) -> None:
    direct_s3(owned)
    body = {"name": "elsewhere", "artifact_location": "s3://other/place"}
    admin = owned.world.of(OWNER, name="Admin")
    made = admin.send("POST", "/api/2.0/mlflow/experiments/create", content=json.dumps(body))
    experiment = made.json["experiment_id"]
    refused = owned.send("POST", "", {**DIRECT, "experiment_ids": ["0", experiment]})
    assert "are at s3://other/place" in refused.json["message"]
    owned.send("POST", "", DIRECT)
    refused = owned.send("PATCH", "/fraud", {"experiment_ids": [experiment]})
    assert "are at s3://other/place" in refused.json["message"]


def test_without_the_setting_it_is_refused_by_name(owned: Owned) -> None:
    assert "direct_s3=true" in owned.send("POST", "", DIRECT).json["message"]
    direct_s3(owned)
    owned.send("POST", "", {**DIRECT, "principals": ["444455556666", "777788889999"]})
    stores = owned.world.app.stores
    assert stores.shares is not None
    off = replace(stores.shares, place=replace(stores.shares.place, direct_s3=False))
    owned.world.app = replace(owned.world.app, stores=replace(stores, shares=off))
    assert "direct_s3=true" in owned.send("PATCH", "/fraud", {"direct_s3": False}).json["message"]
    fewer = owned.send("PATCH", "/fraud", {"remove_principals": ["777788889999"]})
    assert fewer.status == 200, "who is to go can always go"


def test_a_stacks_share_has_none(owned: Owned) -> None:
    direct_s3(owned)
    owned.send("POST", "", {**DIRECT, "direct_s3": False})
    owned.shares.change("fraud", lambda held: replace(held, declared="stack"))
    assert "declared by a stack" in owned.send("PATCH", "/fraud", {"direct_s3": True}).json["message"]
