"""Signing in from the command line to a call of the browser: codes, sessions, and what is refused."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from cairn.domain.tokens import HOUR_MS
from cairn.sharing import pages
from cairn.sharing.authorizer import Authorizer, Refused
from cairn.sharing.browser import COOKIE, SessionAuthorizer
from cairn.sharing.doors import Doors
from cairn.sharing.fronts import deployed_front
from cairn.sharing.sessions import CODE_PREFIX, SESSION_PREFIX, SignIn
from cairn.sharing.tokens import Gatekeeper
from cairn.storage.sessions import Sessions
from cairn.storage.sqlite import SqliteTable
from cairn.storage.tokens import Tokens
from tests.api.client import Client, Reply
from tests.unit.gateway_events import CALLERS, event

OWN = "/api/3.0/cairn"
HOST = "abc123.execute-api.eu-west-1.amazonaws.com"
CDN = "https://d111111abcdef8.cloudfront.net"
JSON = {"Content-Type": ["application/json"]}
FROM_HERE = {**JSON, "Origin": [f"https://{HOST}"], "Sec-Fetch-Site": ["same-origin"], "Host": [HOST]}
ARN = "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/"
PAGE = b"<!doctype html><title>MLflow</title>"
CREATE = "/ajax-api/2.0/mlflow/experiments/create"


class Browser:
    """One with a jar for one cookie, at a deployment with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.client = Client(folder)
        self.now = 1_795_262_400_000
        self.table = SqliteTable(self.client.database)
        sessions, tokens = Sessions(self.table), Tokens(self.table)

        def clock() -> int:
            return self.now

        stores = self.client.app.stores
        self.client.app = replace(
            self.client.app,
            stores=replace(stores, tokens=tokens, sessions=sessions, clock=clock),
            front_of=deployed_front,
        )
        self.sign_in = SignIn(sessions, clock, stores.bits)
        policy = pages.stock_policy(["bucket.s3.eu-west-1.amazonaws.com"])
        self.doors = Doors(self.sign_in, PAGE, pages.headers(policy, pages.ASK_AGAIN))
        self.authorizer = Authorizer(
            Gatekeeper(tokens.find, clock).admit, SessionAuthorizer(self.sign_in.admit).answer
        )
        self.cookie = ""

    def signed(self, path: str, body: object = None, who: str = "role", method: str = "POST") -> Reply:
        given = event(
            "/{proxy+}",
            path,
            identity=CALLERS[who][0],
            method=method,
            headers=JSON,
            body=json.dumps(body or {}),
        )
        return self.client.send(given)

    def code(self, who: str = "role", **fields: object) -> str:
        answer = self.signed(f"{OWN}/sessions/code", fields, who)
        assert answer.status == 200, answer.content
        return str(answer.json["code"])

    def door(self, action: str, code: str | None = None, **headers: list[str] | None) -> dict[str, Any]:
        """A call of the sign-in page."""
        body = json.dumps({} if code is None else {"code": code})
        given = event(
            "/ui/session/{action}",
            f"/ui/session/{action}",
            method="POST",
            headers=self.headers(headers),
            body=base64.b64encode(body.encode()).decode(),
        )
        given |= {"pathParameters": {"action": action}, "isBase64Encoded": True}
        return self.doors.answer(given)

    def page(self, path: str = "/ui/index.html") -> dict[str, Any]:
        return self.doors.answer(event(path, path, headers=self.headers({}, bare=True)))

    def open(self, code: str, **headers: list[str] | None) -> dict[str, Any]:
        answer = self.door("open", code, **headers)
        if answer["statusCode"] == 200:
            self.cookie = str(answer["headers"]["Set-Cookie"]).split(";")[0]
        return answer

    def call(self, method: str, path: str, body: object = None, **headers: list[str] | None) -> Reply:
        """As API Gateway does it: the authorizer first. Raises Refused where that does."""
        given = event(
            "/ui/{proxy+}",
            f"/ui{path}",
            method=method,
            headers=self.headers(headers),
            body=None if body is None else json.dumps(body),
        )
        said = self.authorizer.answer({**given, "type": "REQUEST", "methodArn": f"{ARN}{method}/ui{path}"})
        if said["policyDocument"]["Statement"][0]["Effect"] == "Deny":
            return Reply(403, {}, b'{"error_code": "PERMISSION_DENIED"}')
        given["requestContext"]["authorizer"] = {"principalId": said["principalId"], **said["context"]}
        return self.client.send(given)

    def headers(self, changed: dict[str, list[str] | None], *, bare: bool = False) -> dict[str, list[str]]:
        named = {name.replace("_", "-"): values for name, values in changed.items()}
        sent = {**({} if bare else FROM_HERE), "Cookie": [self.cookie] if self.cookie else None, **named}
        return {name: values for name, values in sent.items() if values is not None}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    made = Browser(tmp_path)
    yield made
    made.table.close()


