"""The decision table: every kind of principal x every permission x every route.

What a caller may not see is answered as its twin that never was: the same bytes, by the same requests. What
it may see and not change is refused by name. ``samples`` has a request for each route, so that a new route
has none until somebody says what it asks for.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cairn.domain.access import Action, Pattern, Permission
from cairn.protocol.actions import ACTIONS
from cairn.protocol.routes import Route
from tests.access.samples import NOT_IN_A_FOLDER, ROUTES_OF_FUNCTIONS, Place, placed, sample, twin
from tests.access.worlds import (
    GUEST,
    ORGANISATION,
    STRANGER,
    As,
    Reply,
    World,
    a_world,
    prefixed,
)

NONE, READ, WRITE, MANAGE = Permission
SHARED = (prefixed("experiments", "shared/"), prefixed("models", "shared-"), prefixed("prompts", "shared-"))
CREATES = {"experiments.create_experiment", "registered_models.create_registered_model"}
LISTS = {
    "search.search_experiments",
    "search_registry.search_registered_models",
    "search_registry.search_model_versions",
}

KINDS = {
    "a role of the account": (GUEST, "role", "", None),
    "a user of the account": (GUEST, "user", "", None),
    "a federated user of the account": (GUEST, "federated", "", None),
    "the root of the account": (GUEST, "root", "", None),
    "the role that is named": (GUEST, "role", "", "Trainer"),
    "a role that begins as said": (GUEST, "role", "", "Train*"),
    "a member of the organisation": (STRANGER, "role", ORGANISATION, None),
    "another role": (GUEST, "role", "", "trainer"),
    "a user of the role's name": (GUEST, "user", "", "Trainer"),
    "a stranger": (STRANGER, "role", "o-zzzzzzzzzz", None),
}
NOBODYS = {"another role", "a user of the role's name", "a stranger"}
"""Kinds to whom the grant does not apply."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("decisions")) as made:
        yield made


def caller(world: World, kind: str, permission: Permission) -> As:
    account, principal, organisation, role = KINDS[kind]
    for holder in (GUEST, ORGANISATION):
        world.take_all(holder)
    if permission is not NONE:
        holder = GUEST if account == GUEST or kind in NOBODYS else ORGANISATION
        world.grant(holder, permission, *SHARED, role=role)
    return world.of(account, principal, organisation=organisation)


@pytest.mark.parametrize("permission", list(Permission), ids=lambda one: one.name)
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_route(world: World, kind: str, permission: Permission) -> None:
    asking = caller(world, kind, permission)
    held = NONE if kind in NOBODYS else permission
    numbers = count(len(KINDS) * 10_000 * list(KINDS).index(kind) + 10_000 * permission)
    kept = placed(world.of(), next(numbers))
    faults = []
    for route in ROUTES_OF_FUNCTIONS:
        changes = ACTIONS[route.action].permission > READ
        place = placed(world.of(), next(numbers)) if changes and held > READ else kept
        if route.use_case == "experiments.restore_experiment" and place is not kept:
            world.of().made("experiments/delete", {"experiment_id": place.experiment})
        fault = told(world, asking, route, place, held)
        if fault:
            faults.append(f"{route.method} {route.path}: {fault}")
    assert not faults, "\n".join(faults)


def told(world: World, asking: As, route: Route, place: Place, held: Permission) -> str:
    """What is wrong with an answer; nothing where it is as it must be."""
    action = ACTIONS[route.action]
    reply, requests = measured(asking, route, place)
    if action.resource == "server":
        is_off = route.use_case.startswith(("tokens.", "sessions."))  # in this deployment
        return "" if reply.status == 200 or is_off else f"{reply.status} of the server"
    if action.resource == "deployment":
        return "" if reply.code == "PERMISSION_DENIED" else f"{reply.status}, without all of it"
    if held == NONE and route.use_case in LISTS:
        return "" if reply.content == b"{}" else f"shows {reply.content!r}"
    if held == NONE and route.use_case not in CREATES:
        other, others = measured(asking, route, twin(place))
        if masked(reply, place) != masked(other, twin(place)):
            return f"{masked(reply, place)!r} is not {masked(other, twin(place))!r}"
        return "" if requests == others else f"{requests} is not {others}"
    if held < action.permission:
        return refused(reply, action)
    if route.use_case in NOT_IN_A_FOLDER:
        return "" if reply.code in ("NOT_IMPLEMENTED", "INVALID_PARAMETER_VALUE") else f"{reply.content!r}"
    return "" if reply.status == 200 else f"{reply.status}: {reply.content!r}"


