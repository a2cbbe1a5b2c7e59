"""Artifacts on the pages: a preview of each kind, and what those of bad intent can do, which is nothing."""

import json

from playwright.sync_api import Page, expect

from tests.browser.conftest import Logged, Site

HOSTILE = ("page.html", "drawing.svg")
TITLE = "MLflow"


def chosen(page: Page, name: str) -> Page:
    page.get_by_text(name, exact=True).first.click()
    expect(page.get_by_text(f"/artifacts/{name}").first).to_be_visible()
    return page


def test_each_kind_is_previewed(site: Site, logged: Logged) -> None:
    page = site.open(f"/experiments/1/runs/{logged.run_ids[0]}/artifacts")
    page.get_by_text("notes", exact=True).click()
    page.get_by_text("readme.txt", exact=True).click()
    expect(page.get_by_text("hello cairn")).to_be_visible()
    expect(chosen(page, "cities.csv").get_by_text("177000")).to_be_visible()
    expect(chosen(page, "answers.json").get_by_role("cell", name="because")).to_be_visible()
    expect(chosen(page, "large.txt").get_by_text("line 0 of very many")).to_be_visible()
    picture = chosen(page, "grey.png").get_by_role("img", name="grey.png")
    expect(picture).to_have_js_property("naturalWidth", 16)
    with page.expect_download() as download:
        page.locator("[data-component-id*='artifactview.tsx']").click()
    assert download.value.suggested_filename == "grey.png"
    page = site.turn(f"/experiments/1/models/{logged.model_id}/artifacts")
    page.get_by_text("MLmodel", exact=True).click()
    expect(page.get_by_text("loader_module")).to_be_visible()


def test_scripts_in_artifacts_do_nothing(site: Site, logged: Logged) -> None:
    """The UI shows HTML in a frame without origin; the policy of the page, which that inherits, bars the
    script. An SVG is a picture. Opened by itself, either is saved."""
    site.normal.append("blob:")  # the console tells of the script that was barred
    page = site.open(f"/experiments/1/runs/{logged.run_ids[0]}/artifacts")
    with page.expect_console_message(lambda message: "Security" in message.text) as barred:
        frame = chosen(page, "page.html").frame_locator("iframe")
    expect(frame.get_by_role("heading", name="a page")).to_be_visible()
    expect(page.locator("iframe")).to_have_attribute("sandbox", "allow-scripts")
    assert "script-src 'self'" in barred.value.text
    picture = chosen(page, "drawing.svg").get_by_role("img", name="drawing.svg")
    expect(picture).to_have_js_property("naturalWidth", 90)
    assert TITLE in page.title()
    assert page.evaluate("document.documentElement.dataset.stolen") is None
    for name in HOSTILE:
        address = f"/get-artifact?path={name}&run_uuid={logged.run_ids[0]}"
        with page.expect_download() as download:
            page.evaluate("address => { location.href = address }", address)
        assert download.value.suggested_filename == name
        headers = page.evaluate("async a => Object.fromEntries((await fetch(a)).headers)", address)
        assert headers["content-disposition"].startswith("attachment"), json.dumps(headers)
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert headers["x-content-type-options"] == "nosniff"
    assert page.evaluate("document.documentElement.dataset.stolen") is None