def test_a_code_names_who_asked_and_opens_a_session_of_theirs(browser: Browser) -> None:
    code = browser.code()
    said = json.loads(browser.door("look", code)["body"])
    assert said == {
        "account": "123456789012",
        "principal": "arn:aws:iam::123456789012:role/Train",
        "permission": "MANAGE",
        "expires": browser.now + 12 * HOUR_MS,
    }
    assert json.loads(browser.door("look", code)["body"]) == said, "looking does not use it up"
    opened = browser.open(code)
    assert opened["statusCode"] == 200
    who = browser.call("GET", f"{OWN}/whoami").json
    assert (who["principal"], who["front"], who["ceiling"], who["session"]) == (
        "arn:aws:iam::123456789012:role/Train",
        "session",
        "MANAGE",
        "job-7",
    )
    assert browser.call("POST", CREATE, {"name": "by hand"}).status == 200


def test_the_cookie_and_the_headers_of_its_answer(browser: Browser) -> None:
    opened = browser.open(browser.code())
    cookie, *attributes = opened["headers"]["Set-Cookie"].split("; ")
    assert cookie.startswith(f"{COOKIE}={SESSION_PREFIX}")
    assert sorted(attributes) == ["HttpOnly", f"Max-Age={12 * 3600}", "Path=/", "SameSite=Strict", "Secure"]
    assert opened["headers"]["Cache-Control"] == "no-store"
    assert opened["headers"]["X-Content-Type-Options"] == "nosniff"
    assert SESSION_PREFIX not in opened["body"], "no script of the page learns it"


def test_a_code_opens_one_session(browser: Browser) -> None:
    code = browser.code()
    assert browser.open(code)["statusCode"] == 200
    before = browser.client.dump()
    for action in ("look", "open"):
        assert browser.door(action, code)["statusCode"] == 401
    assert browser.client.dump() == before


def test_a_code_is_good_for_a_minute(browser: Browser) -> None:
    first, second = browser.code(), browser.code()
    browser.now += 59_999
    assert browser.door("look", first)["statusCode"] == 200
    assert browser.open(first)["statusCode"] == 200
    browser.now += 1
    before = browser.client.dump()
    assert browser.door("look", second)["statusCode"] == 401
    assert browser.open(second)["statusCode"] == 401
    assert browser.client.dump() == before


def test_an_altered_code_opens_nothing(browser: Browser) -> None:
    code = browser.code()
    another = browser.code("user")
    locator = len(CODE_PREFIX) + 22
    altered = [
        code[:-1] + ("A" if code[-1] != "A" else "B"),
        code[:locator] + another[locator:],
        another[:locator] + code[locator:],
        code.replace(CODE_PREFIX, SESSION_PREFIX),
        code.replace(CODE_PREFIX, "cairn_"),
        code + "A",
        f" {code}",
        code.upper(),
        "",
    ]
    before = browser.client.dump()
    for text in altered:
        assert browser.door("look", text)["statusCode"] == 401, text
        assert browser.open(text)["statusCode"] == 401, text
    assert browser.client.dump() == before


