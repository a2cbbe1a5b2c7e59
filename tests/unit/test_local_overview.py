"""Cairn's own page: WSGI without a socket."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from cairn.domain.release import CAIRN_VERSION
from cairn.local.events import Environ, StartResponse
from cairn.local.overview import FILES, OverviewPage
from tests.unit.test_local_ui import ask


def behind(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", [])
    return [b"behind"]


@pytest.fixture(scope="module")
def page() -> OverviewPage:
    return OverviewPage(behind)


def test_the_page_and_what_it_asks_for_are_served_with_a_policy(page: OverviewPage) -> None:
    status, headers, body = ask(page, "/cairn")
    assert (status, body) == (200, (FILES / "index.html").read_bytes())
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    asked = set(re.findall(r'(?:src|href)="(cairn/[^"]+)"', body.decode()))
    assert asked == {"cairn/overview.css", "cairn/overview.js", "cairn/icon.svg"}
    for path in asked:
        status, headers, body = ask(page, f"/{path}")
        assert (status, body) == (200, (FILES / path.removeprefix("cairn/")).read_bytes())
        policy = headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
        assert "unsafe" not in headers["Content-Security-Policy"]


def test_nothing_is_inline(page: OverviewPage) -> None:
    """The policy would bar it."""
    body = ask(page, "/cairn")[2].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", body)
    assert "innerHTML" not in (FILES / "overview.js").read_text()


@pytest.mark.parametrize(
    "path", ["/", "/cairnx", "/cairn/none", "/cairn/../local/run.py", "/api/3.0/cairn/overview"]
)
def test_everything_else_is_for_who_is_behind(path: str, page: OverviewPage) -> None:
    assert ask(page, path)[2] == b"behind"
    assert ask(page, "/cairn", method="POST")[2] == b"behind"


def test_a_slash_too_many_leads_back(page: OverviewPage) -> None:
    status, headers, _ = ask(page, "/cairn/")
    assert (status, headers["Location"]) == (308, "../cairn")


def test_the_page_is_sent_once(page: OverviewPage) -> None:
    tag = ask(page, "/cairn")[1]["ETag"]
    assert ask(page, "/cairn", if_none_match=tag)[0] == 304


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == CAIRN_VERSION
