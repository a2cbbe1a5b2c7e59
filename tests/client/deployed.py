"""A deployment in this process, as far as API Gateway is one: TLS, signatures checked on the signed front,
the authorizer asked on the token front, events to the handler that AWS would call."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cairn.app import build_local
from cairn.http import App, handle
from cairn.sharing.authorizer import Authorizer, Refused
from cairn.sharing.fronts import deployed_front
from cairn.sharing.tokens import Gatekeeper
from cairn.storage.sqlite import SqliteTable
from cairn.storage.tokens import Tokens
from infra.gateway_responses import GATEWAY_ANSWERS
from tests.client.front import REGION, Front, Seen, serving
from tests.client.gateway import refusal
from tests.unit.gateway_events import event, signed

ARN = "arn:aws:sts::123456789012:assumed-role/Train/job-7"
METHOD = "arn:aws:execute-api:eu-central-1:123456789012:abc123/prod/"


@dataclass
class Deployed(Front):
    """``app`` with the fronts of AWS; every good signature is that of ``ARN``. ``moved`` maps a path to a
    status and where it is sent."""

    app: App | None = None
    moved: dict[str, tuple[int, str]] = field(default_factory=dict)
    authorizer: Authorizer | None = None

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        assert self.app is not None
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        path, _, query = handler.path.partition("?")
        self.seen.append(Seen(handler.command, path, headers, body))
        if path in self.moved:
            status, location = self.moved[path]
            self._reply(handler, status, {"Location": location}, b"")
            return
        vouched = self._vouched(handler, headers, body)
        if isinstance(vouched, str):
            self.refused.append(f"{handler.command} {handler.path}: {vouched}")
            said = GATEWAY_ANSWERS["UNAUTHORIZED"]
            content = said.template().encode()
            self._reply(handler, said.status or 401, {"Content-Type": "application/json"}, content)
            return
        given = event(
            "/t/{proxy+}" if path.startswith("/t/") else "/{proxy+}",
            path,
            method=handler.command,
            query=_query(query),
            headers={name: [value] for name, value in headers.items()},
            body=base64.b64encode(body).decode() or None,
            **vouched,
        )
        given["isBase64Encoded"] = bool(body)
        answer = handle(self.app, given)
        content = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        self._reply(handler, answer.status, dict(answer.headers), content)

    def _vouched(
        self, handler: BaseHTTPRequestHandler, headers: Mapping[str, str], body: bytes
    ) -> dict[str, Any] | str:
        """What API Gateway says of the caller, or why it refuses."""
        if not handler.path.startswith("/t/"):
            reason = refusal(handler.command, handler.path, headers, body, REGION)
            return reason or {"identity": signed(ARN, "AROACKCEVSQ6C2EXAMPLE:job-7")}
        assert self.authorizer is not None
        asked = {
            "type": "TOKEN",
            "authorizationToken": headers.get("authorization"),
            "methodArn": f"{METHOD}{handler.command}{handler.path}",
        }
        try:
            said = self.authorizer.answer(asked)
        except Refused:
            return "no good token"
        return {"authorizer": {"principalId": said["principalId"], **said["context"]}}


@contextmanager
def deployed(folder: Path) -> Iterator[Deployed]:
    """Over an empty deployment whose data is in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    app = build_local(folder / "cairn.db", folder / "artifacts", folder / "blobs", folder / "uploads")
    table = SqliteTable(folder / "cairn.db")
    tokens = Tokens(table)
    state = Deployed(
        None,
        app=replace(app, stores=replace(app.stores, tokens=tokens), front_of=deployed_front),
        authorizer=Authorizer(Gatekeeper(tokens.find, app.stores.clock).admit),
    )
    try:
        with serving(state, folder):
            yield state
    finally:
        table.close()


def _query(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found
