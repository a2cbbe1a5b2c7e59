"""The benchmark's loader: what it puts into a table is what the API's work leaves behind, byte for byte."""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.filled import Filled, fill_by_api, filled
from bench.load import RunSpec, load
from cairn.storage.limits import ItemRefused
from cairn.storage.sqlite import SqliteEngine, row_of
from cairn.storage.table import Key

SPECS = {
    "small": RunSpec(),
    "all sorts": RunSpec(
        metrics=5, tied=0.3, missing=0.2, nan=0.1, deleted=0.3, dirty=0.2, family=7, same_start=3
    ),
    "of 3 KB": RunSpec(metrics=20, params=30, tags=10, text_bytes=3_000, deleted=0.1, dirty=0.1),
    "of 8 KB": RunSpec(metrics=20, params=30, tags=10, text_bytes=8_000, deleted=0.1, dirty=0.1),
    "of many metrics": RunSpec(metrics=400, params=2, tags=2),
    "without metrics": RunSpec(metrics=0),
}
COUNTS = {"small": 100, "all sorts": 300}


def rows(path: Path) -> dict[tuple[bytes, bytes], tuple[int, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT pk, sk, size, body FROM items").fetchall()
        return {(pk, sk): (size, body) for pk, sk, size, body in found}


@pytest.mark.parametrize("name", SPECS)
def test_loaded_runs_are_byte_equal_to_the_api_s(name: str, tmp_path: Path) -> None:
    spec, numbers = SPECS[name], range(COUNTS.get(name, 30))
    with filled(tmp_path / "api.db") as api, filled(tmp_path / "loaded.db") as loaded:
        fill_by_api(api, api.experiment("iris"), spec, numbers)
        count = load(loaded.table, loaded.experiment("iris"), spec, numbers)
    by_api, by_load = rows(tmp_path / "api.db"), rows(tmp_path / "loaded.db")
    assert by_api.keys() == by_load.keys()
    assert by_api == by_load
    assert count > 4 * len(numbers)
    kinds = Counter(pk[:2] for pk, _ in by_load)
    assert kinds[b"D#"] == int(len(numbers) * spec.dirty)
    assert (b"F#" in {sk[:2] for pk, sk in by_load if pk[:2] == b"R#"}) == (spec.text_bytes >= 8_000)
    assert (b"M#" in {sk[:2] for pk, sk in by_load if pk[:2] == b"R#"}) == (spec.metrics >= 400)


def test_a_loaded_experiment_is_searched(tmp_path: Path) -> None:
    spec = RunSpec(deleted=0.5, dirty=0.1)
    with filled(tmp_path / "loaded.db") as loaded:
        experiment = loaded.experiment("iris")
        load(loaded.table, experiment, spec, range(200))
        found = loaded.post("runs/search", {"experiment_ids": [experiment], "max_results": 1_000})["runs"]
        order = {"order_by": ["metrics.metric_000 DESC"], "max_results": 1_000}
        ordered = loaded.post("runs/search", {"experiment_ids": [experiment], **order})["runs"]
    assert len(found) == 100
    assert {run["info"]["run_id"] for run in ordered} == {run["info"]["run_id"] for run in found}
    values = [run["data"]["metrics"][0]["value"] for run in ordered]
    assert values == sorted(values, reverse=True)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Filled]:
    with filled(tmp_path / "table.db") as made:
        yield made


def test_a_bulk_load_puts_what_batch_write_would(empty: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """In several chunks, in any order, over what is there; it is not metered."""
    monkeypatch.setattr("cairn.storage.sqlite._LOADED_TOGETHER", 7)
    engine = empty.table.engine
    assert isinstance(engine, SqliteEngine)
    items: list[dict[str, Any]] = [
        {"pk": f"P{n % 3}", "sk": f"{n:03d}", "f": 1, "b": bytes((n,))} for n in range(50)
    ]
    engine.load([row_of({"pk": "P0", "sk": "000", "f": 9})])
    random.Random(1).shuffle(items)
    with empty.meter.measure() as measured:
        assert engine.load(map(row_of, items)) == 50
    assert measured.requests == 0
    assert all(empty.table.get(Key(item["pk"], item["sk"])) == item for item in items)


def test_a_bulk_load_refuses_what_the_table_does_not_hold() -> None:
    with pytest.raises(ItemRefused):
        row_of({"pk": "P", "sk": "S", "b": bytes(500_000)})
