"""MLflow's UI from its installed wheel, and who may call the local server: WSGI without a socket."""

import json
import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.release import MLFLOW_VERSION
from cairn.local import ui
from cairn.local.events import Environ, StartResponse
from cairn.local.guard import Guard
from cairn.local.ui import StockUi, find_build

Reply = tuple[int, dict[str, str], bytes]


def behind(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("X-From", "behind")])
    return [b"behind"]


def ask(application: Any, path: str = "/", method: str = "GET", **headers: str) -> Reply:
    started: list[Any] = []
    environ = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": path,
        "PATH_INFO": path,
        "HTTP_HOST": "localhost:5000",
    }
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    body = b"".join(application(environ, lambda status, fields: started.append((status, dict(fields)))))
    status, fields = started[0]
    return int(status[:3]), fields, body


@pytest.fixture(scope="module")
def build() -> Path:
    found = find_build(MLFLOW_VERSION)
    assert isinstance(found, Path)
    return found


@pytest.fixture
def stock(build: Path) -> StockUi:
    return StockUi(behind, build, MLFLOW_VERSION)


def test_every_file_is_served_as_the_wheel_has_it(stock: StockUi, build: Path) -> None:
    files = [path for path in build.rglob("*") if path.is_file()]
    assert len(files) > 300
    for path in files:
        status, headers, body = ask(stock, f"/static-files/{path.relative_to(build).as_posix()}")
        assert (status, body) == (200, path.read_bytes()), path
        assert headers["Content-Type"] != "application/octet-stream" or path.suffix == ".eot", path


def test_the_index_asks_for_files_that_are_there(stock: StockUi, build: Path) -> None:
    status, headers, body = ask(stock)
    assert (status, body) == (200, (build / "index.html").read_bytes())
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    asked = re.findall(r'(?:src|href)="\.?/?(static-files/[^"]+)"', body.decode())
    assert len(asked) == 4
    for path in asked:
        assert ask(stock, f"/{path}")[0] == 200, path


def test_names_with_a_hash_are_kept_others_are_asked_for_again(stock: StockUi, build: Path) -> None:
    script = next((build / "static" / "js").glob("main.*.js")).name
    headers = ask(stock, f"/static-files/static/js/{script}")[1]
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Content-Type"].startswith("text/javascript")
    index = ask(stock)[1]
    assert index["Cache-Control"] == "no-cache"
    status, again, body = ask(stock, if_none_match=f'"other", {index["ETag"]}')
    assert (status, body, again["ETag"]) == (304, b"", index["ETag"])
    assert ask(stock, if_none_match='"other"')[0] == 200


def test_pages_carry_security_headers(stock: StockUi) -> None:
    headers = ask(stock)[1]
    policy = headers["Content-Security-Policy"].split("; ")
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"


def test_head_has_the_headers_alone(stock: StockUi) -> None:
    status, headers, body = ask(stock, method="HEAD")
    assert (status, body) == (200, b"")
    _, shown, index = ask(stock)
    assert (headers["ETag"], headers["Content-Length"]) == (shown["ETag"], str(len(index)))


@pytest.mark.parametrize(
    "path",
    [
        "/static-files/../../../version.py",
        "/static-files/%2e%2e/%2e%2e/%2e%2e/version.py",
        "/static-files//etc/passwd",
        "/static-files/a%00b",
        "/static-files/",
        "/static-files/static",
        "/static-files/no-such-file.js",
        "/health",
    ],
)
def test_anything_else_is_not_the_uis(stock: StockUi, path: str) -> None:
    assert ask(stock, path)[2] == b"behind"


def test_a_post_is_not_the_uis(stock: StockUi) -> None:
    assert ask(stock, "/", "POST")[2] == b"behind"


def test_without_the_wheel_a_page_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(ui, "distribution", missing)
    application = StockUi(behind, find_build("3.17.2"), "3.17.2")
    status, headers, body = ask(application)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert b"pip install --no-deps mlflow==3.17.2" in body
    assert b"It is not installed." in body
    assert ask(application, "/static-files/x.js")[2] == b"behind"


def test_the_extra_installs_the_ui_that_is_served() -> None:
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["ui"] == [f"mlflow=={MLFLOW_VERSION}"]


def test_the_ui_of_another_version_is_not_shown() -> None:
    found = find_build("3.0.0")
    assert isinstance(found, str)
    assert MLFLOW_VERSION in found


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "LOCALHOST:1",
        "127.0.0.1:5000",
        "127.9.9.9",
        "[::1]:5000",
        "a.localhost",
    ],
)
def test_this_machine_may_call_by_its_names(host: str) -> None:
    assert ask(Guard(behind), host=host)[2] == b"behind"
    assert ask(Guard(behind), host=host, origin=f"http://{host}")[2] == b"behind"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1:5000",
        "[::2]",
        "[",
        "a@b",
    ],
)
def test_another_name_is_refused(host: str) -> None:
    status, headers, body = ask(Guard(behind), host=host)
    assert (status, headers["Content-Type"]) == (403, "application/json")
    error = json.loads(body)
    assert error["error_code"] == "PERMISSION_DENIED"
    assert "--host" in error["message"]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://localhost:8888",
        "https://localhost:5000",
        "localhost:5000",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_page_of_another_site_is_refused(method: str, origin: str) -> None:
    status, _, body = ask(Guard(behind), method=method, origin=origin)
    assert status == 403
    assert repr(origin) in json.loads(body)["message"]


def test_a_refused_head_has_no_body() -> None:
    assert ask(Guard(behind), method="HEAD", host="evil.example")[::2] == (403, b"")
