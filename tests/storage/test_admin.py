"""``cairn admin reindex``: what it says and mends, on a folder's data."""

from pathlib import Path

import pytest

from cairn.local.cli import main
from cairn.storage import dirty
from cairn.storage.indexer import Indexer
from cairn.storage.sqlite import SqliteTable
from cairn.storage.table import Delete, Scan
from tests.storage.stores import NOW, aggregates


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of an experiment with three indexed runs, one entry of which is lost."""
    table = SqliteTable(tmp_path / "cairn.db")
    stores = aggregates(table)
    experiment = stores.experiment("iris")
    for start in range(3):
        stores.run(experiment, start_time=start)
    assert Indexer(table, lambda: NOW + dirty.QUIET).sweep(experiment) == 3
    table.batch_write([Delete(table.scan(Scan(["X#"])).keys[0])])
    table.close()
    return tmp_path


@pytest.mark.parametrize("named", ["1", "iris"])
def test_an_experiment_is_mended_by_id_or_name(
    folder: Path, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["admin", "reindex", named, "--data", str(folder)]) == 0
    assert capsys.readouterr().out == "experiment 1: 3 runs checked, 1 mended, 0 false entries removed\n"
    assert main(["admin", "reindex", named, "--data", str(folder)]) == 0
    assert capsys.readouterr().out == "experiment 1: 3 runs checked, 0 mended, 0 false entries removed\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such", "--data", "{}"], "there is no experiment 'no-such': give its id or its name"),
        (["77", "--data", "{}"], "there is no experiment '77': give its id or its name"),
        (["1", "--data", "{}/none"], "there is no data in {}/none: cairn local makes some"),
        (["1", "--data", "{}", "--table", "t"], "--data names a folder"),
    ],
)
def test_a_mistake_is_one_line(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["admin", "reindex", *(part.format(folder) for part in arguments)])
    assert raised.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"cairn: {message.format(folder)}")
    assert said.count("\n") == 1


def test_progress_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairn.local.admin._EVERY_S", 0.0)
    main(["admin", "reindex", "iris", "--data", str(folder)])
    assert "3 of 3 runs checked, 1 mended\n" in capsys.readouterr().err
