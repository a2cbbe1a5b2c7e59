"""Signing in as a user does: ``cairn ui``, a click, MLflow's UI, sign-out; and pages of other sites."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from cairn.sharing.browser import COOKIE
from tests.browser.conftest import Site
from tests.browser.forms import new_experiment
from tests.browser.signed_in import BrowserFront, address, browser_front, signed_in

ROLE = "arn:aws:iam::123456789012:role/Train"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserFront]:
    with browser_front(tmp_path_factory.mktemp("front")) as started:
        yield started


@pytest.mark.usefixtures("shell")
def test_from_the_command_to_the_ui_and_out_again(
    front: BrowserFront, context: BrowserContext, capsys: pytest.CaptureFixture[str]
) -> None:
    page = context.new_page()
    normal = ["experiments/get-by-name", "whoami"]  # is the name free? who is it? Nobody yet
    site = Site(front.uri, page, normal=normal)
    page.goto(f"{front.uri}/ui")
    expect(page.get_by_role("status")).to_have_text("You are not signed in.")
    expect(page.locator("#lines")).to_contain_text(f"cairn ui --server {front.uri}")

    page.goto(address(capsys))
    expect(page.locator("#principal")).to_have_text(ROLE)
    expect(page.locator("#account")).to_have_text("123456789012")
    assert "#" not in page.url, "the code stays in no history"
    assert context.cookies() == []
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/prod/ui/index\.html"))
    expect(page.get_by_role("link", name="Experiments").first).to_be_visible()
    normal.remove("whoami")

    (cookie,) = context.cookies()
    assert cookie.get("name") == COOKIE
    assert (cookie.get("httpOnly"), cookie.get("secure"), cookie.get("sameSite")) == (True, True, "Strict")
    assert (cookie.get("path"), cookie.get("domain")) == ("/", "127.0.0.1")
    assert page.evaluate("document.cookie") == ""

    page.evaluate("location.hash = '/experiments'")
    new_experiment(page, "by hand").click()
    expect(page).to_have_url(re.compile(r"#/experiments/\d+"))
    expect(page.get_by_text("by hand").first).to_be_visible()
    assert site.faults == []

    page.goto(f"{front.uri}/ui/cairn")
    expect(page.get_by_role("status")).to_have_text(re.compile("^healthy"))
    expect(page.get_by_text(ROLE)).to_be_visible()
    expect(page.locator("#setup")).to_contain_text(f"MLFLOW_TRACKING_URI={front.uri}\n")
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="Registered Models")).to_be_visible()
    page.goto(f"{front.uri}/ui/cairn")
    page.get_by_role("link", name="Sign out").click()
    expect(page.locator("#who")).to_have_text(ROLE)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    assert site.faults == []
    assert context.cookies() == []
    page.goto(f"{front.uri}/ui/index.html")
    page.wait_for_url(re.compile("/ui/sign-in$"))
    kept = {"name": COOKIE, "value": cookie.get("value", ""), "url": front.uri, "secure": True}
    context.add_cookies([kept])  # type: ignore[list-item]  # who kept it
    page.goto(f"{front.uri}/ui/index.html")
    page.wait_for_url(re.compile("/ui/sign-in$"))


@pytest.mark.usefixtures("shell")
def test_a_code_that_was_used_says_so(
    front: BrowserFront, chromium: Browser, context: BrowserContext, capsys: pytest.CaptureFixture[str]
) -> None:
    url = address(capsys, "--permission", "READ", "--hours", "1")
    page = signed_in(context, url)
    assert page.evaluate("fetch('api/3.0/cairn/whoami').then(r => r.json())")["ceiling"] == "READ"
    other = chromium.new_context(ignore_https_errors=True)
    another = other.new_page()
    another.goto(url)
    expect(another.get_by_role("status")).to_contain_text("Run `cairn ui` again")
    expect(another.locator("#lines")).to_contain_text("cairn ui")
    assert other.cookies() == []
    other.close()


@pytest.mark.usefixtures("shell")
def test_a_page_elsewhere_changes_nothing(
    front: BrowserFront, context: BrowserContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """A form, a fetch with the cookie and one without CORS, a frame; with this browser signed in."""
    signed_in(context, address(capsys))
    changes = f"{front.uri}/ui/ajax-api/2.0/mlflow/experiments/create"
    out = f"{front.uri}/ui/session/close"
    front.theirs = f"""<form method=post enctype="text/plain" action="{changes}" target=into>
        <input name='{{"name": "forged", "x": "' value='"}}'></form><iframe name=into></iframe>
        <iframe id=ui src="{front.uri}/ui/index.html"></iframe>"""

    page = context.new_page()
    front.seen.clear()
    page.goto(f"https://localhost:{urlsplit(front.uri).port}/")
    for url in (changes, out):
        page.evaluate(
            """async ([url]) => { for (const mode of ["cors", "no-cors"]) {
                await fetch(url, {method: "POST", mode, credentials: "include",
                    body: '{"name": "forged"}'}).catch(() => 0) } }""",
            [url],
        )
    with page.expect_response(changes):
        page.evaluate("document.forms[0].submit()")
    foreign = [seen for seen in front.seen if seen.headers.get("sec-fetch-site") == "cross-site"]
    posted = [seen.path for seen in foreign if seen.method == "POST"]
    assert posted == [urlsplit(url).path for url in (changes, changes, out, out, changes)]
    assert all(COOKIE not in seen.headers.get("cookie", "") for seen in foreign), "SameSite=Strict"
    ours = context.new_page()
    ours.goto(f"{front.uri}/ui/cairn")
    expect(ours.get_by_role("status")).to_have_text(re.compile("^healthy"))
    expect(ours.get_by_text("forged")).to_have_count(0)
