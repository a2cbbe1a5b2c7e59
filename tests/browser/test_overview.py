"""Cairn's own page, as a user sees it. ``site`` fails a test at any fault, its own policy's among them."""

import json
import re
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Logged, Site

OVERVIEW = "**/api/3.0/cairn/overview"
HOSTILE = "<img src=x onerror=\"document.title='stolen'\">"


def opened(site: Site) -> Page:
    site.page.goto(f"{site.uri}/cairn")
    return site.page


def answered(page: Page, change: Any) -> None:
    """The page sees what ``change`` makes of the server's own answer."""

    def fulfill(route: Route) -> None:
        body = route.fetch().json()
        change(body)
        route.fulfill(json=body)

    page.route(OVERVIEW, fulfill)


def test_it_tells_what_is_here_and_leads_on(site: Site, logged: Logged) -> None:
    page = opened(site)
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^healthy, \d+ ms$"))
    expect(page.get_by_text("cairn local")).to_be_visible()
    lines = ["pip install mlflow", f"export MLFLOW_TRACKING_URI={site.uri}", "python train.py"]
    expect(page.locator("#setup")).to_have_text("\n".join(lines))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(lines)
    told = json.loads(logged.server.request("GET", "/api/3.0/cairn/overview")[1])
    versions = f"Cairn {told['versions']['cairn']} · MLflow {told['versions']['mlflow']}"
    expect(page.get_by_text(versions)).to_be_visible()
    expect(page.get_by_text("everything here is yours")).to_be_visible()
    expect(page.get_by_text("nothing to share on one machine")).to_be_visible()
    page.get_by_role("link", name="churn").click()
    expect(page.get_by_role("heading", name="Training runs")).to_be_visible()
    assert page.url.startswith(f"{site.uri}/#/experiments/1/runs")
    page.goto(f"{site.uri}/cairn")
    page.get_by_role("link", name="Models").click()
    expect(page).to_have_url(f"{site.uri}/#/models")
    expect(page.get_by_role("heading", name="Registered Models")).to_be_visible()


def test_neither_the_page_nor_what_it_tells_is_for_other_sites(logged: Logged) -> None:
    for path in ("/cairn", "/cairn/overview.js", "/api/3.0/cairn/overview"):
        assert logged.server.request("GET", path)[0] == 200
        for headers in ({"Host": "elsewhere.example"}, {"Origin": "https://elsewhere.example"}):
            assert logged.server.request("GET", path, headers=headers)[0] == 403, (path, headers)


def test_it_is_read_in_the_dark_and_on_a_telephone(site: Site) -> None:
    page = opened(site)
    expect(page.get_by_role("status")).to_have_text(re.compile("^healthy"))  # nothing is shown before
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_shares_are_listed_as_text(site: Site) -> None:
    """Names are whatever somebody called them."""

    def shared(body: dict[str, Any]) -> None:
        one = {"kind": "experiments", "match": "prefix", "text": "churn-", "permission": "READ"}
        body["shared_with_me"] = [one | {"who": "210987654321", "share": "partners"}]
        body["shared_by_me"] = [
            one | {"match": "prefix", "text": "", "who": "o-abcdefghij", "share": "all"},
            one | {"kind": "models", "match": "name", "text": HOSTILE, "permission": "WRITE", "who": "1"},
        ]
        body["experiments"] = [{"experiment_id": "7", "name": HOSTILE, "creation_time": 0, "note": HOSTILE}]

    answered(site.page, shared)
    page = opened(site)
    expect(page.locator("#with-me li")).to_have_text("experiments churn-*READ · 210987654321 · partners")
    mine = page.locator("#by-me li")
    expect(mine).to_have_text(
        ["all experimentsREAD · o-abcdefghij · all", f"registered model {HOSTILE}WRITE · 1"]
    )
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    assert page.title() == "Cairn"
    assert page.locator("main img").count() == 0


def test_an_empty_or_ailing_server_says_so(site: Site) -> None:
    answered(site.page, lambda body: body.update(experiments=[]))
    page = opened(site)
    expect(page.get_by_text("Nothing is logged yet")).to_be_visible()
    site.normal.append("/cairn/overview")
    page.unroute(OVERVIEW)
    error = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "The table is busy."}
    page.route(OVERVIEW, lambda route: route.fulfill(status=503, json=error))
    page.reload()
    expect(page.get_by_role("status")).to_have_text("The table is busy.")
    page.unroute(OVERVIEW)
    page.route(OVERVIEW, lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("status")).to_have_text("does not answer")
