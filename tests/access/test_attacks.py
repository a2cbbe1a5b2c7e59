"""Ways around a grant, each of which ends where nothing is: ids, tokens and keys of others, names that look
alike, renames and restores. (Paths and uploads: ``test_artifacts``; sources: ``test_lineage``.)"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cairn.domain.access import Pattern, Permission
from cairn.ids import experiment_hex
from cairn.search import cursor, fields
from cairn.search.order import Position, experiment_ordering, run_ordering
from cairn.storage import keys
from cairn.storage.sweep import MARKS, WALK, Progress
from cairn.storage.table import Query
from tests.access.worlds import (
    GUEST,
    ORGANISATION,
    STRANGER,
    As,
    Reply,
    World,
    a_world,
    identified,
    named,
    prefixed,
)

NONE, READ, WRITE, MANAGE = Permission
NEVER = f"{99_999_999:016x}"


def shared_and_secret(world: World, held: Permission = MANAGE) -> tuple[str, str]:
    """Two experiments of the owner; the guest holds a permission on everything below ``shared/``."""
    owner = world.of()
    world.grant(GUEST, held, prefixed("experiments", "shared/"))
    return owner.experiment("shared/a"), owner.experiment("secret")


def same_but(reply: Reply, other: Reply, **words: tuple[str, str]) -> bool:
    """Whether two answers differ in nothing but the words that were asked for."""
    one, two = reply.content.decode(), other.content.decode()
    for name, (there, never) in words.items():
        one, two = one.replace(there, name), two.replace(never, name)
    return (reply.status, one) == (other.status, two)


# -- ids ---------------------------------------------------------------------------------------------


def test_a_runs_random_half_in_another_experiment_names_nothing(world: World) -> None:
    """A run id begins with its experiment: no id of one that is seen leads to a run of another."""
    shared, secret = shared_and_secret(world)
    run = world.of().run(secret)
    guest = world.of(GUEST)
    crossed = f"{int(shared):016x}{run[16:]}"
    for one in (crossed, run, run.upper(), f"{run} ", f"0{run}", run[:31], f"%{run[1:]}"):
        reply = guest.get("runs/get", run_id=one)
        assert reply.code == "RESOURCE_DOES_NOT_EXIST", one
        assert reply.json["message"] == f"Run with id={one} not found"
        written = guest.post("runs/set-tag", {"run_id": one, "key": "a", "value": "b"})
        assert written.code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"), one
    found = guest.made("runs/search", {"experiment_ids": [shared, secret], "filter": f"run_id = '{run}'"})
    assert found == {}
    tags = world.of().get("runs/get", run_id=run).json["run"]["data"]["tags"]
    assert [tag["key"] for tag in tags] == ["mlflow.runName"]


def test_metrics_reach_no_model_of_another_experiment(world: World) -> None:
    shared, secret = shared_and_secret(world)
    owner, guest = world.of(), world.of(GUEST)
    run = guest.run(shared)
    model = owner.made("logged-models", {"experiment_id": secret})["model"]["info"]["model_id"]
    never = f"m-{NEVER}{model[18:]}"
    point = {"run_id": run, "key": "loss", "value": 1, "timestamp": 1}
    there, absent = (guest.post("runs/log-metric", {**point, "model_id": one}) for one in (model, never))
    assert same_but(there, absent, MODEL=(model, never))
    assert there.code == "BAD_REQUEST"
    assert "metrics" not in owner.get(f"logged-models/{model}").json["model"]["data"]
    assert "metrics" not in guest.get("runs/get", run_id=run).json["run"]["data"]


# -- page tokens -------------------------------------------------------------------------------------


def test_anothers_token_goes_on_in_what_is_ones_own(world: World) -> None:
    shared, secret = shared_and_secret(world)
    owner, guest = world.of(), world.of(GUEST)
    runs = [owner.run(one, start_time=time) for time in range(3) for one in (shared, secret)]
    body = {"experiment_ids": [shared, secret], "max_results": 1}
    token = owner.made("runs/search", body)["next_page_token"]
    found = []
    while token:
        page = guest.made("runs/search", {**body, "page_token": token})
        found += [run["info"]["run_id"] for run in page.get("runs", ())]
        token = page.get("next_page_token")
    assert set(found) <= {run for run in runs if run.startswith(f"{int(shared):016x}")}
    other = {"experiment_ids": [shared], "max_results": 1}
    token = owner.made("runs/search", body)["next_page_token"]
    assert guest.post("runs/search", {**other, "page_token": token}).code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("source", [MARKS, WALK])
@pytest.mark.parametrize("ids", ["both", "shared", "secret"])
def test_a_forged_token_of_runs_recalls_none_of_others(world: World, source: str, ids: str) -> None:
    """The runs that it says an earlier request found, and the place that it says was reached: anybody can
    compute a token's checksum."""
    shared, secret = shared_and_secret(world)
    owner, guest = world.of(), world.of(GUEST)
    hidden, seen = owner.run(secret, start_time=7), owner.run(shared, start_time=5)
    experiments = {"both": [shared, secret], "shared": [shared], "secret": [secret]}[ids]
    body: dict[str, Any] = {
        "experiment_ids": experiments,
        "filter": "attributes.start_time > 0",
        "order_by": ["attributes.end_time DESC"],
    }
    query = cursor.fingerprint("runs", sorted(experiments), body["filter"], "ACTIVE_ONLY", body["order_by"])
    group = keys.run_position(7, hidden)
    progress = Progress(source, "", (hidden, seen, hidden), None, 0, 0, walked=group)
    forged: Position = ((cursor.RESUMED, progress.text()),)
    reply = guest.post("runs/search", {**body, "page_token": cursor.encode(query, forged)})
    assert hidden not in reply.content.decode()
    assert reply.status == 200, reply.content
    found = owner.post("runs/search", {**body, "page_token": cursor.encode(query, forged)})
    assert found.status == 200
    assert (hidden in found.content.decode()) or source == WALK