@pytest.mark.parametrize(
    "body", ["", "null", "[]", '"x"', "{}", '{"code": 5}', '{"code": null}', "{", '{"code": "' + "x" * 1000]
)
def test_a_body_that_is_no_code_is_refused(body: str, browser: Browser) -> None:
    given = event("/ui/session/{action}", "/ui/session/open", method="POST", headers=FROM_HERE, body=body)
    answer = browser.doors.answer(given | {"pathParameters": {"action": "open"}})
    assert (answer["statusCode"], json.loads(answer["body"])["error_code"]) == (
        400,
        "INVALID_PARAMETER_VALUE",
    )


FOREIGN = [
    {"Origin": ["https://evil.example"]},
    {"Origin": None},
    {"Origin": ["null"]},
    {"Sec_Fetch_Site": None},
    {"Sec_Fetch_Site": ["cross-site"]},
    {"Sec_Fetch_Site": ["same-site"]},
    {"Content_Type": ["application/x-www-form-urlencoded"]},
    {"Content_Type": ["text/plain"]},
    {"Content_Type": None},
]
"""A page elsewhere, a form, a fetch without CORS, a browser that tells nothing."""


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_sites_page_neither_signs_in_nor_out_nor_changes(
    headers: dict[str, Any], browser: Browser
) -> None:
    browser.open(browser.code())
    code = browser.code("user")
    before = browser.client.dump()
    for action in ("look", "open", "close"):
        answer = browser.door(action, code, **headers)
        assert answer["statusCode"] == 403
        assert "Set-Cookie" not in answer["headers"]
    assert browser.call("POST", CREATE, {"name": "x"}, **headers).status == 403
    assert browser.call("POST", "/graphql", {"query": "{ __typename }"}, **headers).status == 403
    assert browser.client.dump() == before


@pytest.mark.parametrize("path", ["/ui/session/open", "/ui/session/close", "/ui/session/look"])
def test_a_get_opens_and_closes_nothing(path: str, browser: Browser) -> None:
    browser.open(browser.code())
    code = browser.code()
    before = browser.client.dump()
    given = event(
        "/ui/session/{action}",
        path,
        headers=browser.headers({}),
        query={"code": [code]},
        body=json.dumps({"code": code}),
    )
    answer = browser.doors.answer(given | {"pathParameters": {"action": path.rpartition("/")[2]}})
    assert answer["statusCode"] == 404
    assert browser.call("GET", CREATE).status == 404
    assert browser.client.dump() == before


def test_another_users_cookie_is_another_users(browser: Browser) -> None:
    browser.open(browser.code("user"))
    ada = browser.cookie
    browser.open(browser.code("role"))
    train = browser.cookie
    assert browser.call("GET", f"{OWN}/whoami").json["name"] == "Train"
    browser.cookie = ada
    assert browser.call("GET", f"{OWN}/whoami").json["name"] == "ada"
    start = len(f"{COOKIE}={SESSION_PREFIX}") + 22
    browser.cookie = train[:start] + ada[start:]
    with pytest.raises(Refused):
        browser.call("GET", f"{OWN}/whoami")
    browser.cookie = f"{ada}; {train}"
    with pytest.raises(Refused):
        browser.call("GET", f"{OWN}/whoami")


def test_neither_code_nor_token_is_a_session_nor_the_reverse(browser: Browser) -> None:
    code = browser.code()
    token = str(browser.signed(f"{OWN}/tokens/create").json["token"])
    for text in (code, token, code.replace(CODE_PREFIX, SESSION_PREFIX)):
        browser.cookie = f"{COOKIE}={text}"
        with pytest.raises(Refused):
            browser.call("GET", f"{OWN}/whoami")
    browser.cookie = ""
    browser.open(code)
    session = browser.cookie.partition("=")[2]
    for text in (session, code):
        asked = {"type": "TOKEN", "authorizationToken": f"Bearer {text}", "methodArn": ARN}
        with pytest.raises(Refused):
            browser.authorizer.answer(asked)
    assert browser.door("open", session)["statusCode"] == 401


