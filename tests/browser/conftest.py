"""A local server with runs and a model of the stock client, and a browser that tells of every fault.

The browser is the system's Chromium (`make browser` installs Debian's). Without one these tests fail: they
are never skipped.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tests.client.front import Front
from tests.client.shell import enter_shell
from tests.e2e.local_cairn import QUIET, LocalCairn, local_cairn

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 30_000
HARMLESS = ("ResizeObserver loop completed with undelivered notifications.",)
"""Console messages of the UI's own layout, in any browser and on any server."""


@dataclass
class Site:
    """A page of the UI; ``faults`` are what a user would not want: failed requests, errors in the console,
    anything sent elsewhere than to this server."""

    uri: str
    page: Page
    faults: list[str] = field(default_factory=list)
    normal: list[str] = field(default_factory=list)
    """Parts of URLs whose requests may fail: what the page itself expects to be missing, or elsewhere."""
    index: str = "/"
    """Where the UI's page lies below ``uri``."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("response", self._answered)
        self.page.on("request", self._asked)
        self.page.on("requestfailed", self._failed)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))

    def open(self, route: str) -> Page:
        """Loaded anew."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.uri}{self.index}#{route}")
        return self.page

    def turn(self, route: str) -> Page:
        """Another page of the UI that is loaded, as by a link. Not after a change: the page may be about to
        go elsewhere by itself."""
        self.page.evaluate("route => { location.hash = route }", route)
        return self.page

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.uri, "data:", "blob:", "about:")):
            self._fault(f"foreign: {request.url}", request.url)

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._fault(f"{response.status} {response.request.method} {response.url}", response.url)

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left meanwhile
            self._fault(f"failed: {request.url} {request.failure}", request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(text in message.text for text in HARMLESS):
            self._fault(f"console: {message.text}", message.location.get("url", ""))

    def _fault(self, told: str, url: str) -> None:
        if not any(part in url for part in self.normal):
            self.faults.append(told)


@dataclass(frozen=True)
class Logged:
    """What ``seed`` logged."""

    server: LocalCairn
    run_ids: list[str]
    model_id: str


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    folder = tmp_path_factory.mktemp("browser")
    with local_cairn("--data", str(folder / "data")) as server:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", Path(__file__).with_name("seed.py"), server.uri],
            env=os.environ | QUIET,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *run_ids, model_id = done.stdout.strip().splitlines()[-1].split()
        yield Logged(server, run_ids, model_id)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing: `make browser` installs it")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def site(chromium: Browser, logged: Logged) -> Iterator[Site]:
    """A fresh browser profile; at its end there must have been no fault."""
    context = chromium.new_context(viewport={"width": 1500, "height": 1000}, locale="en-US")
    opened = Site(logged.server.uri, context.new_page())
    yield opened
    context.close()
    assert not opened.faults, "\n".join(opened.faults)


@pytest.fixture
def shell(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with AWS credentials, and a front of the module's own."""
    enter_shell(monkeypatch, front, MLFLOW_TRACKING_URI=front.uri)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(
        ignore_https_errors=True, viewport={"width": 1400, "height": 900}, locale="en-US"
    )
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()
