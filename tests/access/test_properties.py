"""For any grants and any caller: what a search or a read returns is what the owner's returns, less what no
grant names. The reference here matches each grant against each name, one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.domain.access import KINDS, Kind, Match, Pattern, Permission
from cairn.domain.grants import Grant
from cairn.storage.grants import Grants
from tests.access.worlds import GUEST, ORGANISATION, STRANGER, As, World, a_world

NAMES = ["a", "A", "a/b", "a/ü", "a/u\u0308", "a*", "ab", "team one", "日本", "z", "fraud", "fraud/x"]
READ = Permission.READ


@dataclass
class Filled:
    """A world of experiments with two runs, a model and a dataset each; models and prompts of each name."""

    world: World
    experiments: dict[str, str]
    runs: dict[str, str]
    """Experiment by run."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with a_world(tmp_path_factory.mktemp("properties")) as world:
        owner = world.of()
        experiments = {owner.experiment(name): name for name in NAMES}
        runs = {}
        for number, experiment in enumerate(experiments):
            for _ in range(2):
                run = owner.run(experiment, tags=[{"key": "n", "value": str(number % 3)}])
                runs[run] = experiment
                point = {"run_id": run, "key": "loss", "value": number % 4, "timestamp": 1}
                owner.made("runs/log-metric", point)
                dataset = {"name": "d", "digest": str(number), "source_type": "s", "source": "x"}
                owner.made("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset}]})
            owner.made("logged-models", {"experiment_id": experiment, "name": f"m{number}"})
        for name in NAMES:
            model, prompt = name.replace("/", "-"), f"p {name}".replace("/", "-")
            owner.made("registered-models/create", {"name": model})
            source = {"name": model, "source": "s3://elsewhere/m"}
            owner.made("model-versions/create", source)
            tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
            owner.made("registered-models/create", {"name": prompt, "tags": tags})
        yield Filled(world, experiments, runs)


texts = st.sampled_from([*NAMES, "a/", "A/", "", "fra", "p ", "p a", "a-", "%", "nothing"])
numbers = st.integers(0, len(NAMES) + 1).map(str)


@st.composite
def patterns(draw: st.DrawFn) -> Pattern:
    kind: Kind = draw(st.sampled_from(KINDS))
    matches: list[Match] = ["id", "name", "prefix"] if kind == "experiments" else ["name", "prefix"]
    match = draw(st.sampled_from(matches))
    return Pattern(kind, match, draw(numbers if match == "id" else texts))


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    holder = draw(st.sampled_from([GUEST, ORGANISATION, STRANGER]))
    role = (
        draw(st.sampled_from([None, "Trainer", "Train*", "Other", "*"])) if holder != ORGANISATION else None
    )
    permission = draw(st.sampled_from([Permission.READ, Permission.WRITE, Permission.MANAGE]))
    return Grant(holder, permission, draw(patterns()), role, "s")


def granted(
    held: list[Grant], caller: tuple[str, str, str], kind: Kind, name: str, number: str = ""
) -> bool:
    """By looking at every grant."""
    account, organisation, role = caller
    for grant in held:
        mine = grant.holder in (account, organisation)
        named = grant.role in (None, role) or (
            (grant.role or "").endswith("*") and role.startswith(grant.role[:-1])
        )
        meant = {
            "id": number == grant.pattern.text,
            "name": name == grant.pattern.text,
            "prefix": name.startswith(grant.pattern.text),
        }[grant.pattern.match]
        if mine and named and kind == grant.pattern.kind and meant:
            return True
    return False


@given(
    held=st.lists(grants(), max_size=6),
    account=st.sampled_from([GUEST, STRANGER]),
    organisation=st.sampled_from(["", ORGANISATION]),
    role=st.sampled_from(["Trainer", "Trainee", "Other"]),
    size=st.sampled_from([1, 2, 5, 1_000]),
)
@settings(max_examples=60, deadline=None)
def test_answers_are_the_owners_less_what_no_grant_names(
    filled: Filled, held: list[Grant], account: str, organisation: str, role: str, size: int
) -> None:
    world = filled.world
    for holder in (GUEST, STRANGER, ORGANISATION):
        world.take_all(holder)
        mine = [grant for grant in held if grant.holder == holder]
        assert Grants(world.table).replace(holder, mine, [])
    world.pass_time()
    caller = (account, organisation, role)
    guest, owner = world.of(account, name=role, organisation=organisation), world.of()

    def seen(number: str) -> bool:
        name = "Default" if number == "0" else filled.experiments[number]
        return granted(held, caller, "experiments", name, number)

    ids = ["0", *filled.experiments]
    for order in ([], ["name DESC"], ["last_update_time ASC"]):
        query: dict[str, Any] = {"order_by": order, "view_type": "ALL"}
        everything = pages(owner, "experiments/search", "experiments", 1_000, query)
        shown = pages(guest, "experiments/search", "experiments", size, query)
        assert shown == [one for one in everything if seen(one["experiment_id"])]
    searches: list[dict[str, Any]] = [{}, {"order_by": ["metrics.loss DESC"]}, {"filter": "tags.n = '1'"}]
    for search in searches:
        query = {"experiment_ids": ids, **search}
        everything = pages(owner, "runs/search", "runs", 1_000, query)
        assert pages(guest, "runs/search", "runs", size, query) == [
            one for one in everything if seen(one["info"]["experiment_id"])
        ]
    everything = pages(owner, "logged-models/search", "models", 50, {"experiment_ids": ids})
    assert pages(guest, "logged-models/search", "models", min(size, 50), {"experiment_ids": ids}) == [
        one for one in everything if seen(one["info"]["experiment_id"])
    ]
    datasets = {"experiment_ids": ids}
    summaries = owner.made("experiments/search-datasets", datasets)["dataset_summaries"]
    assert guest.made("experiments/search-datasets", datasets).get("dataset_summaries", []) == [
        one for one in summaries if seen(one["experiment_id"])
    ]
    every = guest.get("metrics/get-history-bulk", run_id=list(filled.runs), metric_key="loss").json
    assert {one["run_id"] for one in every["metrics"]} == {
        run for run, experiment in filled.runs.items() if seen(experiment)
    }
    for number, name in filled.experiments.items():
        expected = 200 if seen(number) else 404
        assert guest.get("experiments/get", experiment_id=number).status == expected
        assert guest.get("experiments/get-by-name", experiment_name=name).status == expected
    registered(guest, owner, held, caller, size)


def registered(guest: As, owner: As, held: list[Grant], caller: tuple[str, str, str], size: int) -> None:
    def known(name: str) -> bool:
        return granted(held, caller, "prompts" if name.startswith("p ") else "models", name)

    prompts = "tag.`mlflow.prompt.is_prompt` = 'true'"
    for query in ({}, {"order_by": ["last_updated_timestamp DESC"]}, {"filter": prompts}):
        everything = listed(owner, "registered-models/search", "registered_models", 1_000, query)
        assert listed(guest, "registered-models/search", "registered_models", size, query) == [
            one for one in everything if known(one["name"])
        ]
    for query in ({}, {"order_by": ["name ASC"]}, {"filter": "name = 'a-b'"}):
        everything = listed(owner, "model-versions/search", "model_versions", 1_000, query)
        assert listed(guest, "model-versions/search", "model_versions", size, query) == [
            one for one in everything if known(one["name"])
        ]
    for name in NAMES:
        for one in (name.replace("/", "-"), f"p {name}".replace("/", "-")):
            assert guest.get("registered-models/get", name=one).status == (200 if known(one) else 404)


def pages(asking: As, path: str, name: str, size: int, query: dict[str, Any]) -> list[Any]:
    """All pages of a POST; every page but the last is full."""
    found: list[Any] = []
    token = ""
    while True:
        page = asking.made(path, {"max_results": size, "page_token": token, **query})
        rows = page.get(name, [])
        found += rows
        token = page.get("next_page_token", "")
        if not token:
            return found
        assert len(rows) == size


def listed(asking: As, path: str, name: str, size: int, query: dict[str, Any]) -> list[Any]:
    """As ``pages``, of a GET."""
    found: list[Any] = []
    token = ""
    while True:
        reply = asking.get(path, max_results=str(size), page_token=token, **query)
        assert reply.status == 200, reply.content
        rows = reply.json.get(name, [])
        found += rows
        token = reply.json.get("next_page_token", "")
        if not token:
            return found
        assert len(rows) == size