def test_a_forged_position_of_another_experiments_run_shows_ones_own(world: World) -> None:
    shared, secret = shared_and_secret(world)
    owner, guest = world.of(), world.of(GUEST)
    hidden = owner.run(secret, start_time=7)
    own = [owner.run(shared, start_time=time) for time in (9, 5)]
    ordering = run_ordering(())
    query = cursor.fingerprint("runs", [shared], "", "ACTIVE_ONLY", [])
    query_absent = cursor.fingerprint("runs", [shared], None, "ACTIVE_ONLY", [])
    position: Position = tuple((0, value) for value in (7, hidden))
    assert len(position) == len(ordering.columns)
    replies = [
        guest.post("runs/search", {"experiment_ids": [shared], "page_token": cursor.encode(one, position)})
        for one in (query, query_absent)
    ]
    (reply,) = [one for one in replies if one.status == 200]
    assert [run["info"]["run_id"] for run in reply.json["runs"]] == own[1:]


def test_a_forged_token_of_experiments_recalls_none_of_others(world: World) -> None:
    shared, secret = shared_and_secret(world)
    owner, guest = world.of(), world.of(GUEST)
    body = {"max_results": 10, "order_by": ["name ASC"]}
    ordering = experiment_ordering(fields.read_order(fields.EXPERIMENTS, ["name ASC"]))
    query = next(
        one
        for filter_ in (None, "")
        for one in [cursor.fingerprint("experiments", filter_, "ACTIVE_ONLY", ["name ASC"])]
        if _is_taken(owner, one, ordering, body)
    )
    created = owner.get("experiments/get", experiment_id=secret).json["experiment"]["creation_time"]
    held = [
        keys.experiment_list_entry(keys.DETAILED, str(experiment_hex(one)), created).sk
        for one in (secret, shared)
    ]
    text = json.dumps([keys.LIST_SHARDS - 1, held[0], *held])
    token = cursor.encode(query, ((cursor.RESUMED, text),))
    names = [one["name"] for one in _pages(guest, body, token)]
    assert "shared/a" in names
    assert "secret" not in names
    assert "secret" in [one["name"] for one in _pages(owner, body, token)]


