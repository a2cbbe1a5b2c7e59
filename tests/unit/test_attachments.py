"""How an artifact presents itself: saved, and never a script of the server's origin."""

import pytest

from cairn.domain.attachments import inert_type, served_type


@pytest.mark.parametrize("name", ["a.js", "a.mjs", "a/b.mjs", "MLmodel", "a.xml", "a.json", "a.csv"])
def test_text_and_scripts_are_plain(name: str) -> None:
    assert served_type(name) == "text/plain"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "image/png"), ("a.svg", "image/svg+xml"), ("a.html", "text/html")],
)
def test_what_a_preview_needs_keeps_its_type(name: str, kind: str) -> None:
    """A picture that is no picture is not shown."""
    assert served_type(name) == kind


@pytest.mark.parametrize("name", ["a.html", "a.htm", "x/A.SVG", "a.xml", "a.xhtml", "a.js", "a.mjs"])
def test_what_a_browser_would_run_is_text_in_s3(name: str) -> None:
    assert inert_type(name) == "text/plain; charset=utf-8"


@pytest.mark.parametrize("name", ["a.png", "a.csv", "model.bin", "MLmodel", "a.json", "a.pdf", "html"])
def test_what_it_would_not_run_keeps_its_type(name: str) -> None:
    assert inert_type(name) is None
