"""URIs that are taken apart once per location are those that MLflow's rule gives."""

import pytest

from cairn.domain.locations import append_to_uri, run_artifacts

RUN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "location",
    [
        "s3://bucket/artifacts/1",
        "s3://bucket/artifacts/1/",
        "s3://bucket",
        "mlflow-artifacts:/1",
        "mlflow-artifacts://host:80/1?a=b#c",
        "file:a/b",
        "file:///a/b",
        "relative/folder",
        "/absolute",
        "dbfs:/a?x=%2F",
    ],
)
def test_a_runs_artifacts_lie_below_its_experiments(location: str) -> None:
    for _ in range(2):  # the second answer comes from memory
        assert run_artifacts(location, RUN) == append_to_uri(location, RUN, "artifacts")