def _is_taken(owner: As, query: bytes, ordering: Any, body: dict[str, Any]) -> bool:
    """Whether this is the fingerprint of the body's query."""
    places = tuple((0, "a" if column.text else 1) for column in ordering.columns)
    reply = owner.post("experiments/search", {**body, "page_token": cursor.encode(query, places)})
    return "another query" not in reply.content.decode()


def _pages(asking: As, body: dict[str, Any], token: str | None) -> list[Any]:
    found: list[Any] = []
    while token:
        page = asking.made("experiments/search", {**body, "page_token": token})
        found += page.get("experiments", [])
        token = page.get("next_page_token")
    return found


def test_a_forged_token_of_registered_models_recalls_none_of_others(world: World) -> None:
    owner, guest = world.of(), world.of(GUEST)
    for name in ("mine", "secret"):
        owner.made("registered-models/create", {"name": name})
    world.grant(GUEST, READ, named("models", "mine"))
    orders = ["timestamp DESC"]
    (listed,) = [item for item in _items(world, keys.model_list(prompts=False)) if item["n"] == "secret"]
    text = json.dumps([0, listed["sk"], [[0, listed["sk"]]]])
    shown = {}
    for filter_ in (None, ""):
        query = cursor.fingerprint("registered models", filter_, orders)
        token = cursor.encode(query, ((cursor.RESUMED, text),))
        for name, asking in (("owner", owner), ("guest", guest)):
            reply = asking.get("registered-models/search", order_by=orders, page_token=token)
            if reply.status == 200:
                shown[name] = [model["name"] for model in reply.json.get("registered_models", ())]
    assert shown == {"owner": ["secret"], "guest": []}


def _items(world: World, partition: str) -> list[Any]:
    return list(world.table.query(Query(partition)).items)


# -- idempotency keys --------------------------------------------------------------------------------


def test_an_idempotency_key_is_its_principals_own(world: World) -> None:
    """Another principal's key, the same name in another account, and the same key elsewhere."""
    shared, secret = shared_and_secret(world)
    owner, guest = world.of(), world.of(GUEST)
    world.grant(STRANGER, MANAGE, prefixed("experiments", "shared/"))

    def create(asking: As, experiment: str, kind: str = "runs/create", key: str = "1") -> Reply:
        body = json.dumps({"experiment_id": experiment, "start_time": 1})
        return asking.send(
            "POST", f"/api/2.0/mlflow/{kind}", content=body, headers={"Idempotency-Key": key}
        )

    others = (owner, guest, world.of(STRANGER), world.of(GUEST, "user"), world.of(GUEST, name="Other"))
    made = [create(asking, shared).json["run"]["info"]["run_id"] for asking in others]
    assert len(set(made)) == len(others)
    again = [create(asking, shared).json["run"]["info"]["run_id"] for asking in others]
    assert again == made
    assert create(owner, secret).code == "INVALID_PARAMETER_VALUE"  # one key, one body
    model = create(owner, shared, "logged-models").json["model"]["info"]["model_id"]
    assert model[2:] not in made
    there, never = create(guest, secret, key="2"), create(guest, "99999999", key="3")
    assert there.code == "RESOURCE_DOES_NOT_EXIST"
    assert same_but(there, never, ID=(f"id={secret} ", "id=99999999 "))
    world.take_all(GUEST)
    assert create(guest, shared).code == "RESOURCE_DOES_NOT_EXIST"  # a replay is a call like any other


