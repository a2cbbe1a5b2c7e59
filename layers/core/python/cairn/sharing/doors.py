"""What API Gateway lets anybody ask, on the browser's front: the page of the UI, and sign-in and sign-out.

Nobody vouches for who asks here. Each answer hangs on a code or a session that the request itself shows,
and reads or writes these alone. The rest of the front, the API, is behind the authorizer of sessions.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cairn.errors import (
    CairnError,
    EndpointNotFound,
    InvalidParameterValue,
    PermissionDenied,
    Unauthenticated,
)
from cairn.sharing.browser import Asked, set_cookie
from cairn.sharing.sessions import SignIn
from cairn.sharing.tokens import caller_of

Answer = dict[str, Any]
"""As a proxy integration returns it."""

NOT_KEPT = {"Cache-Control": "no-store"}
_MOST_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Doors:
    """``page`` is the UI's index.html, ``headers`` what it is sent with. ``origin``: as ``Asked.named``."""

    sign_in: SignIn
    page: bytes
    headers: Mapping[str, str]
    origin: str = ""

    def answer(self, event: Mapping[str, Any]) -> Answer:
        """Of a REST API's proxy event, by the resource that took it. Raises nothing but faults."""
        try:
            return self._answer(event)
        except CairnError as error:
            return _json(error.status, error.as_dict())

    def _answer(self, event: Mapping[str, Any]) -> Answer:
        method, resource = event["httpMethod"], event["resource"]
        asked = Asked.of(event, self.origin)
        if method == "GET" and resource == "/ui":
            return _redirect(event, "ui/index.html")
        if method == "GET" and resource == "/ui/index.html":
            return self._page(asked, event)
        if method == "POST" and resource == "/ui/session/{action}":
            action = (event.get("pathParameters") or {}).get("action")
            if asked.fault:
                raise PermissionDenied(asked.fault)
            if action == "look":
                return self._look(_code(event))
            if action == "open":
                return self._open(_code(event))
            if action == "close":
                return self._close(asked.session)
        raise EndpointNotFound(f"There is no endpoint {method} {event['path']!r}.")

    def _page(self, asked: Asked, event: Mapping[str, Any]) -> Answer:
        """MLflow's UI for who is signed in, the way to it for all others. 1 BatchGetItem with a cookie."""
        try:
            self.sign_in.admit(asked.session or "")
        except Unauthenticated:
            return _redirect(event, "sign-in")
        headers = {**self.headers, **NOT_KEPT, "Content-Type": "text/html; charset=utf-8"}
        return {"statusCode": 200, "headers": headers, "body": self.page.decode()}

    def _look(self, code: str) -> Answer:
        """Whose session a code would open; it stays good."""
        session = self.sign_in.look(code).session
        return _json(
            200,
            {
                "account": session.account,
                "principal": caller_of(session).principal,
                "permission": session.ceiling.name,
                "expires": session.expires,
            },
        )

    def _open(self, code: str) -> Answer:
        opened = self.sign_in.open(code)
        seconds = self.sign_in.remaining(opened.session)
        cookie = {"Set-Cookie": set_cookie(opened.text, seconds)}
        return _json(200, {"expires": opened.session.expires}, cookie)

    def _close(self, session: str | None) -> Answer:
        """Signed out, whether one was signed in or not."""
        if session is not None:
            self.sign_in.close(session)
        return _json(200, {}, {"Set-Cookie": set_cookie("", 0)})


def _code(event: Mapping[str, Any]) -> str:
    """Raises InvalidParameterValue."""
    body = event.get("body") or ""
    try:
        content = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        said = json.loads(content) if len(content) <= _MOST_BYTES else None
    except (binascii.Error, ValueError):
        said = None
    code = said.get("code") if isinstance(said, dict) else None
    if not isinstance(code, str):
        raise InvalidParameterValue('The body must be {"code": "..."}.')
    return code


def _redirect(event: Mapping[str, Any], sibling: str) -> Answer:
    """To what lies beside the path that the browser asked for. Which that is, it alone knows: behind a
    distribution it has no stage. A slash at its end is a step down."""
    down = "../" if str(event["requestContext"]["path"]).endswith("/") else ""
    return {"statusCode": 302, "headers": {"Location": f"{down}{sibling}", **NOT_KEPT}, "body": ""}


def _json(status: int, said: object, headers: Mapping[str, str] | None = None) -> Answer:
    return {
        "statusCode": status,
        "headers": {
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            **NOT_KEPT,
            **(headers or {}),
        },
        "body": json.dumps(said),
    }
