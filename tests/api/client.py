"""The application in this process on SQLite, called with API Gateway events."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairn.app import build_local
from cairn.http import Answer, App, handle

V2 = "/api/2.0/mlflow"
JSON = {"Content-Type": ["application/json"]}


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> tuple[int, str]:
        """Status and error code."""
        return self.status, self.json["error_code"]


def event(
    method: str,
    path: str,
    *,
    content: str | None = None,
    query: Mapping[str, Sequence[str]] | None = None,
    headers: Mapping[str, Sequence[str]] = JSON,
    identity: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """A REST API's proxy event, payload version 1."""
    return {
        "resource": "/{proxy+}",
        "httpMethod": method,
        "path": path,
        "multiValueHeaders": {name: list(values) for name, values in headers.items()},
        "multiValueQueryStringParameters": query and {name: list(v) for name, v in query.items()},
        "requestContext": {
            "requestId": "request-1",
            "resourcePath": "/{proxy+}",
            "identity": {"user": "local:ada"} if identity is None else identity,
        },
        "body": content,
        "isBase64Encoded": False,
    }


class Client:
    """Requests to one application, and what its table holds."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "cairn.db"
        self.app: App = build_local(
            self.database, folder / "artifacts", folder / "blobs", folder / "uploads"
        )

    def send(self, request: Mapping[str, Any]) -> Reply:
        answer: Answer = handle(self.app, request)
        content = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        return Reply(answer.status, answer.headers, content)

    def post(self, route: str, body: object = None, **more: Any) -> Reply:
        content = body if isinstance(body, str) else json.dumps({} if body is None else body)
        return self.send(event("POST", _path(route), content=content, **more))

    def get(self, route: str, **query: str | Sequence[str]) -> Reply:
        several = {name: [value] if isinstance(value, str) else value for name, value in query.items()}
        return self.send(event("GET", _path(route), query=several or None, headers={}))

    def experiment(self, name: str = "iris") -> str:
        experiment_id: str = self.post("experiments/create", {"name": name}).json["experiment_id"]
        return experiment_id

    def run(self, experiment_id: str, **fields: object) -> str:
        answer = self.post("runs/create", {"experiment_id": experiment_id, "start_time": 5, **fields})
        run_id: str = answer.json["run"]["info"]["run_id"]
        return run_id

    def model(self, experiment_id: str, **fields: object) -> str:
        answer = self.post("logged-models", {"experiment_id": experiment_id, "name": "forest", **fields})
        model_id: str = answer.json["model"]["info"]["model_id"]
        return model_id

    def dump(self) -> list[tuple[Any, ...]]:
        """Every row of the database."""
        with closing(sqlite3.connect(self.database)) as connection:
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            return [
                (table, *row)
                for table in sorted(tables)
                for row in sorted(connection.execute(f'SELECT * FROM "{table}"').fetchall(), key=repr)
            ]


def _path(route: str) -> str:
    return route if route.startswith("/") else f"{V2}/{route}"