def test_a_key_makes_no_model_visible_again(world: World) -> None:
    """The model that it made was renamed to where its maker sees nothing."""
    owner, guest = world.of(), world.of(GUEST)
    world.grant(GUEST, WRITE, prefixed("models", "mine"))

    def create() -> Reply:
        body, key = json.dumps({"name": "mine"}), {"Idempotency-Key": "key-1"}
        path = "/api/2.0/mlflow/registered-models/create"
        return guest.send("POST", path, content=body, headers=key)

    assert create().status == 200
    assert create().status == 200
    owner.made("registered-models/rename", {"name": "mine", "new_name": "secret"})
    again = create()
    assert b"secret" not in again.content
    assert again.code == "RESOURCE_ALREADY_EXISTS" or again.json["registered_model"]["name"] == "mine"


# -- names and patterns ------------------------------------------------------------------------------

COMPOSED, DECOMPOSED = "fraud/\u00fc", "fraud/u\u0308"
NAMES = [
    "fraud",
    "fraud/x",
    "fraud/../x",
    "fraud/",
    "fraud*",
    "fraud/*",
    "FRAUD/x",
    "Fraud/x",
    " fraud/x",
    "fraud /x",
    "fraud\u200b/x",
    "fraud\u2215x",
    "\uff46raud/x",
    "fraud%",
    "frau_",
    "fraudulent",
    COMPOSED,
    DECOMPOSED,
    "fraud/\u0131",
    "fraud/I",
]


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, str]]]:
    """An experiment of each name."""
    with a_world(tmp_path_factory.mktemp("alike")) as world:
        yield world, {name: world.of().experiment(name) for name in NAMES}


@pytest.mark.parametrize(
    ("pattern", "sees"),
    [
        (prefixed("experiments", "fraud/"), {name for name in NAMES if name.startswith("fraud/")}),
        (prefixed("experiments", "fraud*"), {"fraud*"}),
        (prefixed("experiments", "fraud%"), {"fraud%"}),
        (named("experiments", "fraud*"), {"fraud*"}),
        (named("experiments", "fraud/*"), {"fraud/*"}),
        (named("experiments", "fraud/x"), {"fraud/x"}),
        (named("experiments", "fraud"), {"fraud"}),
        (named("experiments", "frau_"), {"frau_"}),
        (named("experiments", COMPOSED), {COMPOSED}),
        (named("experiments", DECOMPOSED), {DECOMPOSED}),
        (prefixed("experiments", "fraud/u"), {DECOMPOSED}),
        (prefixed("experiments", "fraud/i"), set()),
        (prefixed("experiments", "FRAUD"), {"FRAUD/x"}),
        (identified("fraud/x"), set()),
        (Pattern("experiments", "id", "01"), set()),
        (Pattern("experiments", "id", "\u0661"), set()),
        (prefixed("models", "fraud/"), set()),
    ],
    ids=lambda value: value.text if isinstance(value, Pattern) else str(len(value)),
)
def test_names_compare_by_their_characters(
    alike: tuple[World, dict[str, str]], pattern: Pattern, sees: set[str]
) -> None:
    """No case folding, no normal forms, no wildcard inside, no path: by search, by name and by id."""
    world, ids = alike
    guest = world.of(GUEST)
    world.take_all(GUEST)
    world.grant(GUEST, READ, pattern)
    found = guest.made("experiments/search", {"max_results": 100}).get("experiments", [])
    assert {one["name"] for one in found} == sees
    for name, experiment in ids.items():
        expected = "" if name in sees else "RESOURCE_DOES_NOT_EXIST"
        assert guest.get("experiments/get-by-name", experiment_name=name).code == expected, name
        assert guest.get("experiments/get", experiment_id=experiment).code == expected, name
    for filter_ in ("name ILIKE 'fraud%'", "name LIKE '%'", "name != ''"):
        found = guest.made("experiments/search", {"max_results": 100, "filter": filter_})
        assert {one["name"] for one in found.get("experiments", [])} <= sees


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("fraud/new", True),
        ("fraud/../new", True),  # a name like any other, below the prefix
        ("fraud", False),
        ("FRAUD/new", False),
        ("fraud\u2215new", False),
        ("\uff46raud/new", False),
        (" fraud/new", False),
        ("other/fraud/new", False),
        ("../fraud/new", False),
        ("", None),
    ],
)
def test_a_name_is_taken_where_it_is_allowed_alone(world: World, name: str, allowed: bool | None) -> None:
    guest = world.of(GUEST)
    world.grant(GUEST, WRITE, prefixed("experiments", "fraud/"))
    own = guest.experiment("fraud/own")
    created = guest.post("experiments/create", {"name": name}).code
    renamed = guest.post(
        "experiments/update", {"experiment_id": own, "new_name": f"{name}2" if name else ""}
    )
    expected = {True: "", False: "PERMISSION_DENIED", None: "INVALID_PARAMETER_VALUE"}[allowed]
    assert (created, renamed.code) == (expected, expected)


