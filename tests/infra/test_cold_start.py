"""What a function imports until its first answer: times are measured by bench.cold_start, never tested."""

import pytest

from bench.cold_start import REQUESTS, cold_start, no_items

FORBIDDEN = {
    "mlflow": "2.7 s, and nothing deployed may use it",
    "pandas": "comes with mlflow",
    "numpy": "comes with mlflow",
    "sqlite3": "the local engine's",
    "waitress": "the local server's",
    "boto3": "60 modules; botocore makes the same clients",
    "requests": "nothing here speaks HTTP but through botocore",
    "cairn.local": "is not in the layer",
    "cairn.storage.sqlite": "the local engine's",
    "aws_xray_sdk": "Lambda's active tracing instead: the SDK takes 100-200 ms",
    "aws_lambda_powertools.event_handler": "the route table dispatches",
}
MOST_MODULES = 600
"""580 today, 150 of them botocore's and pydantic's. A new one wants a reason."""


@pytest.mark.parametrize(("function", "status"), [("tracking", 404), ("artifacts", 200)])
def test_a_first_answer_needs_few_modules(function: str, status: int) -> None:
    assert REQUESTS.keys() == {"tracking", "artifacts"}
    with no_items() as endpoint:
        run = cold_start(function, endpoint)
    assert run["status"] == status, "an error would measure another path"
    assert run["collects"] is True
    modules = run["modules"]
    assert isinstance(modules, list)
    assert sorted(FORBIDDEN.keys() & set(modules)) == []
    assert len(modules) <= MOST_MODULES
