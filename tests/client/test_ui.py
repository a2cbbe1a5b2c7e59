"""``cairn ui``: which address a browser is sent to, and what happens where none opens.

The whole way, to a click and back, is tests/browser/test_sign_in.py's.
"""

import pytest

from mlflow_cairn.server import Failed, Server
from mlflow_cairn.ui import open_ui

URI = "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"
CODE = "cairn-code_" + "A" * 65
SAID: dict[str, object] = {
    "code": CODE,
    "principal": "arn:aws:iam::123456789012:role/Train",
    "permission": "READ",
    "session_expires": 1_795_262_400_000,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    calls: list[object] = []

    def post(self: Server, path: str, body: object) -> dict[str, object]:
        calls.append((self.uri, path, body))
        return SAID

    monkeypatch.setattr(Server, "post", post)
    return calls


def test_a_browser_is_sent_there_with_the_code_in_the_fragment(
    asked: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    printed = open_ui(Server.of(f"{URI}/"), "READ", 1, browse=browse)
    assert opened == [f"{URI}/ui/sign-in#code={CODE}"]
    assert asked == [(URI, "sessions/code", {"permission": "READ", "hours": 1})]
    said = capsys.readouterr().err
    assert printed == ""
    assert CODE not in said, "a terminal is scrolled back"
    assert "role/Train, READ at most, until 2026-11-21 12:00 UTC" in said


def test_a_browser_is_sent_to_the_distribution_that_the_deployment_names(
    asked: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = "https://d111111abcdef8.cloudfront.net/ui"
    monkeypatch.setitem(SAID, "ui", there)
    assert open_ui(Server(URI), "READ", 1, only_print=True) == f"{there}/sign-in#code={CODE}\n"
    assert capsys.readouterr().err.startswith(f"{there} as ")
    assert asked == [(URI, "sessions/code", {"permission": "READ", "hours": 1})]


@pytest.mark.parametrize(
    "ui",
    ["http://d.example/ui", "https://d.example/ui\n", "https://a@d.example/ui", "file:///ui", "", None],
)
def test_what_is_no_such_address_is_not_opened(
    asked: list[object], monkeypatch: pytest.MonkeyPatch, ui: str | None
) -> None:
    monkeypatch.setitem(SAID, "ui", ui)
    with pytest.raises(Failed, match="no such address"):
        open_ui(Server(URI), "READ", 1, only_print=True)
    assert asked


def test_where_no_browser_opens_the_address_is_printed(
    asked: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert open_ui(Server(URI), "READ", 1, browse=lambda _: False) == f"{URI}/ui/sign-in#code={CODE}\n"
    assert "within a minute" in capsys.readouterr().err


def test_printing_opens_none(asked: list[object]) -> None:
    def browse(url: str) -> bool:
        raise AssertionError(url)

    assert CODE in open_ui(Server(URI), "READ", 1, only_print=True, browse=browse)