# -- rename, delete, restore -------------------------------------------------------------------------


def test_a_rename_takes_the_permission_under_both_names(world: World) -> None:
    shared, secret = shared_and_secret(world)
    owner, guest = world.of(), world.of(GUEST)
    refused = guest.post("experiments/update", {"experiment_id": shared, "new_name": "private"})
    assert refused.code == "PERMISSION_DENIED"
    assert "'private'" in refused.json["message"]
    into = guest.post("experiments/update", {"experiment_id": secret, "new_name": "shared/b"})
    never = guest.post("experiments/update", {"experiment_id": "99999999", "new_name": "shared/b"})
    assert same_but(into, never, ID=(f"id={secret} ", "id=99999999 "))
    taken, free = (
        guest.post("experiments/update", {"experiment_id": shared, "new_name": name})
        for name in ("secret", "nobody")
    )
    assert same_but(taken, free, NAME=("secret", "nobody"))
    taken, free = (guest.post("experiments/create", {"name": name}) for name in ("secret", "nobody"))
    assert same_but(taken, free, NAME=("secret", "nobody"))
    run = owner.run(secret)
    owner.made("experiments/update", {"experiment_id": secret, "new_name": "shared/c"})
    assert guest.get("runs/get", run_id=run).status == 200
    owner.made("experiments/update", {"experiment_id": secret, "new_name": "secret again"})
    assert guest.get("runs/get", run_id=run).code == "RESOURCE_DOES_NOT_EXIST"


def test_a_models_rename_takes_the_permission_under_both_names(world: World) -> None:
    owner, guest = world.of(), world.of(GUEST)
    for name in ("shared-a", "secret"):
        owner.made("registered-models/create", {"name": name})
    world.grant(GUEST, MANAGE, prefixed("models", "shared-"))

    def rename(name: str, new_name: str) -> Reply:
        return guest.post("registered-models/rename", {"name": name, "new_name": new_name})

    assert rename("shared-a", "private").code == "PERMISSION_DENIED"
    assert same_but(rename("shared-a", "secret"), rename("shared-a", "nobody"), N=("secret", "nobody"))
    assert same_but(rename("secret", "shared-b"), rename("nobody", "shared-b"), N=("secret", "nobody"))
    assert rename("shared-a", "shared-b").status == 200


def test_a_model_becomes_no_prompt_where_prompts_are_not_given(world: World) -> None:
    """Nor a prompt a model: a tag would move it from one grant to another."""
    guest = world.of(GUEST)
    is_prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    world.grant(GUEST, MANAGE, prefixed("models", "a"), prefixed("prompts", "p"))
    guest.made("registered-models/create", {"name": "a1"})
    guest.made("registered-models/create", {"name": "p1", "tags": [is_prompt]})
    assert guest.post("registered-models/set-tag", {"name": "a1", **is_prompt}).code == "PERMISSION_DENIED"
    gone = {"name": "p1", "key": is_prompt["key"]}
    assert guest.post("registered-models/delete-tag", gone, "DELETE").code == "PERMISSION_DENIED"
    assert guest.get("registered-models/get", name="a1").status == 200
    assert guest.get("registered-models/get", name="p1").status == 200