def test_a_session_ends_when_it_was_to(browser: Browser) -> None:
    browser.open(browser.code(hours=1))
    browser.now += HOUR_MS - 1
    assert browser.call("GET", f"{OWN}/whoami").status == 200
    assert browser.page()["statusCode"] == 200
    browser.now += 1
    with pytest.raises(Refused):
        browser.call("GET", f"{OWN}/whoami")
    assert browser.page()["headers"]["Location"] == "sign-in"


@pytest.mark.parametrize("fields", [{"hours": 13}, {"hours": 0}, {"permission": "NONE"}])
def test_more_than_a_session_may_be_is_refused(fields: dict[str, object], browser: Browser) -> None:
    before = browser.client.dump()
    assert browser.signed(f"{OWN}/sessions/code", fields).error == (400, "INVALID_PARAMETER_VALUE")
    assert browser.client.dump() == before


def test_a_session_may_be_for_reading_alone(browser: Browser) -> None:
    browser.open(browser.code(permission="READ"))
    assert browser.call("POST", CREATE, {"name": "x"}).error == (403, "PERMISSION_DENIED")


def test_revoking_voids_codes_and_sessions_with_the_tokens(browser: Browser) -> None:
    browser.open(browser.code())
    code = browser.code()
    browser.now += 1_000
    assert browser.signed(f"{OWN}/tokens/revoke").status == 200
    with pytest.raises(Refused):
        browser.call("GET", f"{OWN}/whoami")
    assert browser.page()["statusCode"] == 302
    assert browser.open(code)["statusCode"] == 401


def test_a_list_of_tokens_has_neither_codes_nor_sessions(browser: Browser) -> None:
    browser.open(browser.code())
    browser.code()
    assert browser.signed(f"{OWN}/tokens/list", method="GET").json == {"tokens": []}


def test_a_code_that_was_shown_while_it_was_revoked_opens_nothing_lasting(browser: Browser) -> None:
    """The session is as old as its code, so a mark between the two voids it."""
    code = browser.code()
    browser.now += 1_000
    taking = browser.sign_in._store.take_code

    def revoked_meanwhile(holder: str, hashed: str) -> bool:
        browser.signed(f"{OWN}/tokens/revoke")
        return taking(holder, hashed)

    browser.sign_in._store.take_code = revoked_meanwhile  # type: ignore[method-assign]
    browser.open(code)
    with pytest.raises(Refused):
        browser.call("GET", f"{OWN}/whoami")


def test_signing_out_ends_the_session_and_takes_the_cookie_back(browser: Browser) -> None:
    browser.open(browser.code())
    answer = browser.door("close")
    assert answer["statusCode"] == 200
    assert answer["headers"]["Set-Cookie"] == (
        f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict"
    )
    with pytest.raises(Refused):
        browser.call("GET", f"{OWN}/whoami")
    assert browser.door("close")["statusCode"] == 200, "again"
    browser.cookie = ""
    assert browser.door("close")["statusCode"] == 200, "who is not signed in"


def test_only_a_signature_asks_for_a_code(browser: Browser) -> None:
    browser.open(browser.code())
    before = browser.client.dump()
    for path in ("sessions/code", "tokens/create", "tokens/revoke"):
        assert browser.call("POST", f"{OWN}/{path}", {}).error == (403, "PERMISSION_DENIED")
    assert browser.call("POST", "/ajax-api/3.0/cairn/sessions/code", {}).status == 404
    assert browser.client.dump() == before


def test_a_deployment_without_the_ui_gives_no_code(browser: Browser) -> None:
    app = browser.client.app
    browser.client.app = replace(app, stores=replace(app.stores, sessions=None))
    assert browser.signed(f"{OWN}/sessions/code").error == (404, "ENDPOINT_NOT_FOUND")


