"""How an artifact presents itself: saved, and never a script of the server's origin."""

import pytest

from cairn.domain.attachments import served_type


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
