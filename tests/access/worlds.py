"""A deployment in this process, whose callers are AWS principals with grants: SQLite, a folder of files,
and the decisions of production."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cairn.artifacts.folder import FolderArtifacts
from cairn.domain.access import Kind, Match, Pattern, Permission
from cairn.domain.grants import Grant
from cairn.http import App, handle
from cairn.sharing.authorize import Authority, Owner
from cairn.sharing.fronts import deployed_front
from cairn.storage.engine import EngineTable
from cairn.storage.grants import Grants
from cairn.storage.meter import Measurement, Meter
from tests.storage.engines import open_table
from tests.storage.stores import MemoryBlobs, use_case_stores

OWNER, GUEST, STRANGER = "111122223333", "444455556666", "777788889999"
ORGANISATION = "o-a1b2c3d4e5"
V2 = "/api/2.0/mlflow"


@dataclass(frozen=True)
class Reply:
    status: int
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """The error's; empty for a success."""
        return "" if self.status in (200, 302) else str(self.json["error_code"])


@dataclass
class World:
    """``now`` is what its monotonic clock says, in seconds."""

    app: App
    table: EngineTable
    meter: Meter
    now: list[float] = field(default_factory=lambda: [0.0])

    def grant(
        self,
        holder: str,
        permission: Permission,
        *patterns: Pattern,
        role: str | None = None,
        share: str = "test",
    ) -> None:
        """Beside what the holder has; whatever was read of it before is out of date at once."""
        grants = Grants(self.table)
        held = grants.held([holder])
        new = [Grant(holder, permission, pattern, role, share) for pattern in patterns]
        assert grants.replace(holder, [*held, *new], held)
        self.pass_time()

    def take_all(self, holder: str) -> None:
        grants = Grants(self.table)
        assert grants.replace(holder, [], grants.held([holder]))
        self.pass_time()

    def pass_time(self, seconds: float = 15.0) -> None:
        self.now[0] += seconds

    def of(
        self, account: str = OWNER, kind: str = "role", name: str = "Trainer", organisation: str = ""
    ) -> "As":
        """Requests that a principal signed."""
        resource = {
            "role": f"arn:aws:sts::{account}:assumed-role/{name}/session",
            "user": f"arn:aws:iam::{account}:user/team/{name}",
            "federated": f"arn:aws:sts::{account}:federated-user/{name}",
            "root": f"arn:aws:iam::{account}:root",
        }[kind]
        return As(self, {"userArn": resource, "principalOrgId": organisation or None, "accountId": account})


@dataclass(frozen=True)
class As:
    world: World
    identity: Mapping[str, object]

    def post(self, path: str, body: Mapping[str, Any], method: str = "POST") -> Reply:
        return self.send(method, _whole(path), content=json.dumps(body))

    def get(self, path: str, **query: str | list[str]) -> Reply:
        return self.send("GET", _whole(path), query=query)

    def made(self, path: str, body: Mapping[str, Any], method: str = "POST") -> Any:
        """What a request that must succeed is answered."""
        reply = self.post(path, body, method)
        assert reply.status == 200, reply.content
        return reply.json

    def experiment(self, name: str) -> str:
        return str(self.made("experiments/create", {"name": name})["experiment_id"])

    def run(self, experiment_id: str, **more: Any) -> str:
        body = {"experiment_id": experiment_id, "start_time": 1, **more}
        return str(self.made("runs/create", body)["run"]["info"]["run_id"])

    def send(
        self,
        method: str,
        path: str,
        *,
        content: str | None = None,
        query: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        several = {name: [one] if isinstance(one, str) else one for name, one in (query or {}).items()}
        shown = {"Content-Type": "application/json", **(headers or {})}
        answer = handle(
            self.world.app,
            {
                "resource": "/{proxy+}",
                "httpMethod": method,
                "path": path,
                "multiValueHeaders": {name: [value] for name, value in shown.items()},
                "multiValueQueryStringParameters": several or None,
                "requestContext": {
                    "requestId": "request-1",
                    "resourcePath": "/{proxy+}",
                    "identity": dict(self.identity),
                },
                "body": content,
                "isBase64Encoded": False,
            },
        )
        body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        return Reply(answer.status, body)

    def measured(self, method: str, path: str, **more: Any) -> tuple[Reply, Measurement]:
        with self.world.meter.measure() as measured:
            reply = self.send(method, path, **more)
        return reply, measured


@contextmanager
def a_world(folder: Path, engine: str = "sqlite", owner_roles: Iterable[str] = ()) -> Iterator[World]:
    meter = Meter()
    now = [0.0]
    with open_table(engine, folder, meter) as table:
        stores = use_case_stores(table, MemoryBlobs())
        stores = replace(stores, artifacts=FolderArtifacts(folder / "files", folder / "staging"))
        stores.experiments.ensure_default(1)  # type: ignore[attr-defined]  # the store's own
        authority = Authority(Grants(table), Owner(OWNER, tuple(owner_roles)), lambda: now[0])
        stores = replace(stores, look_up=authority.look_up)
        app = App(stores, deployed_front, authority, max_body=10_000_000, max_answer=6_000_000)
        yield World(app, table, meter, now)


def named(kind: Kind, name: str) -> Pattern:
    return Pattern(kind, "name", name)


def prefixed(kind: Kind, prefix: str) -> Pattern:
    return Pattern(kind, "prefix", prefix)


def identified(experiment_id: str) -> Pattern:
    match: Match = "id"
    return Pattern("experiments", match, experiment_id)


def _whole(path: str) -> str:
    return path if path.startswith("/") else f"{V2}/{path}"
