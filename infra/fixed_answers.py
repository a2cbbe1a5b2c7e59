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


def fixed_answers(artifact_root: str) -> dict[str, FixedAnswer]:
    """By path; the stage is not part of it. ``artifact_root``: the ``s3://`` URI that clients are
    told."""
    info = server.info(multipart=True, artifact_root=artifact_root)
    server_info = FixedAnswer("application/json", json.dumps(info))
    return {
        "/health": FixedAnswer("text/plain", "OK"),
        "/version": FixedAnswer("text/plain", server.MLFLOW_VERSION),
        "/api/3.0/mlflow/server-info": server_info,
        "/ajax-api/3.0/mlflow/server-info": server_info,
    }
