"""Index damage: entries deleted, doubled, falsified at random. Searches stay right, reindex mends it."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cairn.domain.indexing import Outcome
from cairn.search.index import number, text
from cairn.storage import dirty, keys
from cairn.storage.engine import EngineTable
from cairn.storage.indexer import Indexer
from cairn.storage.meter import Meter
from cairn.storage.reindex import Reindex, Report
from cairn.storage.table import Delete, Key, Put, Scan
from tests.storage.engines import open_table
from tests.storage.faults import Crash, FaultyTable
from tests.storage.stores import NOW
from tests.storage.test_execute import COMPARISONS, NAMES, ORDERS, World, expected, pages, world

LATER = NOW + dirty.QUIET


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[EngineTable]:
    with open_table("sqlite", tmp_path, Meter()) as opened:
        yield opened


def quiet_world(table: EngineTable, seed: int) -> World:
    """Every run is indexed, or nearly every one."""
    made = world(table, seed, steps=80)
    for experiment in made.experiments:
        made.indexer.sweep(experiment)
        made.indexer.sweep(experiment)  # those that are to move to another group take two
    return made


def entries(table: EngineTable) -> list[Key]:
    found: list[Key] = []
    after: Key | None = None
    while True:
        page = table.scan(Scan(["X#"], after=after))
        found += page.keys
        after = page.after
        if after is None:
            return sorted(found)


def is_of_default_order(key: Key) -> bool:
    return key.pk.count("#") == 3 and key.pk.endswith("#")


def content(table: EngineTable) -> dict[Key, str | None]:
    """Every entry, with the name that it holds."""
    found = table.batch_get(entries(table))
    return {key: item.get(keys.NAME) for key, item in sorted(found.items())}


def put_entry(table: EngineTable, key: Key, name: str | None = None) -> None:
    item = {"pk": key.pk, "sk": key.sk, "f": 1}
    table.batch_write([Put(item if name is None else {**item, keys.NAME: name})])


def damage(table: EngineTable, rng: random.Random, kinds: Sequence[str], count: int = 60) -> None:
    """Entries are lost, come twice, or say what is not so; those of the default order have another name."""
    there = entries(table)
    runs = sorted({key.sk[-32:] for key in there})
    named = [key for key in there if is_of_default_order(key)]
    for key in rng.sample(there, min(count, len(there))):
        kind = rng.choice(kinds)
        if kind == "renamed":
            put_entry(table, rng.choice(named), rng.choice([None, "", *map(text, (*NAMES, "none"))]))
            continue
        value, start, run_id = key.sk[:-48], key.sk[-48:-32], key.sk[-32:]
        if kind in ("deleted", "falsified"):
            table.batch_write([Delete(key)])
        if kind == "deleted":
            continue
        other = rng.choice(
            [
                Key(key.pk, rng.choice([number(1.0), text("a"), "v", "", "w"]) + start + run_id),
                Key(key.pk, value + keys.descending(rng.choice([5, 6, -1])) + run_id),
                Key(key.pk, value + start + rng.choice(runs)),
                Key(rng.choice(there).pk, key.sk),
                Key(key.pk, value + start + run_id[:16] + f"{rng.getrandbits(64):016x}"),
                Key(key.pk, "rubbish"),
            ]
        )
        put_entry(table, other)


def reindex(table: EngineTable, made: World, now: int = LATER) -> list[Report]:
    indexer = Indexer(table, lambda: now)
    return [
        Reindex(table, indexer, lambda _: None).reindex(f"{int(experiment):016x}")
        for experiment in made.experiments
    ]


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_index_gives_no_wrong_run_and_none_twice(sqlite: EngineTable, seed: int) -> None:
    made = quiet_world(sqlite, seed)
    damage(sqlite, random.Random(seed), ["deleted", "doubled", "falsified", "renamed"])
    for tree in ["", *COMPARISONS[::3]]:
        for orders in ORDERS[seed % 2 :: 2]:
            found = [
                run.info.run_id for page in pages(made, sqlite, tree, orders, "ALL", 7) for run in page
            ]
            right = expected(made, tree, orders, "ALL")
            assert len(set(found)) == len(found), (tree, orders)
            assert set(found) <= set(right), (tree, orders)


@pytest.mark.parametrize(
    "kinds", [["deleted"], ["doubled"], ["falsified"], ["renamed"], ["deleted", "doubled", "renamed"]]
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reindex_restores_what_was_there(sqlite: EngineTable, seed: int, kinds: list[str]) -> None:
    made = quiet_world(sqlite, seed)
    reindex(sqlite, made)  # what the walk left dirty is indexed, too
    whole = content(sqlite)
    damage(sqlite, random.Random(seed), kinds)
    assert content(sqlite) != whole
    reports = reindex(sqlite, made)
    assert content(sqlite) == whole
    assert sum(report.repaired + report.removed for report in reports) > 5
    again = reindex(sqlite, made)
    assert {(report.repaired, report.removed, report.waiting) for report in again} == {(0, 0, 0)}
    assert sum(report.checked for report in again) == len(made.runs)


@pytest.mark.parametrize("said", ["another", "", None])
def test_a_falsified_name_is_found_and_mended(sqlite: EngineTable, said: str | None) -> None:
    """A name hides its run from a search by name. An entry without one hides nothing: an older version put
    it, and reindex gives it the name."""
    made = quiet_world(sqlite, 7)
    run_id = made.stores.run(made.experiments[0], tags={"mlflow.runName": "n1"})
    made.indexer.sweep(made.experiments[0])
    reindex(sqlite, made)
    order = next(key for key in entries(sqlite) if is_of_default_order(key) and key.sk.endswith(run_id))

    def finds_it() -> bool:
        found = pages(made, sqlite, "attributes.run_name ILIKE '%1'", [], "ALL", 7)
        return run_id in {run.info.run_id for page in found for run in page}

    whole = content(sqlite)
    assert finds_it()
    put_entry(sqlite, order, None if said is None else said and text(said))
    assert finds_it() is (said is None)
    report = [one for one in reindex(sqlite, made) if one.repaired]
    assert [(one.repaired, one.removed, one.waiting) for one in report] == [(1, 0, 0)]
    assert finds_it()
    assert content(sqlite) == whole


def test_reindex_may_be_interrupted_and_repeated(sqlite: EngineTable) -> None:
    made = quiet_world(sqlite, 4)
    reindex(sqlite, made)
    whole = content(sqlite)
    damage(sqlite, random.Random(4), ["deleted", "doubled", "falsified", "renamed"])
    crashes = 0
    for number_ in range(3, 200, 7):
        try:
            reindex(FaultyTable(sqlite, crash_after=number_), made, now=LATER + number_ * dirty.QUIET)
        except Crash:
            crashes += 1
    assert crashes > 3
    reindex(sqlite, made, now=LATER + 300 * dirty.QUIET)
    assert content(sqlite) == whole


def test_a_run_that_is_being_written_is_left_to_the_indexer(sqlite: EngineTable) -> None:
    made = quiet_world(sqlite, 5)
    reindex(sqlite, made)
    experiment = made.experiments[0]
    run_id = made.stores.run(experiment)
    key = next(key for key in entries(sqlite) if key.sk.endswith(run_id))
    false = Key(key.pk + "mnone", number(1.0) + key.sk)
    sqlite.batch_write([Put({"pk": false.pk, "sk": false.sk, "f": 1})])
    report = Reindex(sqlite, Indexer(sqlite, lambda: NOW), lambda _: None).reindex(
        f"{int(experiment):016x}"
    )
    assert (report.waiting, report.repaired) == (1, 0)
    assert false in entries(sqlite)
    assert Indexer(sqlite, lambda: LATER).index(run_id, NOW) is Outcome.INDEXED
    assert false not in entries(sqlite)


def test_an_entry_of_a_run_that_is_being_created_is_left_alone(sqlite: EngineTable) -> None:
    made = quiet_world(sqlite, 6)
    experiment = f"{int(made.experiments[0]):016x}"
    run_id = experiment + "f" * 16
    order = Key(keys.index_partition(experiment, "a0"), keys.run_position(5, run_id))
    sqlite.batch_write([dirty.put(run_id, NOW, moved=False), Put({"pk": order.pk, "sk": order.sk, "f": 1})])
    reindex(sqlite, made)
    assert order in entries(sqlite)
    sqlite.delete(Delete(keys.dirty_mark(run_id)))
    reindex(sqlite, made)
    assert order not in entries(sqlite)


def test_both_engines_scan_alike(table: EngineTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairn.storage.sqlite._SCANNED", 2)
    there = [Key(pk, sk) for pk in ("R#1", "R#12", "R#2", "X#1#a", "X#2#a") for sk in ("F", "L#1")]
    table.batch_write([Put({"pk": key.pk, "sk": key.sk, "f": 1}) for key in there])

    def scanned(scan: Scan) -> set[Key]:
        found: set[Key] = set()
        while True:
            page = table.scan(scan)
            found |= set(page.keys)
            if page.after is None:
                return found
            scan = Scan(scan.prefixes, scan.heads, page.after)

    assert scanned(Scan(["R#1", "X#1#"], {"R#1": "F"})) == {
        Key("R#1", "F"),
        Key("R#12", "F"),
        Key("X#1#a", "F"),
        Key("X#1#a", "L#1"),
    }
    assert scanned(Scan(["R#2"])) == {Key("R#2", "F"), Key("R#2", "L#1")}
    assert scanned(Scan(["Z"])) == set()
