"""The same requests about artifacts to MLflow's own server and to Cairn: status, error, body, headers.

Both keep their files in a folder. Ids differ, so they are written as {run} and {model}.
"""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cairn.app import build_local
from cairn.http import handle, raw_methods
from tests.api.client import event

PROXY = "/api/2.0/mlflow-artifacts"
FILES = f"{PROXY}/artifacts"
V2 = "/api/2.0/mlflow"
AJAX = "/ajax-api/2.0/mlflow"
RUN = f"{FILES}/0/{{run}}/artifacts"
MODEL = f"{FILES}/0/models/{{model}}/artifacts"
HEADERS = ("Content-Type", "Content-Disposition", "X-Content-Type-Options", "Content-Length")


@dataclass
class Server:
    """``send`` gives status, headers and content."""

    send: Callable[[str, str, bytes | None], tuple[int, dict[str, str], bytes]]
    ids: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        _, _, run = self.send("POST", f"{V2}/runs/create", b'{"experiment_id": "0"}')
        self.ids["run"] = json.loads(run)["run"]["info"]["run_id"]
        _, _, model = self.send("POST", f"{V2}/logged-models", b'{"experiment_id": "0", "name": "m"}')
        self.ids["model"] = json.loads(model)["model"]["info"]["model_id"]
        for path in ("m/x.txt", "y.html", "sp ace.csv", "ünï.json", "MLmodel", "plot.png", "deep/er/z"):
            self.ask("PUT", f"{RUN}/{path}", b"hello")
        self.ask("PUT", f"{RUN}/empty", b"")
        self.ask("PUT", f"{MODEL}/m/x.txt", b"model")

    def ask(self, method: str, url: str, body: bytes | None = None) -> dict[str, Any]:
        """The answer with this server's ids taken out."""
        for name, value in self.ids.items():
            url = url.replace(f"{{{name}}}", value)
            body = body and body.replace(f"{{{name}}}".encode(), value.encode())
        status, headers, content = self.send(method, url, body)
        text = content.decode("utf-8", "replace")
        for name, value in self.ids.items():
            text = text.replace(value, f"{{{name}}}")
        if status >= 400:
            error = json.loads(text)
            return {"status": status, "code": error["error_code"], "message": error["message"]}
        if headers.get("Content-Type") == "application/json" and "Content-Disposition" not in headers:
            return {"status": status, "json": json.loads(text)}
        return {"status": status, "body": text} | {name: headers.get(name) for name in HEADERS}


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", str(folder / "artifacts"))
        patch.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
        from mlflow.server import app, handlers

        for name in ("_tracking_store", "_model_registry_store", "_artifact_repo"):
            patch.setattr(handlers, name, None)
        client = app.test_client()
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)

        def send(method: str, url: str, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
            kind = "application/octet-stream" if method == "PUT" else "application/json"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answer = client.open(url, method=method, data=body, content_type=kind if body else None)
                content = answer.get_data()
                answer.close()
            return answer.status_code, dict(answer.headers), content

        server = Server(send)
        server.prepare()
        yield server


@pytest.fixture(scope="module")
def cairn(tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("cairn")
    app = build_local(folder / "cairn.db", folder / "artifacts", folder / "blobs", folder / "uploads")

    def send(method: str, url: str, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        headers = {"Content-Type": ["application/json"], "Content-Length": [str(len(body or b""))]}
        request = event(
            method,
            parts.path,
            content=(body or b"").decode(),
            query=parse_qs(parts.query, keep_blank_values=True) or None,
            headers=headers,
        )
        is_raw = raw_methods(parts.path).get(method, False)
        answer = handle(app, request, io.BytesIO(body or b"") if is_raw else None)
        content = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        return answer.status, dict(answer.headers), content

    server = Server(send)
    server.prepare()
    return server


LIST = f"{V2}/artifacts/list"
UPLOAD_URL = f"{V2}/artifacts/presigned-upload-url"
DOWNLOAD_URL = f"{V2}/artifacts/presigned-download-url"

SAME: list[tuple[str, str, bytes | None]] = [
    *(
        ("GET", f"{RUN}/{path}", None)
        for path in ("m/x.txt", "y.html", "sp%20ace.csv", "%C3%BCn%C3%AF.json", "MLmodel")
    ),
    *(
        ("GET", f"{RUN}/{path}", None)
        for path in ("plot.png", "empty", "missing", "m", "deep", "m%2fx.txt", "m%252fx.txt")
    ),
    *(
        ("GET", f"{FILES}/{path}", None)
        for path in ("../x", "a/../x", "%2e%2e/x", "%252e%252e/x", "a%23b", "C:/x", "file:a")
    ),
    *(
        ("PUT", f"{FILES}/{path}", b"1")
        for path in ("../x", "a/%2E%2E/x", "%25252e%25252e/x", "a%23b", "C:/x", "a/%2e%2e%2fb")
    ),
    *(("DELETE", f"{FILES}/{path}", None) for path in ("../x", "missing", "a%23b")),
    *(
        ("GET", f"{FILES}?path={path}", None)
        for path in ("0/{run}/artifacts", "0/{run}/artifacts/m/", "missing", "%2e%2e")
    ),
    *(
        ("GET", f"{FILES}?path={path}", None)
        for path in ("/", "/a", "a%23b", "0/{run}/artifacts/m/x.txt", "0/{run}/artifacts/deep")
    ),
    ("GET", f"{FILES}?path=0/{{run}}/artifacts&path=missing", None),
    *(
        ("GET", f"{LIST}?run_id={{run}}{rest}", None)
        for rest in ("", "&path=m", "&path=m/", "&path=m/x.txt", "&path=nope")
    ),
    *(
        ("GET", f"{LIST}?run_id={{run}}{rest}", None)
        for rest in ("&path=", "&path=../", "&path=/m", "&path=deep/er")
    ),
    *(
        ("GET", f"{LIST}{rest}", None)
        for rest in ("?run_uuid={run}", "", "?run_id=nope", "?run_id=nope&path=..")
    ),
    *(
        ("GET", f"/get-artifact?{rest}", None)
        for rest in ("run_id={run}&path=m/x.txt", "run_uuid={run}&path=y.html")
    ),
    *(
        ("GET", f"/get-artifact?{rest}", None)
        for rest in ("path=m", "run_id=nope&path=x", "run_id={run}&path=../x")
    ),
    *(("GET", f"/get-artifact?{rest}", None) for rest in ("run_id={run}&path=m", "run_id={run}&path=nope")),
    *(
        ("GET", f"{V2}/logged-models/{{model}}/artifacts/directories{rest}", None)
        for rest in ("", "?artifact_directory_path=m")
    ),
    ("GET", f"{V2}/logged-models/{{model}}/artifacts/directories?artifact_directory_path=..", None),
    ("GET", f"{V2}/logged-models/m-nope/artifacts/directories", None),
    *(
        ("GET", f"{AJAX}/logged-models/{{model}}/artifacts/files{rest}", None)
        for rest in ("", "?artifact_file_path=m/x.txt")
    ),
    *(
        ("GET", f"{AJAX}/logged-models/{{model}}/artifacts/files?artifact_file_path={path}", None)
        for path in ("m", "no", "..")
    ),
    ("POST", f"{PROXY}/mpu/create/a", b'{"path": "x", "num_parts": 2}'),
    ("POST", f"{PROXY}/mpu/create/a", b'{"num_parts": 2}'),
    ("POST", f"{PROXY}/mpu/create/a", b'{"path": "x", "num_parts": "x"}'),
    ("POST", f"{PROXY}/mpu/create/../a", b'{"path": "x", "num_parts": 2}'),
    ("POST", f"{PROXY}/mpu/complete/a", b'{"path": "x"}'),
    ("POST", f"{PROXY}/mpu/complete/a", b'{"path": "x", "upload_id": "x", "parts": []}'),
    ("POST", f"{PROXY}/mpu/abort/a", b'{"path": "x", "upload_id": "x"}'),
    ("POST", f"{PROXY}/mpu/abort/a", b'{"path": "x", "upload_id": 3}'),
    ("GET", f"{PROXY}/presigned/0/{{run}}/artifacts/m/x.txt", None),
    ("GET", f"{PROXY}/presigned/../a", None),
    *(
        ("POST", url, body)
        for url in (UPLOAD_URL, DOWNLOAD_URL)
        for body in (
            b'{"run_id": "{run}", "path": "x"}',
            b'{"path": "x"}',
            b'{"run_id": "{run}"}',
            b'{"run_id": "nope", "path": "x"}',
            b'{"run_id": "{run}", "path": "../x"}',
            b'{"run_id": "{run}", "path": "x", "expiration": "x"}',
            b'{"run_id": "{run}", "path": "x", "expiration": "5"}',
        )
    ),
    ("POST", UPLOAD_URL, b'{"run_id": "{run}", "model_id": "m", "path": "x"}'),
    ("POST", UPLOAD_URL, b'{"model_id": "nope", "path": "x"}'),
    ("POST", UPLOAD_URL, b'{"model_id": "{model}", "path": "x"}'),
    ("POST", DOWNLOAD_URL, b'{"run_id": "{run}", "path": "x", "expiration": 0}'),
    ("POST", DOWNLOAD_URL, b'{"run_id": "{run}", "path": "x", "expiration": 604801}'),
]


@pytest.mark.parametrize(("method", "url", "body"), SAME)
def test_answers_are_mlflows(
    mlflow_server: Server, cairn: Server, method: str, url: str, body: bytes | None
) -> None:
    assert cairn.ask(method, url, body) == mlflow_server.ask(method, url, body)


STRICTER = {
    "a//b": "an empty segment, which two engines would store as two different names",
    "a%5cb": "a backslash is a separator on another platform",
    "C:x": "a drive letter; MLflow stores it in lower case",
    "a%00b": "a null byte; MLflow stores the characters %00, which it cannot read back from a bucket",
    "a/./b": "MLflow answers 500 INTERNAL_ERROR",
    "./a": "MLflow answers 500 INTERNAL_ERROR",
    "http://x/y": "MLflow answers 500 INTERNAL_ERROR",
    "%C0%AE": "bytes that are no UTF-8; MLflow makes one name of many",
}


@pytest.mark.parametrize("path", sorted(STRICTER))
def test_where_we_are_stricter(mlflow_server: Server, cairn: Server, path: str) -> None:
    """Each path is one that MLflow stores, or fails at with 500."""
    assert cairn.ask("PUT", f"{FILES}/{path}", b"1") == {
        "status": 400,
        "code": "INVALID_PARAMETER_VALUE",
        "message": "Invalid path",
    }
    assert mlflow_server.ask("PUT", f"{FILES}/{path}", b"1")["status"] in (200, 500)


def test_a_tree_is_deleted_alike(mlflow_server: Server, cairn: Server) -> None:
    for server in (mlflow_server, cairn):
        server.ask("PUT", f"{MODEL}/tree/a/b", b"1")
        server.ask("PUT", f"{MODEL}/trees", b"1")
        assert server.ask("DELETE", f"{MODEL}/tree/") == {"status": 200, "json": {}}
        listed = server.ask("GET", f"{V2}/logged-models/{{model}}/artifacts/directories")["json"]
        assert [file["path"] for file in listed["files"]] == ["m", "trees"]


def test_no_folder_is_left_behind(cairn: Server, tmp_path: Path) -> None:
    cairn.ask("PUT", f"{RUN}/alone/a", b"1")
    cairn.ask("DELETE", f"{RUN}/alone/a")
    listed = cairn.ask("GET", f"{LIST}?run_id={{run}}&path=alone")["json"]
    assert "files" not in listed
