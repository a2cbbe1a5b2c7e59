"""The tables that the storage suites run on: every test with ``table`` runs on both engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.storage.engine import EngineTable
from cairn.storage.meter import Meter
from tests.storage.engines import NAMES, open_table


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture(params=NAMES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def table(engine_name: str, tmp_path: Path, meter: Meter) -> Iterator[EngineTable]:
    """An empty table whose requests ``meter`` counts."""
    with open_table(engine_name, tmp_path, meter) as opened:
        yield opened
