"""A deployment's browser front in this process, as far as API Gateway is one.

TLS, the stage, the files of the UI as their bucket would send them, the doors, the authorizer before each
call. Scripts' calls are signed.
"""

import base64
import gzip
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from cairn.app import build_local
from cairn.artifacts.site import LIST
from cairn.domain.pages import OWN_POLICY
from cairn.http import App, handle
from cairn.sharing import pages
from cairn.sharing.authorizer import Authorizer, Refused
from cairn.sharing.browser import SessionAuthorizer
from cairn.sharing.doors import Doors
from cairn.sharing.fronts import deployed_front
from cairn.sharing.sessions import SignIn
from cairn.sharing.tokens import Gatekeeper
from cairn.storage.sessions import Sessions
from cairn.storage.sqlite import SqliteTable
from cairn.storage.tokens import Tokens
from infra import site
from infra.constructs.browser_front import OPEN
from infra.gateway_responses import GATEWAY_ANSWERS
from mlflow_cairn import cli
from tests.client.deployed import ARN, METHOD, _query
from tests.client.front import REGION, Front, Seen, serving
from tests.client.gateway import refusal
from tests.unit.gateway_events import event, signed

STAGE = "/prod"
POLICIES = {
    site.STOCK: pages.stock_policy(["bucket.s3.eu-central-1.amazonaws.com"]),
    site.OWN: OWN_POLICY,
}


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of the API."""

    method: str
    path: str
    status: int
    content: bytes


@dataclass
class BrowserFront(Front):
    app: App | None = None
    doors: Doors | None = None
    authorizer: Authorizer | None = None
    files: dict[str, tuple[bytes, Mapping[str, str]]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    theirs: str = ""
    """A page of another site, at ``https://localhost:<port>/``."""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        full, _, query = handler.path.partition("?")
        self.seen.append(Seen(handler.command, full, headers, body))
        path = full.removeprefix(STAGE)
        given = event(
            "/ui/{proxy+}" if path.startswith("/ui") else "/{proxy+}",
            path,
            method=handler.command,
            query=_query(query),
            headers={name: [value] for name, value in headers.items()},
            body=base64.b64encode(body).decode() or None,
        )
        given["isBase64Encoded"] = bool(body)
        given["requestContext"] |= {"path": full, "domainName": headers["host"]}
        if headers["host"].startswith("localhost") and full == "/":
            self._reply(handler, 200, {"Content-Type": "text/html"}, self.theirs.encode())
        elif not full.startswith(f"{STAGE}/"):
            self._refuse(handler, "MISSING_AUTHENTICATION_TOKEN")
        elif not path.startswith("/ui"):
            self._signed(handler, given, headers, body)
        elif any(fnmatch(f"{handler.command}{path}", opened) for opened in OPEN):
            self._opened(handler, given, path)
        else:
            self._in_session(handler, given)

    def _signed(
        self, handler: BaseHTTPRequestHandler, given: dict[str, Any], headers: dict[str, str], body: bytes
    ) -> None:
        if refusal(handler.command, handler.path, headers, body, REGION):
            self._refuse(handler, "INVALID_SIGNATURE")
            return
        given["requestContext"]["identity"] = signed(ARN, "AROACKCEVSQ6C2EXAMPLE:job-7")
        self._call(handler, given)

    def _opened(self, handler: BaseHTTPRequestHandler, given: dict[str, Any], path: str) -> None:
        name = path.removeprefix("/ui").strip("/")
        if name in ("", "index.html") or name.startswith("session/"):
            assert self.doors is not None
            given["resource"] = "/ui/session/{action}" if name.startswith("session/") else path.rstrip("/")
            given["pathParameters"] = {"action": name.partition("/")[2]}
            answer = self.doors.answer(given)
            self._reply(handler, answer["statusCode"], answer["headers"], answer["body"].encode())
            return
        found = self.files.get(f"{name}/index.html" if name in ("cairn", "sign-in") else name)
        if found is None:
            self._reply(handler, 404, {"Content-Type": "application/json"}, b"{}")
            return
        content, sent = found
        headers = {"Content-Type": sent["type"], **pages.headers(POLICIES[sent["policy"]], sent["cache"])}
        if "encoding" in sent:
            headers["Content-Encoding"] = sent["encoding"]
        self._reply(handler, 200, headers, content)

    def _in_session(self, handler: BaseHTTPRequestHandler, given: dict[str, Any]) -> None:
        assert self.authorizer is not None
        asked = {**given, "type": "REQUEST", "methodArn": f"{METHOD}{handler.command}{given['path']}"}
        try:
            said = self.authorizer.answer(asked)
        except Refused:
            self._refuse(handler, "UNAUTHORIZED")
            return
        if said["policyDocument"]["Statement"][0]["Effect"] == "Deny":
            self._refuse(handler, "ACCESS_DENIED")
            return
        given["requestContext"]["authorizer"] = {"principalId": said["principalId"], **said["context"]}
        self._call(handler, given)

    def _call(self, handler: BaseHTTPRequestHandler, given: dict[str, Any]) -> None:
        assert self.app is not None
        answer = handle(self.app, given)
        content = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        self.told.append(Told(handler.command, given["path"], answer.status, content))
        self._reply(handler, answer.status, dict(answer.headers), content)

    def _refuse(self, handler: BaseHTTPRequestHandler, kind: str) -> None:
        self.refused.append(f"{kind} {handler.command} {handler.path}")
        said = GATEWAY_ANSWERS[kind]
        content = said.template().replace("$context.error.messageString", '"refused"').encode()
        self._reply(handler, said.status or 403, {"Content-Type": "application/json"}, content)


def address(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What ``cairn ui`` would open."""
    capsys.readouterr()
    assert cli.main(["ui", "--print", *more]) == 0
    return capsys.readouterr().out.strip()


def signed_in(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/prod/ui/index\.html"))
    return page


@contextmanager
def browser_front(folder: Path) -> Iterator[BrowserFront]:
    """Over an empty deployment whose data is in ``folder``."""
    app = build_local(folder / "cairn.db", folder / "artifacts", folder / "blobs", folder / "uploads")
    table = SqliteTable(folder / "cairn.db")
    sessions, tokens, clock = Sessions(table), Tokens(table), app.stores.clock
    sign_in = SignIn(sessions, clock, app.stores.bits)
    built = site.build()
    with zipfile.ZipFile(built.archive) as archive:
        listed = json.loads(archive.read(LIST))
        files = {name: (archive.read(name), sent) for name, sent in listed.items()}
    assert gzip.decompress(files["sign-in/sign-in.js"][0])
    page = (built.doors / "index.html").read_bytes()
    stores = replace(app.stores, tokens=tokens, sessions=sessions)
    state = BrowserFront(
        None,
        app=replace(app, stores=stores, front_of=deployed_front),
        doors=Doors(sign_in, page, pages.headers(POLICIES[site.STOCK], pages.ASK_AGAIN)),
        authorizer=Authorizer(
            Gatekeeper(tokens.find, clock).admit, SessionAuthorizer(sign_in.admit).answer
        ),
        files=files,
    )
    try:
        with serving(state, folder):
            state.uri += STAGE
            yield state
    finally:
        table.close()