def refused(reply: Reply, action: Action) -> str:
    if (reply.status, reply.code) != (403, "PERMISSION_DENIED"):
        return f"{reply.status} {reply.content!r} instead of a refusal"
    message = reply.json["message"]
    named = all(
        word in message for word in (action.name, f"needs {action.permission.name}", "arn:aws:iam::")
    )
    return "" if named else f"unclear: {message}"


def measured(asking: As, route: Route, place: Place) -> tuple[Reply, list[tuple[str, float, float]]]:
    method, path, rest = sample(route, place)
    reply, requests = asking.measured(method, path, **rest)
    return reply, [(one.operation, one.write_units, one.read_units) for one in requests.costs]


def masked(reply: Reply, place: Place) -> tuple[int, str]:
    text = reply.content.decode()
    for word, what in sorted(place.words().items(), key=lambda pair: -len(pair[0])):
        text = text.replace(word, what)
    return reply.status, text


def test_the_owner_may_everything(world: World) -> None:
    """Each of its account's principals, unless the deployer names roles."""
    for kind in ("role", "user", "federated", "root"):
        assert world.of(kind=kind).get("webhooks").status == 200
        assert world.of(kind=kind).get("experiments/get", experiment_id="0").status == 200


def test_the_owners_roles_where_they_are_named(tmp_path: Path) -> None:
    with a_world(tmp_path, owner_roles=("Admin", "Platform*")) as world:
        for name in ("Admin", "PlatformOps"):
            assert world.of(name=name).get("webhooks").status == 200
        for kind, name in (("role", "Admins"), ("role", "admin"), ("user", "Admin"), ("root", "Admin")):
            assert world.of(kind=kind, name=name).get("webhooks").code == "PERMISSION_DENIED", name
            assert world.of(kind=kind, name=name).get("experiments/get", experiment_id="0").status == 404


def test_everything_by_grant_is_needed_for_what_is_the_deployments(world: World) -> None:
    all_of = [prefixed(kind, "") for kind in ("experiments", "models", "prompts")]
    guest = caller(world, "a role of the account", NONE)
    world.grant(GUEST, MANAGE, *all_of[:2])
    assert guest.get("webhooks").code == "PERMISSION_DENIED"
    world.grant(GUEST, WRITE, all_of[2])
    assert guest.get("webhooks").code == "PERMISSION_DENIED"
    world.grant(GUEST, MANAGE, all_of[2])
    assert guest.get("webhooks").status == 200


@pytest.mark.parametrize("grants", [1, 1_000])
def test_as_many_requests_with_a_thousand_grants_as_with_one(tmp_path: Path, grants: int) -> None:
    """One for the grants, in 15 s; the rest as it is for who may everything."""
    with a_world(tmp_path) as world:
        place = placed(world.of(), 1)
        names = [Pattern("experiments", "name", f"shared/{number}") for number in range(1, grants + 1)]
        world.grant(GUEST, MANAGE, *names)
        ask = ("GET", "/api/2.0/mlflow/runs/get")
        guest = world.of(GUEST)
        first = guest.measured(*ask, query={"run_id": place.run})[1]
        again = guest.measured(*ask, query={"run_id": place.run})[1]
        by_owner = world.of().measured(*ask, query={"run_id": place.run})[1]
        assert (first.requests, again.requests, by_owner.requests) == (2, 1, 1)
        assert again.read_units == by_owner.read_units == 2
        assert first.read_units - again.read_units <= 3  # of which one is the organisation's, if it has one
        world.pass_time(14.9)
        assert guest.measured(*ask, query={"run_id": place.run})[1].requests == 1
        world.pass_time(0.2)
        assert guest.measured(*ask, query={"run_id": place.run})[1].requests == 2