def test_a_local_server_gives_no_code_and_says_where_its_ui_is(client: Client) -> None:
    refused = client.post(f"{OWN}/sessions/code")
    assert refused.error == (404, "ENDPOINT_NOT_FOUND")
    assert "its address, opened in a browser, is the UI" in refused.json["message"]


def test_the_table_holds_neither_code_nor_session(browser: Browser) -> None:
    code = browser.code()
    assert code[-43:] not in str(browser.client.dump())
    browser.open(code)
    assert browser.cookie[-43:] not in str(browser.client.dump())


def test_the_page_is_for_who_is_signed_in(browser: Browser) -> None:
    assert browser.page()["statusCode"] == 302
    assert browser.page()["headers"] == {"Location": "sign-in", "Cache-Control": "no-store"}
    browser.open(browser.code())
    page = browser.page()
    assert (page["statusCode"], page["body"].encode()) == (200, PAGE)
    headers = page["headers"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["object-src"] == "'none'"
    assert "https://bucket.s3.eu-west-1.amazonaws.com" in policy["connect-src"].split()
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/ui", "/ui/"])
@pytest.mark.parametrize("before", [f"https://{HOST}/prod", CDN])
def test_the_front_itself_leads_to_the_page(before: str, path: str, browser: Browser) -> None:
    """The API is asked for a path with the stage; a distribution is asked for one without."""
    given = event("/ui", path)
    assert given["requestContext"]["path"] == f"/prod{path}"
    answer = browser.doors.answer(given)
    assert answer["statusCode"] == 302
    assert urljoin(f"{before}{path}", answer["headers"]["Location"]) == f"{before}/ui/index.html"
    given["requestContext"]["path"] = "//evil.example/ui"
    location = browser.doors.answer(given)["headers"]["Location"]
    assert urljoin(f"https://{HOST}//evil.example/ui", location).startswith(f"https://{HOST}/")


@pytest.mark.parametrize("slash", ["", "/"])
def test_who_is_not_signed_in_is_led_beside_the_page(slash: str, browser: Browser) -> None:
    for before in (f"https://{HOST}/prod", CDN):
        answer = browser.doors.answer(event("/ui/index.html", f"/ui/index.html{slash}"))
        asked = f"{before}/ui/index.html{slash}"
        assert urljoin(asked, answer["headers"]["Location"]) == f"{before}/ui/sign-in"


def test_pages_of_a_distribution_sign_in_where_the_deployer_named_it(browser: Browser) -> None:
    from_there: Any = {"Origin": [CDN], "X_Forwarded_Host": [CDN.removeprefix("https://")]}
    code = browser.code()
    assert browser.door("look", code, **from_there)["statusCode"] == 403, "nobody named it"
    browser.doors = replace(browser.doors, origin=CDN)
    browser.authorizer = Authorizer(
        Gatekeeper(Tokens(browser.table).find, lambda: browser.now).admit,
        SessionAuthorizer(browser.sign_in.admit, CDN).answer,
    )
    assert browser.door("look", code, Origin=["https://evil.example"])["statusCode"] == 403
    assert browser.door("look", code)["statusCode"] == 200, "the API's own page still"
    assert browser.open(code, **from_there)["statusCode"] == 200
    assert browser.call("POST", CREATE, {"name": "one"}, **from_there).status == 200
    assert browser.call("POST", CREATE, {"name": "two"}, Origin=["https://evil.example"]).status == 403
    assert browser.door("close", **from_there)["statusCode"] == 200


def test_who_asks_for_a_code_is_told_of_the_distribution(browser: Browser) -> None:
    assert "ui" not in browser.signed(f"{OWN}/sessions/code").json
    stores = replace(browser.client.app.stores, ui_origin=CDN)
    browser.client.app = replace(browser.client.app, stores=stores)
    assert browser.signed(f"{OWN}/sessions/code").json["ui"] == f"{CDN}/ui"
