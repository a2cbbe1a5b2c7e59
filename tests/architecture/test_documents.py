"""The generated documents are current, and leave nothing out."""

import pytest

from cairn.protocol.route_table import ROUTES
from tests.architecture.documents import COMMAND, DOCS, DOCUMENTS, cairn_endpoints, mlflow_endpoints

pytestmark = pytest.mark.filterwarnings("ignore")  # those of MLflow's own imports

TRACKING = (
    "/api/2.0/mlflow/experiments/",
    "/api/2.0/mlflow/runs/",
    "/api/2.0/mlflow/metrics/",
    "/api/2.0/mlflow/logged-models",
    "/api/2.0/mlflow/artifacts/",
    "/api/2.0/mlflow-artifacts/",
    "/health",
    "/version",
    "/get-artifact",
    "/api/3.0/mlflow/server-info",
)
NOT_TRACKING = {("POST", "/api/2.0/mlflow/runs/create-promptlab-run")}  # a page of the UI's prompt lab


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == DOCUMENTS[name](), COMMAND


def test_the_whole_tracking_api_is_served() -> None:
    tracking = {endpoint for endpoint in mlflow_endpoints() if endpoint[1].startswith(TRACKING)}
    assert tracking - cairn_endpoints() == NOT_TRACKING


def test_nothing_is_served_that_mlflow_has_not() -> None:
    assert cairn_endpoints() <= mlflow_endpoints()


def test_every_route_is_documented() -> None:
    content = (DOCS / "compatibility.md").read_text()
    for route in ROUTES:
        assert f"| {route.method} | `{route.path}` | `{route.action}` | {route.function} |" in content
