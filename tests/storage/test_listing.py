"""The list of experiments: entries that never differ from heads and tags, searches that pause and go on."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cairn.domain.entities import ACTIVE, DELETED, Experiment
from cairn.errors import InvalidParameterValue
from cairn.protocol.messages.experiments import SearchExperiments
from cairn.search import fields
from cairn.search.experiments import ExperimentSearch
from cairn.search.match import experiment_filter
from cairn.search.order import experiment_ordering
from cairn.services.ports import Stores
from cairn.services.search import search_experiments
from cairn.sharing.caller import Caller
from cairn.storage import keys, listing
from cairn.storage.sqlite import SqliteTable
from cairn.storage.table import Query, Table
from tests.storage.stores import MemoryBlobs, use_case_stores

CALLER = Caller("aws", "0", "local", "tester")
VALUES = ("", "a", "b", "é" * 60, "w" * 99, "x" * 100, "x" * 101, "y" * 3_000)
OFTEN = (*VALUES, *VALUES[4:6])
"""Tags that fill an entry: 320 bytes."""
QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"order_by": ["name DESC"]},
    {"order_by": ["last_update_time ASC"]},
    {"order_by": ["creation_time DESC"]},
    {"filter": "name LIKE 'e1%'", "order_by": ["name ASC"]},
    {"filter": "tags.k1 = 'a'"},
    {"filter": "tags.k1 IS NULL", "order_by": ["name ASC"]},
    {"filter": f"tags.k2 LIKE '{'x' * 101}' AND tags.k1 IS NOT NULL"},
    {"filter": "tags.k3 != 'a'", "order_by": ["last_update_time DESC", "name ASC"]},
)


@pytest.fixture
def sqlite() -> Iterator[SqliteTable]:
    table = SqliteTable(None)
    yield table
    table.close()


@pytest.fixture(scope="module")
def filled() -> Iterator[Stores]:
    """90 experiments that are read alone."""
    table = SqliteTable(None)
    stores = use_case_stores(table, MemoryBlobs())
    fill(stores, 90, random.Random(5))
    yield stores
    table.close()


def fill(stores: Stores, count: int, bits: random.Random) -> None:
    for number in range(count):
        tags = {f"k{key}": bits.choice(VALUES) for key in bits.sample(range(8), bits.randrange(8))}
        made = stores.experiments.create(f"e{number}", None, tags, 1_000 + bits.randrange(count // 2))
        if bits.random() < 0.2:
            stores.experiments.delete(made.experiment_id, 2_000 + bits.randrange(50))


def search(
    stores: Stores, query: dict[str, Any], size: int, between: Callable[[], None] = lambda: None
) -> tuple[list[str], int]:
    """The ids of all pages, and how many pages there were."""
    found: list[str] = []
    token, pages = "", 0
    while pages == 0 or token:
        request = SearchExperiments(view_type="ALL", max_results=size, page_token=token, **query)
        page = search_experiments(stores, CALLER, request)
        found += [one["experiment_id"] for one in page.get("experiments", [])]
        assert len(page.get("experiments", [])) <= size
        token = page.get("next_page_token", "")
        pages += 1
        assert pages <= 2_000, "the search does not come to an end"
        between()
    return found, pages


def matching(stores: Stores, query: dict[str, Any]) -> list[str]:
    """The same by matching what ``get`` says of every experiment."""
    tree = fields.read_filter(fields.EXPERIMENTS, query.get("filter"))
    ordering = experiment_ordering(fields.read_order(fields.EXPERIMENTS, query.get("order_by", [])))
    meets = experiment_filter(tree)
    every = [stores.experiments.get(one.experiment_id) for one in stores.experiments.scan(with_tags=False)]
    every.sort(key=lambda one: ordering.key(ordering.position(one)))
    return [one.experiment_id for one in every if meets(one)]


def test_entries_say_what_heads_and_tags_say(table: Table) -> None:
    """Whatever is written, in whatever order: short and long tags, more than an entry holds, written over
    and deleted."""
    bits = random.Random(3)
    experiments = use_case_stores(table, MemoryBlobs()).experiments
    ids = [experiments.create(f"e{n}", None, {"k1": "a"}, 1_000 + n).experiment_id for n in range(4)]
    for step in range(120):
        one = experiments.get(bits.choice(ids))
        if one.lifecycle_stage == DELETED:
            experiments.restore(one.experiment_id, step)
        match bits.randrange(12):
            case 0:
                experiments.delete(one.experiment_id, step)
            case 1:
                experiments.rename(one.experiment_id, f"name-{step}", step)
            case 2 | 3 if one.tags:
                experiments.delete_tag(one.experiment_id, bits.choice(sorted(one.tags)))
            case _:
                experiments.set_tag(one.experiment_id, f"k{bits.randrange(8)}", bits.choice(OFTEN))
        if step % 10:
            continue
        listed = {found.experiment_id: found for found in experiments.scan(with_tags=True)}
        assert listed == {number: experiments.get(number) for number in ids}
    short = table_entries(table, keys.LISTED)
    detailed = table_entries(table, keys.DETAILED)
    assert {sk: (e["n"], e["s"], e["u"]) for sk, e in short.items()} == {
        sk: (e["n"], e["s"], e["u"]) for sk, e in detailed.items()
    }
    assert any("m" in entry for entry in detailed.values())


def table_entries(table: Table, kind: str) -> dict[str, Any]:
    return {
        item["sk"]: item
        for shard in range(keys.LIST_SHARDS)
        for item in table.query(Query(keys.experiment_list(kind, shard))).items
    }


@pytest.mark.parametrize("query", QUERIES, ids=str)
@pytest.mark.parametrize("size", [1, 7, 60, 1_000])
def test_searches_find_what_matching_finds(filled: Stores, query: dict[str, Any], size: int) -> None:
    assert search(filled, query, size)[0] == matching(filled, query)


@pytest.mark.parametrize("query", QUERIES, ids=str)
@pytest.mark.parametrize("size", [3, 1_000])
def test_a_search_past_its_budget_goes_on_by_token(
    filled: Stores, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any], size: int
) -> None:
    """Two units: every request stops early, and all of them together find everything once."""
    calm, calm_pages = search(filled, query, size)
    monkeypatch.setattr(listing, "READ_UNITS", 2)
    monkeypatch.setattr(listing, "_HELD", 4)
    found, pages = search(filled, query, size)
    assert found == calm == matching(filled, query)
    assert pages > calm_pages


@pytest.mark.parametrize("budget", [2, 1_000])
@pytest.mark.parametrize("query", QUERIES[:4], ids=str)
def test_pages_hold_while_experiments_come_and_go(
    sqlite: SqliteTable, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any], budget: int
) -> None:
    """Those that are not touched are found once, in their order; nobody is found twice."""
    bits = random.Random(9)
    stores = use_case_stores(sqlite, MemoryBlobs())
    fill(stores, 60, bits)
    before = matching(stores, query)
    touched: set[str] = set()
    monkeypatch.setattr(listing, "READ_UNITS", budget)

    def disturb() -> None:
        if len(touched) > 50:  # an order by the last update would never end
            return
        name = f"f{len(touched)}"
        touched.add(stores.experiments.create(name, None, {}, 1_000 + bits.randrange(40)).experiment_id)
        other = stores.experiments.get(bits.choice(before))
        change = (
            stores.experiments.delete if other.lifecycle_stage == ACTIVE else stores.experiments.restore
        )
        change(other.experiment_id, 5_000 + len(touched))
        touched.add(other.experiment_id)

    found, _ = search(stores, query, 5, disturb)
    assert [one for one in found if one not in touched] == [one for one in before if one not in touched]
    untouched = [one for one in found if one not in touched]
    assert len(set(untouched)) == len(untouched) >= 20


def test_a_pass_over_the_short_list_shows_whole_rows(filled: Stores) -> None:
    """Where few rows are shown of many."""
    request = SearchExperiments(view_type="ALL", max_results=1, order_by=["name ASC"])
    shown = search_experiments(filled, CALLER, request)["experiments"][0]
    first = filled.experiments.find("e0")
    assert first is not None
    assert len(first.tags) > 1
    assert shown["name"] == "e0"
    assert shown["artifact_location"] == first.artifact_location
    assert {tag["key"]: tag["value"] for tag in shown["tags"]} == first.tags


def test_a_pass_whose_token_is_nonsense_is_refused(sqlite: SqliteTable) -> None:
    stores = use_case_stores(sqlite, MemoryBlobs())
    ordering = experiment_ordering(fields.read_order(fields.EXPERIMENTS, ["name ASC"]))
    for text in ("", "{}", "[]", "[0]", '[9, "' + "0" * 32 + '"]', '[0, "x"]', "[" * 100_000):
        asked = ExperimentSearch((ACTIVE,), lambda one: True, lambda one: True, (), ordering, None, text, 5)
        with pytest.raises(InvalidParameterValue):
            list(stores.experiments.search(asked))


def test_an_experiment_is_added_as_it_stands(table: Table) -> None:
    stores = use_case_stores(table, MemoryBlobs())
    one = Experiment("7", "iris", "s3://bucket/x", DELETED, 5, 6, {"a": "b", "long": "x" * 500})
    stores.experiments.add(one)  # type: ignore[attr-defined]
    assert stores.experiments.get("7") == one
    assert list(stores.experiments.scan(with_tags=True)) == [one]
    assert [replace(found, tags=one.tags) for found in stores.experiments.scan(with_tags=False)] == [one]