@pytest.mark.parametrize("held", [READ, WRITE, MANAGE])
def test_a_restore_takes_manage_under_the_name_it_has(world: World, held: Permission) -> None:
    shared, secret = shared_and_secret(world, held)
    owner, guest = world.of(), world.of(GUEST)
    for one in (shared, secret):
        owner.made("experiments/delete", {"experiment_id": one})
    restored = guest.post("experiments/restore", {"experiment_id": shared})
    assert restored.code == ("" if held == MANAGE else "PERMISSION_DENIED")
    there, never = (
        guest.post("experiments/restore", {"experiment_id": one}) for one in (secret, "99999999")
    )
    assert same_but(there, never, ID=(f"id={secret} ", "id=99999999 "))
    again = guest.post("experiments/create", {"name": "secret"})
    assert again.code == "PERMISSION_DENIED"  # and not that its name is taken


def test_a_grant_by_id_follows_its_experiment_and_no_name(world: World) -> None:
    owner, guest = world.of(), world.of(GUEST)
    one, two = owner.experiment("one"), owner.experiment("two")
    world.grant(GUEST, MANAGE, identified(one))
    owner.made("experiments/update", {"experiment_id": one, "new_name": "elsewhere"})
    owner.made("experiments/update", {"experiment_id": two, "new_name": "one"})
    assert guest.get("experiments/get", experiment_id=one).status == 200
    assert guest.get("experiments/get", experiment_id=two).code == "RESOURCE_DOES_NOT_EXIST"
    assert guest.get("experiments/get-by-name", experiment_name="one").code == "RESOURCE_DOES_NOT_EXIST"
    assert guest.get("experiments/get-by-name", experiment_name="elsewhere").status == 200
    renamed = guest.post("experiments/update", {"experiment_id": one, "new_name": "mine"})
    assert renamed.code == "PERMISSION_DENIED"  # a name is given by who holds the name
    guest.made("experiments/delete", {"experiment_id": one})
    guest.made("experiments/restore", {"experiment_id": one})


def test_experiment_0_tells_what_to_do(world: World) -> None:
    """What a client without a named experiment sees first; its message for no other experiment."""
    guest = world.of(GUEST)
    for reply in (
        guest.get("experiments/get", experiment_id="0"),
        guest.post("runs/create", {"experiment_id": "0"}),
        guest.send("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/a.txt", content="x"),
    ):
        assert reply.code == "RESOURCE_DOES_NOT_EXIST"
        message = reply.json["message"]
        assert message.startswith("No Experiment with id=0 exists for arn:aws:iam::")
        assert "mlflow.set_experiment()" in message
        assert "MLFLOW_EXPERIMENT_NAME" in message
    other = guest.get("experiments/get", experiment_id="1").json["message"]
    assert other == "No Experiment with id=1 exists"
    world.grant(GUEST, READ, named("experiments", "Default"))
    assert guest.get("experiments/get", experiment_id="0").status == 200


def test_an_organisations_grant_is_no_accounts(world: World) -> None:
    """``principalOrgId`` is API Gateway's word; what a caller writes into a body or header is not read."""
    shared, _ = shared_and_secret(world, NONE)
    world.grant(ORGANISATION, READ, prefixed("experiments", "shared/"))
    member, guest = world.of(STRANGER, organisation=ORGANISATION), world.of(STRANGER)
    assert member.get("experiments/get", experiment_id=shared).status == 200
    path = "/api/2.0/mlflow/experiments/get"
    says = {"X-Amz-Principal-Org-Id": ORGANISATION, "X-Forwarded-User": "arn:aws:iam::111122223333:root"}
    reply = guest.send(
        "GET", path, query={"experiment_id": shared, "principalOrgId": ORGANISATION}, headers=says
    )
    assert reply.code == "RESOURCE_DOES_NOT_EXIST"
    posing = replace(guest, identity={**guest.identity, "user": "local:ada", "caller": "111122223333"})
    assert posing.get("experiments/get", experiment_id=shared).code == "RESOURCE_DOES_NOT_EXIST"
