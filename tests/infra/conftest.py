from pathlib import Path

import pytest

from infra.settings import Settings
from tests.infra.synthesis import EVERYTHING, Assembly, synthesise


@pytest.fixture(scope="session")
def default(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The app as it is deployed when nothing is chosen."""
    return synthesise(Settings(), tmp_path_factory.mktemp("default") / "cdk.out")


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The app with every choice away from its default."""
    return synthesise(EVERYTHING, tmp_path_factory.mktemp("everything") / "cdk.out")


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).resolve().parents[2]
