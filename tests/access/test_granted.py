"""Who has few grants reads what they name, and not the lists: the answers are the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.domain.access import Pattern, Permission
from cairn.domain.grants import Grant
from cairn.search.plan import LAST
from cairn.storage import granted, listing, registry_reader
from cairn.storage.budget import BOUNDS, Bounds
from cairn.storage.grants import Grants
from cairn.storage.registry_index import RegistryIndex
from cairn.storage.table import Page, Query
from tests.access.worlds import GUEST, As, World, a_world, identified, named, prefixed

READ = Permission.READ
LONG = "l" * 127
NAMES = [
    *("a", "ab", "abc", "a/b", "b", "ba", "z", "é", "e\u0301", "\U0010fffd", "%", "A"),
    *(LONG, f"{LONG}a", f"{LONG}aa", f"{LONG}aaa", f"{LONG}ab", f"{LONG}b", f"{LONG}bb"),
    *(f"team-{number:02d}" for number in range(20)),
]
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("granted")) as world:
        owner = world.of()
        for number, name in enumerate(NAMES):
            tags = [{"key": "n", "value": "x" * 200 if number % 5 == 0 else str(number % 3)}]
            experiment = owner.made("experiments/create", {"name": name, "tags": tags})["experiment_id"]
            if number % 4 == 0:
                owner.made("experiments/delete", {"experiment_id": experiment})
            model = name.replace("/", "-")
            for one, more in ((model, []), (f"p{model}", [PROMPT])):
                owner.made("registered-models/create", {"name": one, "tags": [*tags, *more]})
        yield world


texts = st.sampled_from([*NAMES, "team-", "team-0", "", f"{LONG}aaaa"])
begins = ["", "a", "ab", "team-", "team-0", "team-01", "team-1", "pt", "pte", "z"]
kinds = st.sampled_from(["models", "models", "prompts"])
numbers = st.integers(0, len(NAMES) + 1).map(str) | st.sampled_from(["01", "x", "", "-1", "9" * 30])
exact = st.builds(named, st.just("experiments"), texts) | st.builds(identified, numbers)
by_prefix = st.builds(prefixed, st.just("experiments"), texts)
of_models = st.builds(
    prefixed, kinds, st.sampled_from([*begins, LONG, f"{LONG}a", f"{LONG}aa"])
) | st.builds(
    named,
    kinds,
    st.sampled_from([*NAMES, "pa", "pab", f"p{LONG}"]).map(lambda name: name.replace("/", "-")),
)
sizes = st.sampled_from([1, 3, 100])
orders = st.sampled_from([[], ["name ASC"], ["name DESC"], ["last_update_time ASC"], ["creation_time ASC"]])
filters = st.sampled_from(
    ["", "name LIKE 'team%'", "tags.n != '1'", "tags.n LIKE 'x%'", "tags.none IS NULL"]
)
model_orders = st.sampled_from([[], ["name DESC"], ["timestamp ASC"], ["timestamp DESC", "name DESC"]])
model_filters = st.sampled_from(
    ["", "", "name LIKE 'team-1%'", f"name LIKE '{LONG}a%'", "tags.n = '1'", "name ILIKE 'TEAM%'"]
)
asks = st.sampled_from(
    ["", "", "tag.`mlflow.prompt.is_prompt` = 'true'", "tag.`mlflow.prompt.is_prompt` != 'false'"]
)


@given(
    held=st.lists(exact, max_size=6) | st.lists(exact | by_prefix, max_size=4),
    order=orders,
    view=st.sampled_from(["ACTIVE_ONLY", "ALL"]),
    wanted=filters,
    size=sizes,
    small=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_experiments(
    filled: World, held: list[Pattern], order: list[str], view: str, wanted: str, size: int, small: bool
) -> None:
    query = {"order_by": order, "view_type": view, "filter": wanted}
    asked = ("POST", "experiments/search", "experiments", query)
    with granting(filled, held, small):
        found = the_same(filled.of(GUEST), *asked, size)
        everything = rows(filled.of(), *asked, 100, [50])
    assert found == [row for row in everything if any(meant(one, row) for one in held)]


@given(
    held=st.lists(of_models, max_size=8),
    order=model_orders,
    wanted=st.tuples(model_filters, asks),
    size=sizes,
    small=st.booleans(),
)
@settings(max_examples=250, deadline=None)
def test_registered_models(
    filled: World, held: list[Pattern], order: list[str], wanted: tuple[str, str], size: int, small: bool
) -> None:
    query: dict[str, Any] = {"filter": " AND ".join(filter(None, wanted)), "order_by": order}
    asked = ("GET", "registered-models/search", "registered_models", query)
    with granting(filled, held, small):
        found = the_same(filled.of(GUEST), *asked, size)
        everything = rows(filled.of(), *asked, 100, [50])
    assert found == [row for row in everything if any(meant(one, row) for one in held)]


@contextmanager
def granting(world: World, held: list[Pattern], small: bool) -> Iterator[None]:
    """To the guest; where requests are ``small``, they end early."""
    world.take_all(GUEST)
    assert Grants(world.table).replace(GUEST, [Grant(GUEST, READ, one, None, "s") for one in held], [])
    world.pass_time()
    index = world.app.stores.registry.index
    assert isinstance(index, RegistryIndex)
    carried_out = world.table.query

    def strictly(query: Query) -> Page:
        """DynamoDB refuses to begin behind what the query does not ask for."""
        assert query.after is None or (query.low or "") <= query.after <= (query.high or LAST)
        return carried_out(query)

    with (
        mock.patch.object(listing, "READ_UNITS", 4 if small else listing.READ_UNITS),
        mock.patch.object(registry_reader, "PAGE", 10 if small else registry_reader.PAGE),
        mock.patch.object(index, "_bounds", Bounds(units=3) if small else BOUNDS),
        mock.patch.object(world.table, "query", strictly),
    ):
        yield


def the_same(
    asking: As, method: str, path: str, name: str, query: dict[str, Any], size: int
) -> list[dict[str, Any]]:
    """What is found by the grants, by the lists, and by both in turns."""
    by_grants, *others = (
        rows(asking, method, path, name, query, size, most) for most in ([50], [0], [0, 50], [50, 0])
    )
    assert others == [by_grants] * 3
    return by_grants


def meant(pattern: Pattern, row: dict[str, Any]) -> bool:
    kind = "experiments" if "experiment_id" in row else "prompts" if PROMPT in row["tags"] else "models"
    text = row["experiment_id"] if pattern.match == "id" else row["name"]
    matches = text.startswith(pattern.text) if pattern.match == "prefix" else text == pattern.text
    return kind == pattern.kind and bool(matches)


def rows(
    asking: As, method: str, path: str, name: str, query: dict[str, Any], size: int, most: list[int]
) -> list[dict[str, Any]]:
    """All pages; ``most`` grants are few, by turns."""
    found: list[dict[str, Any]] = []
    token, page = "", 0
    while not page or token:
        with mock.patch.object(granted, "MOST", most[page % len(most)]):
            body = {**query, "max_results": size, "page_token": token}
            if method == "POST":
                reply = asking.post(path, body)
            else:
                several = {key: one if isinstance(one, list) else str(one) for key, one in body.items()}
                reply = asking.get(path, **several)
        assert reply.status == 200, reply.content
        found += reply.json.get(name, [])
        token = reply.json.get("next_page_token", "")
        page += 1
        assert page < 1_000
    return found
