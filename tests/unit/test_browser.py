"""What a browser must show: where a change comes from, its cookie; and what the authorizer answers."""

import re
from typing import Any

import pytest

from cairn.domain.access import Permission
from cairn.errors import Unauthenticated
from cairn.protocol.actions import ACTIONS
from cairn.protocol.route_table import ROUTES
from cairn.sharing.authorizer import Authorizer, Refused
from cairn.sharing.browser import COOKIE, Asked, SessionAuthorizer, set_cookie
from cairn.sharing.caller import Caller, iam_caller, session_caller
from tests.unit.gateway_events import CALLERS

HOST = "abc123.execute-api.eu-west-1.amazonaws.com"
METHOD = "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/POST/ui/graphql"
GOOD = {
    "Host": [HOST],
    "Origin": [f"https://{HOST}"],
    "Sec-Fetch-Site": ["same-origin"],
    "Content-Type": ["application/json"],
    "Cookie": [f"{COOKIE}=abc"],
}
ADA = iam_caller({"identity": CALLERS["role"][0]})


def question(
    method: str = "POST", path: str = "/ui/graphql", **changed: list[str] | None
) -> dict[str, Any]:
    """API Gateway's, with the headers of the UI's own change; ``Sec_Fetch_Site=None`` leaves one out."""
    headers = GOOD | {name.replace("_", "-"): values for name, values in changed.items()}
    return {
        "type": "REQUEST",
        "methodArn": METHOD,
        "resource": "/ui/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in headers.items() if values},
        "multiValueHeaders": {name: values for name, values in headers.items() if values},
        "requestContext": {"domainName": HOST, "path": f"/prod{path}"},
    }


def admit(text: str) -> Caller:
    if text != "abc":
        raise Unauthenticated("no")
    return ADA


def decision(event: dict[str, Any], named: str = "") -> str:
    try:
        said = Authorizer(admit, SessionAuthorizer(admit, named).answer).answer(event)
    except Refused:
        return "401"
    (statement,) = said["policyDocument"]["Statement"]
    assert statement["Resource"] == METHOD
    return str(statement["Effect"])


def test_the_uis_own_change_is_let_in_as_who_signed_in() -> None:
    said = SessionAuthorizer(admit).answer(question())
    assert said["principalId"] == ADA.principal
    found = session_caller({"authorizer": {"principalId": said["principalId"], **said["context"]}})
    assert (found, found.front) == (ADA, "session")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "ANY"])
@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": None},
        {"Origin": ["null"]},
        {"Origin": ["https://evil.example"]},
        {"Origin": [f"http://{HOST}"]},
        {"Origin": [f"https://{HOST}:8443"]},
        {"Origin": [f"https://{HOST}.evil.example"]},
        {"Origin": [f"https://{HOST.upper()}"]},
        {"Origin": ["https://def456.execute-api.eu-west-1.amazonaws.com"]},
        {"Origin": [f"https://{HOST}", "https://evil.example"]},
        {"Sec_Fetch_Site": None},
        {"Sec_Fetch_Site": ["same-site"]},
        {"Sec_Fetch_Site": ["cross-site"]},
        {"Sec_Fetch_Site": ["none"]},
        {"Sec_Fetch_Site": ["same-origin", "cross-site"]},
        {"Content_Type": ["text/plain"]},
        {"Content_Type": ["application/x-www-form-urlencoded"]},
        {"Content_Type": ["multipart/form-data; boundary=application/json"]},
        {"Content_Type": ["application/json-seq"]},
        {"Content_Type": ["application/json", "text/plain"]},
    ],
    ids=str,
)
def test_a_change_from_elsewhere_is_denied(method: str, changed: dict[str, Any]) -> None:
    assert decision(question(method, **changed)) == "Deny"


def test_a_header_of_the_client_does_not_name_the_host() -> None:
    forged = question(
        Host=["evil.example"], Origin=["https://evil.example"], X_Forwarded_Host=["evil.example"]
    )
    assert decision(forged) == "Deny"
    assert decision(question(Host=["evil.example"])) == "Allow"


def test_the_origin_of_a_distribution_is_the_deployers_word_to_the_letter() -> None:
    """CloudFront asks with the API's own host; whose page it serves, ``Origin`` alone says."""
    cdn = "https://d111111abcdef8.cloudfront.net"
    assert decision(question(Origin=[cdn])) == "Deny"
    assert decision(question(Origin=[cdn]), cdn) == "Allow"
    assert decision(question(), cdn) == "Allow", "the API's own stays good"
    for origin in (
        "https://d222222abcdef8.cloudfront.net",
        "http://d111111abcdef8.cloudfront.net",
        f"{cdn}:8443",
        f"{cdn}/",
        f"{cdn}.evil.example",
        f"https://evil.example,{cdn}",
        cdn.upper(),
        "null",
        "",
    ):
        assert decision(question(Origin=[origin]), cdn) == "Deny", origin
    assert decision(question(Origin=[cdn, f"https://{HOST}"]), cdn) == "Deny"
    assert decision(question(Origin=None), cdn) == "Deny"
    assert decision(question(Origin=[cdn], Sec_Fetch_Site=["cross-site"]), cdn) == "Deny"
    assert decision(question(Origin=[cdn], Content_Type=["text/plain"]), cdn) == "Deny"
    unknown = question(Host=None, Origin=["https://"]) | {"requestContext": {}}
    assert decision(unknown, cdn) == "Deny"


