"""Shared by all suites: which examples are tried, no tracking URI of an earlier test, the printing of
what tests report."""

import os
import sys

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.load_profile("same")  # a change is judged by itself; new ones: --hypothesis-profile=default


@pytest.fixture(autouse=True)
def no_tracking_uri_from_before() -> None:
    """MLflow's server sets the URIs of its whole process to its own stores. Where a test runs it in this
    process, the clients of later tests would ask those stores instead of what the environment names."""
    if "mlflow" not in sys.modules:
        return
    from mlflow.tracking._model_registry import utils as registry
    from mlflow.tracking._tracking_service import utils as tracking

    if tracking._tracking_uri is not None:
        tracking.set_tracking_uri(None)  # and the variable that it sets
    if registry._registry_uri:
        registry.set_registry_uri("")
        os.environ.pop("MLFLOW_REGISTRY_URI", None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seeds, counts and shares that a passing run is asked for."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "report":
                    terminalreporter.write_line(str(value))
