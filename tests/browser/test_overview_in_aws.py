"""Cairn's own page behind sign-in, to who may see all of it, some of it and nothing."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Site
from tests.browser.signed_in import BrowserFront, address, browser_front, signed_in
from tests.browser.test_overview import OVERVIEW, answered, opened


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserFront]:
    with browser_front(tmp_path_factory.mktemp("front")) as started:
        yield started


@pytest.mark.usefixtures("shell")
def test_who_is_not_signed_in_is_led_to_where_one_signs_in(
    front: BrowserFront, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{front.uri}/ui/cairn")
    page.wait_for_url(re.compile("/ui/sign-in$"))
    expect(page.get_by_role("status")).to_have_text("You are not signed in.")


@pytest.mark.usefixtures("shell")
def test_who_may_see_everything_is_not_told_to_ask_for_it(
    front: BrowserFront, context: BrowserContext, capsys: pytest.CaptureFixture[str]
) -> None:
    page = signed_in(context, address(capsys))
    page.goto(f"{front.uri}/ui/cairn")
    expect(page.locator("#with-me-empty")).to_have_text("Nothing needs to be: you may see everything here.")
    expect(page.locator("#by-me-empty")).to_contain_text("You share nothing.")

    page = signed_in(context, address(capsys, "--permission", "READ"))
    page.goto(f"{front.uri}/ui/cairn")
    expect(page.locator("#with-me-empty")).to_have_text("Nothing needs to be: you may see everything here.")
    expect(page.locator("#by-me-empty")).to_have_text("Who manages this tracking server shares from it.")
    expect(page.locator("#caller")).to_have_text(re.compile(r"role/Train \(READ at most\)$"))
    page.get_by_role("link", name="Sign out").click()
    expect(page.locator("#who")).to_have_text(re.compile(r"role/Train \(READ at most\)$"))


@pytest.mark.usefixtures("shell")
def test_a_guest_to_whom_nothing_is_shared_is_told_whom_to_ask(
    front: BrowserFront, context: BrowserContext, capsys: pytest.CaptureFixture[str]
) -> None:
    def stranger(body: dict[str, Any]) -> None:
        body["caller"]["everything"] = "NONE"
        body["experiments"] = []

    page = signed_in(context, address(capsys))
    answered(page, stranger)
    page.goto(f"{front.uri}/ui/cairn")
    expect(page.locator("#experiments-empty")).to_have_text("There is no experiment that you may see.")
    expect(page.locator("#with-me-empty")).to_contain_text("Ask the owner of this tracking server")
    expect(page.locator("#by-me-empty")).to_have_text("Who manages this tracking server shares from it.")


def test_where_nothing_was_told_there_are_no_empty_boxes(site: Site) -> None:
    site.normal.append("/cairn/overview")
    error = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "The table is busy."}
    site.page.route(OVERVIEW, lambda route: route.fulfill(status=503, json=error))
    page = opened(site)
    expect(page.get_by_role("status")).to_have_text("The table is busy.")
    expect(page.get_by_role("main")).to_be_hidden()
    page.unroute(OVERVIEW)
    page.reload()
    expect(page.get_by_role("main")).to_be_visible()


def test_a_telephone_shows_the_lines_for_a_script_whole(site: Site) -> None:
    page = opened(site)
    expect(page.locator("#setup")).to_contain_text(site.uri)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('pre'))")