def test_a_host_that_is_unknown_is_nobodys() -> None:
    event = question(Host=None, Origin=["https://"])
    event["requestContext"] = {}
    assert decision(event) == "Deny"


@pytest.mark.parametrize("type_", [None, ["text/plain"], ["image/png"]])
def test_a_file_is_uploaded_as_any_type_from_here_alone(type_: list[str] | None) -> None:
    path = "/ui/ajax-api/2.0/mlflow/upload-artifact"
    assert decision(question(path=path, Content_Type=type_)) == "Allow"
    assert decision(question(path=path, Content_Type=type_, Origin=["https://evil.example"])) == "Deny"
    assert decision(question(path=path, Content_Type=type_, Sec_Fetch_Site=None)) == "Deny"


def test_json_may_name_its_charset_and_a_deletion_has_no_body() -> None:
    assert decision(question(Content_Type=["application/json; charset=UTF-8"])) == "Allow"
    assert decision(question("DELETE", Content_Type=None)) == "Allow"
    assert decision(question("POST", Content_Type=None)) == "Deny"


def test_reading_needs_no_headers_but_is_not_for_other_sites() -> None:
    bare: dict[str, Any] = dict.fromkeys(("Origin", "Sec_Fetch_Site", "Content_Type"))
    for method in ("GET", "HEAD"):
        assert decision(question(method, **bare)) == "Allow"
        assert decision(question(method, **(bare | {"Sec_Fetch_Site": ["none"]}))) == "Allow"
        assert decision(question(method, **(bare | {"Sec_Fetch_Site": ["cross-site"]}))) == "Deny"
        assert decision(question(method, **(bare | {"Sec_Fetch_Site": ["same-site"]}))) == "Deny"


def test_no_get_changes_anything() -> None:
    """What lets GETs through without the headers of a change."""
    changing = [
        route.path
        for route in ROUTES
        if route.method == "GET"
        and (ACTIONS[route.action].permission > Permission.READ or not route.action.endswith(":read"))
        and ACTIONS[route.action].resource != "deployment"
    ]
    assert changing == []


@pytest.mark.parametrize(
    "cookies",
    [
        None,
        [""],
        ["other=abc"],
        [f"{COOKIE}=wrong"],
        [f"{COOKIE.lower()}=abc"],
        [f"{COOKIE}=abc; {COOKIE}=abc"],
        [f"{COOKIE}=abc", f"{COOKIE}=abc"],
        [f'{COOKIE}="abc"'],
        [f"x{COOKIE}=abc"],
    ],
    ids=str,
)
def test_without_one_good_cookie_nobody_is_let_in(cookies: list[str] | None) -> None:
    assert decision(question("GET", Cookie=cookies)) == "401"


def test_a_cookie_stands_among_others() -> None:
    assert decision(question("GET", Cookie=[f"theme=dark; {COOKIE}=abc", "x=y"])) == "Allow"


def test_a_session_is_not_asked_for_where_another_site_asks() -> None:
    def asked(text: str) -> Caller:
        raise AssertionError(text)

    said = SessionAuthorizer(asked).answer(question(Origin=["https://evil.example"]))
    assert said["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_the_kind_of_a_question_is_its_own() -> None:
    """A cookie is no token, nor does a header of one front count on the other."""
    both = Authorizer(admit, SessionAuthorizer(admit).answer)
    with pytest.raises(Refused):
        both.answer({"type": "REQUEST", "authorizationToken": "Bearer abc", **_without_cookie()})
    with pytest.raises(Refused):
        both.answer(question() | {"type": "TOKEN"})


def _without_cookie() -> dict[str, Any]:
    return {name: value for name, value in question(Cookie=None).items() if name != "type"}


def test_the_cookie_is_bound_to_this_host_and_read_by_no_script() -> None:
    set_ = set_cookie("abc", 60)
    name, *attributes = set_.split("; ")
    assert name == "__Host-cairn=abc"
    assert sorted(attributes) == ["HttpOnly", "Max-Age=60", "Path=/", "SameSite=Strict", "Secure"]
    assert re.search("domain", set_, re.IGNORECASE) is None
    assert set_cookie("", 0).startswith("__Host-cairn=; Max-Age=0; Path=/;")


def test_hosts_of_an_emulator_are_those_of_the_request() -> None:
    """One that does not tell the name by which it was called."""
    event = question(Host=["localhost:4570"])
    event["requestContext"] = {}
    assert Asked.of(event).host == "localhost:4570"


def test_pages_call_what_is_theirs() -> None:
    """The paths of scripts go to functions by another front; of them pages need Cairn's own alone."""
    assert decision(question(path="/ui/api/3.0/cairn/overview")) == "Allow"
    assert decision(question("GET", path="/ui/api/2.0/mlflow/artifacts/list")) == "Deny"
    assert decision(question(path="/ui/api/2.0/mlflow/runs/create")) == "Deny"
