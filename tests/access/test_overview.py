"""What the overview says is shared: to who holds a grant, and to who gave it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.domain.access import Permission
from tests.access.worlds import GUEST, OWNER, STRANGER, As, a_world, named, prefixed
from tests.sharing.test_api import Owned

ENTRY = {"kind": "experiments", "match": "prefix", "text": "fraud/", "permission": "READ", "share": "fraud"}


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[Owned]:
    with a_world(tmp_path) as world:
        yield Owned(world)


def told(asking: As) -> tuple[list[str], object, object]:
    reply = asking.get("/api/3.0/cairn/overview")
    assert reply.status == 200, reply.content
    shown = reply.json
    names = [experiment["name"] for experiment in shown["experiments"]]
    return names, shown["shared_with_me"], shown["shared_by_me"]


def test_who_holds_a_grant_sees_it_and_what_it_shows(owned: Owned) -> None:
    world = owned.world
    for name in ("fraud/eu", "churn"):
        world.of().experiment(name)
    world.grant(GUEST, Permission.READ, prefixed("experiments", "fraud/"), share="fraud")
    world.grant(GUEST, Permission.WRITE, named("experiments", "churn"), role="Ops", share="ops")
    assert told(world.of(GUEST)) == (["fraud/eu"], [{**ENTRY, "who": OWNER}], [])
    assert told(world.of(STRANGER)) == ([], [], [])


def test_who_manages_everything_sees_what_is_shared_with_whom(owned: Owned) -> None:
    owned.create(
        name="fraud", permission="READ", experiments=["fraud/*"], experiment_ids=[], models=[], prompts=[]
    )
    _, with_me, by_me = told(owned.world.of())
    assert (with_me, by_me) == ([], [{**ENTRY, "who": GUEST}])
    everything = [
        owned.world.of(*who).get("/api/3.0/cairn/overview").json["caller"]["everything"]
        for who in ((), (GUEST,))
    ]
    assert everything == ["MANAGE", "NONE"]
    _, with_me, by_me = told(owned.world.of(GUEST))
    assert (with_me, by_me) == ([], []), "a record is no grant, and none of a guest's business"
