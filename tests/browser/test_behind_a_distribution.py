"""The browser's front behind a distribution: another host, no stage in the path, ``Host`` not passed on.

What CloudFront's documentation says of it is done by a server here; what CloudFront does was never seen.
"""

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from cairn.http import handle
from cairn.sharing.authorizer import Authorizer
from cairn.sharing.browser import SessionAuthorizer
from tests.browser.conftest import PATIENCE_MS, Site
from tests.browser.forms import new_experiment
from tests.browser.signed_in import BrowserFront, browser_front
from tests.client.deployed import ARN
from tests.client.front import Front, serving
from tests.unit.gateway_events import event, signed


@dataclass
class Distribution(Front):
    """Before a front's ``/ui``, as ``infra/stacks/cdn.py`` puts it there."""

    before: Front | None = None
    origin: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", "0")))
        if not re.match(r"/ui(/|\?|$)", handler.path):
            self._reply(handler, 404, {}, b"")
            return
        assert self.before is not None
        behind = urlsplit(self.before.uri)
        trusted = ssl.create_default_context(cafile=str(self.before.certificate))
        connection = http.client.HTTPSConnection(behind.hostname or "", behind.port, context=trusted)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "host"}
            connection.request(handler.command, behind.path + handler.path, body, headers)
            answer = connection.getresponse()
            self._reply(handler, answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserFront]:
    with browser_front(tmp_path_factory.mktemp("front")) as started:
        yield started


@pytest.fixture
def distribution(front: BrowserFront, tmp_path: Path) -> Iterator[Distribution]:
    state = Distribution(None, before=front)
    with serving(state, tmp_path):
        state.origin = f"https://localhost:{urlsplit(state.uri).port}"
        yield state


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(ignore_https_errors=True, viewport={"width": 1400, "height": 900})
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


def code(front: BrowserFront) -> str:
    assert front.app is not None
    who = signed(ARN, "AROACKCEVSQ6C2EXAMPLE:job-7")
    asked = event(
        "/{proxy+}",
        "/api/3.0/cairn/sessions/code",
        method="POST",
        identity=who,
        headers={"Content-Type": ["application/json"]},
        body="{}",
    )
    answer = handle(front.app, asked)
    assert isinstance(answer.body, bytes)
    return str(json.loads(answer.body)["code"])


def name_its_origin(front: BrowserFront, origin: str) -> None:
    """The second deployment."""
    assert front.doors is not None
    front.doors = replace(front.doors, origin=origin)
    admit = front.doors.sign_in.admit
    front.authorizer = Authorizer(admit, SessionAuthorizer(admit, origin).answer)


def test_a_browser_signs_in_once_the_deployer_has_named_it(
    front: BrowserFront, distribution: Distribution, visitor: BrowserContext
) -> None:
    page, there = visitor.new_page(), distribution.origin
    page.goto(f"{there}/ui")
    page.wait_for_url(f"{there}/ui/sign-in")
    expect(page.get_by_role("status")).to_have_text("You are not signed in.")
    expect(page.locator("#lines")).to_have_text("cairn ui")
    page.goto(f"{there}/ui/sign-in#code={code(front)}")
    expect(page.get_by_role("status")).to_have_text("The request comes from a page of another origin.")
    assert visitor.cookies() == []

    name_its_origin(front, there)
    page = visitor.new_page()
    site = Site(there, page, normal=["experiments/get-by-name"])  # is the name free?
    page.goto(f"{there}/ui/sign-in#code={code(front)}")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{there}/ui/index.html**")
    (cookie,) = visitor.cookies()
    assert (cookie.get("domain"), cookie.get("path"), cookie.get("secure")) == ("localhost", "/", True)
    expect(page.get_by_role("link", name="Experiments").first).to_be_visible()
    page.evaluate("location.hash = '/experiments'")
    new_experiment(page, "from afar").click()
    expect(page).to_have_url(re.compile(r"#/experiments/\d+"))
    expect(page.get_by_text("from afar").first).to_be_visible()
    page.goto(f"{there}/ui/cairn")
    expect(page.get_by_role("status")).to_have_text(re.compile("^healthy"))
    expect(page.locator("#setup")).to_contain_text("MLFLOW_TRACKING_URI=<TrackingUri of the deployment>")
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    assert visitor.cookies() == []
    assert site.faults == []
