"""Creates that may be repeated: MLflow's client repeats one whose answer was lost, and means one run."""

import uuid

from requests import PreparedRequest

HEADER = "Idempotency-Key"

CREATES = tuple(
    f"/api/2.0/mlflow/{path}"
    for path in (
        "experiments/create",
        "runs/create",
        "logged-models",
        "registered-models/create",
        "model-versions/create",
        "webhooks",
    )
)


def name_creation(request: PreparedRequest) -> None:
    """Give a create a key of its own. It is made once for each call of the client, and its retries, which
    send the same prepared request, keep it."""
    path = request.path_url.partition("?")[0]
    if request.method == "POST" and path.endswith(CREATES) and HEADER not in request.headers:
        request.headers[HEADER] = str(uuid.uuid4())
