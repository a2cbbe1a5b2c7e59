"""What API Gateway answers without a function: clients give these 3 s once, and remember a failure.

A cold start must not decide whether a training process sends spans or uses multipart uploads for the rest
of its life (mlflow.utils.server_info, mlflow.store.tracking.rest_store). The content is the use-cases' own,
so the local server says the same.
"""

import json
from dataclasses import dataclass

from cairn.services import server


@dataclass(frozen=True, slots=True)
class FixedAnswer:
    content_type: str
    body: str


_SERVER_INFO = FixedAnswer("application/json", json.dumps(server.SERVER_INFO))

FIXED_ANSWERS: dict[str, FixedAnswer] = {
    "/health": FixedAnswer("text/plain", "OK"),
    "/version": FixedAnswer("text/plain", server.MLFLOW_VERSION),
    "/api/3.0/mlflow/server-info": _SERVER_INFO,
    "/ajax-api/3.0/mlflow/server-info": _SERVER_INFO,
}
"""By path; the stage is not part of it."""
