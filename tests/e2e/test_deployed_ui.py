"""Signing a browser in on the deployed template: the code by a signed IAM user, the doors, the authorizer.

The emulator's API Gateway has no integration with S3, so the UI's files are looked at in their bucket; it
hands the function the path without the stage, as AWS does, and tells no domain name.
"""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from cairn.sharing.browser import COOKIE
from infra.settings import Settings
from tests.e2e.stage import Deployment, deployment

JSON = {"Content-Type": "application/json"}
CODE = "/api/3.0/cairn/sessions/code"
WHO = "/ui/api/3.0/cairn/whoami"
CREATE = "/ui/ajax-api/2.0/mlflow/experiments/create"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("deployed-ui"), Settings(stage="ui", ui=True)) as made:
        made.add_user("ada", made.invoke)
        yield made


def code(deployed: Deployment, **fields: object) -> str:
    answer = deployed.send("ada", "POST", CODE, json.dumps(fields).encode())
    assert answer.status_code == 200, answer.text
    return str(answer.json()["code"])


def door(deployed: Deployment, action: str, body: object, **headers: str) -> requests.Response:
    return deployed.unsigned(
        "POST", f"/ui/session/{action}", json.dumps(body).encode(), from_here(deployed) | headers
    )


def from_here(deployed: Deployment) -> dict[str, str]:
    """The headers that a browser sends with a page's own request."""
    return {**JSON, "Origin": f"https://{host(deployed)}", "Sec-Fetch-Site": "same-origin"}


def host(deployed: Deployment) -> str:
    return deployed.uri.removeprefix("https://").partition("/")[0]


def test_a_browser_is_signed_in_and_calls_as_who_asked(deployed: Deployment) -> None:
    one = code(deployed)
    look = door(deployed, "look", {"code": one})
    assert look.status_code == 200, look.text
    assert look.json()["principal"].endswith(":user/ada")
    opened = door(deployed, "open", {"code": one})
    assert opened.status_code == 200, opened.text
    cookie, *attributes = opened.headers["Set-Cookie"].split("; ")
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert door(deployed, "open", {"code": one}).status_code == 401, "once"

    who = deployed.unsigned("GET", WHO, headers={"Cookie": cookie})
    assert who.status_code == 200, who.text
    assert (who.json()["front"], who.json()["name"]) == ("session", "ada")
    body = json.dumps({"name": "by hand"}).encode()
    made = deployed.unsigned("POST", CREATE, body, {**from_here(deployed), "Cookie": cookie})
    assert made.status_code == 200, made.text
    elsewhere = {**from_here(deployed), "Origin": "https://evil.example", "Cookie": cookie}
    assert deployed.unsigned("POST", CREATE, body, elsewhere).status_code == 403
    bare = {**JSON, "Cookie": cookie}
    assert deployed.unsigned("POST", CREATE, body, bare).status_code == 403

    page = deployed.unsigned("GET", "/ui/index.html", headers={"Cookie": cookie})
    assert page.status_code == 200
    assert "static-files/static/js/main." in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]

    closed = deployed.unsigned(
        "POST", "/ui/session/close", b"{}", {**from_here(deployed), "Cookie": cookie}
    )
    assert "Max-Age=0" in closed.headers["Set-Cookie"]
    assert deployed.unsigned("GET", WHO, headers={"Cookie": cookie}).status_code == 401


def test_who_shows_no_session_is_nobody(deployed: Deployment) -> None:
    for headers in ({}, {"Cookie": "theme=dark"}, {"Cookie": f"{COOKIE}=cairn-session_{'A' * 65}"}):
        assert deployed.unsigned("GET", WHO, headers=headers).status_code == 401
    assert deployed.unsigned("POST", CODE, b"{}", JSON).status_code in (401, 403)
    assert deployed.unsigned("GET", "/api/2.0/mlflow/experiments/search").status_code in (401, 403)


def test_the_files_lie_in_a_bucket_of_their_own(deployed: Deployment) -> None:
    s3 = deployed.emulator.client("s3")
    folder: dict[str, Any] = {}
    for bucket in s3.list_buckets()["Buckets"]:
        listed = s3.list_objects_v2(Bucket=bucket["Name"], MaxKeys=1000).get("Contents", ())
        folder |= {item["Key"]: bucket["Name"] for item in listed if "/static-files/" in item["Key"]}
    key = next(key for key in folder if "/static/js/main." in key and key.endswith(".js"))
    found = s3.get_object(Bucket=folder[key], Key=key)
    assert found["CacheControl"].endswith("immutable")
    assert "script-src 'self'" in found["Metadata"]["policy"]
    assert deployed.bucket in found["Metadata"]["policy"], "where presigned URLs lead"
    assert b"mlflow" in gzip.decompress(found["Body"].read()).lower()
