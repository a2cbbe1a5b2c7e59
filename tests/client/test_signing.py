"""What is signed is what arrives: odd queries, paths and bodies, against AWS's rules and botocore's own."""

import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from requests import PreparedRequest, Request

from mlflow_cairn import body as bodies
from mlflow_cairn.creation import CREATES
from mlflow_cairn.credentials import AwsIdentity
from mlflow_cairn.signing import ADDED, CairnAuth
from tests.client.gateway import SECRETS, canonical_request, refusal

HOST = "abc123.execute-api.eu-west-1.amazonaws.com"
REGION = "eu-west-1"
BASE = f"https://{HOST}/prod"


class Fixed:
    """A botocore session that knows one pair of keys, and no region."""

    def __init__(self, token: str | None = None) -> None:
        (key,) = SECRETS
        self._credentials = Credentials(key, SECRETS[key], token)

    def get_credentials(self) -> Credentials:
        return self._credentials

    def get_config_variable(self, name: str) -> None:
        return None


def auth(token: str | None = None, named: tuple[str, ...] = (), region: str | None = None) -> CairnAuth:
    environ = {"AWS_REGION": region} if region else {}
    session: Any = lambda: Fixed(token)  # noqa: E731 -- a factory
    return CairnAuth(AwsIdentity(session, lambda: 0.0, environ), lambda: named)


def prepared(method: str, url: str, signer: CairnAuth | None = None, **kwargs: Any) -> PreparedRequest:
    return Request(method, url, auth=signer or auth(), **kwargs).prepare()


def sent_body(request: PreparedRequest) -> bytes:
    body: Any = request.body
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    return b"".join(body)


def arrives(request: PreparedRequest, region: str = REGION) -> str | None:
    """The gateway's opinion of the request as it goes over the wire."""
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    assert request.url is not None
    assert request.method is not None
    headers["host"] = urlsplit(request.url).netloc
    return refusal(request.method, request.path_url, headers, sent_body(request), region)


QUERIES: list[Any] = [
    {"filter": "name = 'a b' AND tags.`x y` != '1+1'"},
    [("id", "b"), ("id", "a"), ("id", "b")],
    {"order_by": ["name ASC", "creation_timestamp DESC"]},
    {"q": "a=b&c", "empty": "", "q2": "100% ~ * ' ( )"},
    {"name": "ü/日本", "page_token": "a+b/c=="},
    [("b", "1"), ("a-b", "2"), ("a", "3"), ("A", "4")],
]


@pytest.mark.parametrize("token", [None, "session/token+=="])
@pytest.mark.parametrize("params", QUERIES)
def test_queries_that_the_stock_signer_gets_wrong(params: Any, token: str | None) -> None:
    request = prepared("GET", f"{BASE}/api/2.0/mlflow/registered-models/search", auth(token), params=params)
    assert arrives(request) is None


@pytest.mark.parametrize("params", QUERIES)
def test_the_canonical_request_is_botocores_own(params: Any) -> None:
    """botocore made it from the parameters themselves, before any client spelled them."""
    request = prepared("GET", f"{BASE}/api/2.0/mlflow/runs/get", params=params)
    pairs = params if isinstance(params, list) else [
        (k, v) for k, vs in params.items() for v in (vs if isinstance(vs, list) else [vs])
    ]  # fmt: skip
    names = ("X-Amz-Date", "X-Amz-Content-SHA256")
    theirs = AWSRequest(
        "GET",
        f"{BASE}/api/2.0/mlflow/runs/get",
        {name: request.headers[name] for name in names},
        params=pairs,  # type: ignore[arg-type]
    )
    (key,) = SECRETS
    botocores = SigV4Auth(Credentials(key, SECRETS[key]), "execute-api", REGION).canonical_request(theirs)
    headers = {name.lower(): str(request.headers[name]) for name in names} | {"host": HOST}
    signed = ["host", "x-amz-content-sha256", "x-amz-date"]
    assert canonical_request("GET", request.path_url, headers, signed, b"") == botocores
    assert arrives(request) is None


@pytest.mark.parametrize(
    "path",
    ["a b.txt", "ünï/日本.bin", "a+b", "50%25", "(1)!*',;:@&=$", "a%2Fb", "~tilde-._", "[x]{y}|^"],
)
def test_paths_of_any_spelling(path: str) -> None:
    assert arrives(prepared("PUT", f"{BASE}/api/2.0/mlflow-artifacts/artifacts/{path}", data=b"x")) is None


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=6), st.lists(TEXT, max_size=3), st.binary())
def test_any_query_path_and_body(query: list[tuple[str, str]], path: list[str], content: bytes) -> None:
    url = f"{BASE}/x/" + "/".join(quote(part, safe="") for part in path if part.strip("."))
    assert arrives(prepared("POST", url, params=query, data=content)) is None


def test_a_request_that_was_changed_on_its_way_is_refused() -> None:
    """The verifier above can refuse."""
    request = prepared("POST", f"{BASE}/x", params={"a": "b c"}, data=b"body")
    request.body = b"Body"
    assert "does not match" in str(arrives(request))


def test_the_stock_signer_is_refused_where_ours_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from requests_auth_aws_sigv4 import AWSSigV4

    (key,) = SECRETS
    keys = {"aws_access_key_id": key, "aws_secret_access_key": SECRETS[key], "region": REGION}
    stock: Any = AWSSigV4("execute-api", **keys)
    assert arrives(prepared("GET", f"{BASE}/x", stock, params={"a": "b"})) is None
    assert "does not match" in str(arrives(prepared("GET", f"{BASE}/x", stock, params={"a": "b c"})))
    with pytest.raises(AttributeError, match="encode"):
        prepared("PUT", f"{BASE}/x", stock, data=io.BytesIO(b"file"))


class Unseekable:
    """A pipe: read once, length unknown."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)


CONTENT = bytes(range(256)) * 40


@pytest.mark.parametrize("in_memory", [100, bodies.IN_MEMORY], ids=["large", "small"])
@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, len(CONTENT)])
def test_files_and_streams(
    size: int, in_memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "IN_MEMORY", in_memory)
    monkeypatch.setattr(bodies, "_CHUNK", 64)
    content = CONTENT[:size]
    path = tmp_path / "file"
    path.write_bytes(b"skipped" + content)
    with path.open("rb") as file:
        file.seek(len(b"skipped"))
        halves: Any = iter([content[: size // 2], b"", content[size // 2 :]])
        for data in (file, Unseekable(content), halves, bytearray(content)):
            request = prepared("PUT", f"{BASE}/x", data=data)
            assert request.headers["Content-Length"] == str(size)
            assert "Transfer-Encoding" not in request.headers
            assert request.headers["X-Amz-Content-SHA256"] == hashlib.sha256(content).hexdigest()
            assert arrives(request) is None
            body: Any = request.body
            if body is not data and hasattr(body, "close"):
                body.close()  # its own temporary file: the answer would close it


def test_text_is_sent_and_signed_as_utf8() -> None:
    for data in ("ü", io.StringIO("ü")):
        request = prepared("POST", f"{BASE}/x", data=data)
        assert arrives(request) is None
        assert sent_body(request) == "ü".encode()


def test_a_file_that_grows_meanwhile_is_sent_as_it_was_signed(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(b"one\n")
    with path.open("rb") as file:
        request = prepared("PUT", f"{BASE}/x", data=file)
        with path.open("ab") as log:
            log.write(b"two\n")
        assert (sent_body(request), arrives(request)) == (b"one\n", None)


def test_json_and_its_media_type_are_signed() -> None:
    request = prepared("POST", f"{BASE}/api/2.0/mlflow/runs/search", json={"filter": "a b"})
    assert arrives(request) is None
    assert "content-type" in str(request.headers["Authorization"])
    request.headers["Content-Type"] = "text/plain"
    assert "does not match" in str(arrives(request))


def test_region_of_the_host_name_or_else_of_the_environment() -> None:
    domain = "https://mlflow.example.com"
    signer = auth(named=(domain,), region="eu-north-1")
    assert arrives(prepared("GET", f"{domain}/version", signer), "eu-north-1") is None
    assert arrives(prepared("GET", f"{BASE}/version", signer), REGION) is None
    china = "https://a1.execute-api.cn-north-1.amazonaws.com.cn/prod"
    assert arrives(prepared("GET", china, signer), "cn-north-1") is None
    private = "https://a1-vpce-0ab1.execute-api.us-gov-west-1.amazonaws.com/prod"
    assert arrives(prepared("GET", private, signer), "us-gov-west-1") is None
    with pytest.raises(MlflowException, match="AWS_REGION"):
        prepared("GET", domain, auth(named=(domain,)))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/api/2.0/mlflow/runs/get",
        "https://mlflow.example.com:8443/",
        "https://abc.execute-api.eu-west-1.amazonaws.com.evil.example/",
        "https://execute-api.eu-west-1.amazonaws.com/",
        "https://user@evil.example.com/",
        "http://abc.execute-api.eu-west-1.amazonaws.com/prod",
        "http://mlflow.example.com/",
        "http://127.0.0.1.evil.example/",
    ],
)
def test_no_signature_for_hosts_that_nobody_named(url: str) -> None:
    with pytest.raises(MlflowException, match="MLFLOW_TRACKING_AUTH=cairn"):
        prepared("GET", url, auth(named=("https://mlflow.example.com", "databricks://a:b"), region=REGION))


def test_hosts_that_the_user_names_are_signed_for() -> None:
    for named in ("https://mlflow.example.com:443/prefix", "mlflow.example.com"):
        request = prepared("GET", "https://mlflow.example.com/x", auth(named=(named,), region=REGION))
        assert arrives(request) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_server_on_this_machine_gets_no_signature(host: str) -> None:
    request = prepared("POST", f"http://{host}:5000/api/2.0/mlflow/runs/create", json={})
    assert "Authorization" not in request.headers
    assert "Idempotency-Key" in request.headers


def test_creates_alone_carry_a_key_each_and_it_is_signed() -> None:
    from cairn.protocol.message import Creation
    from cairn.protocol.route_table import ROUTES
    from cairn.protocol.routes import OWN

    keys = set()
    for route in ROUTES:
        request = prepared(route.method, BASE + re.sub(r"[{}+]", "", route.path))
        creates = route.request is not None and issubclass(route.request, Creation)
        creates = creates and not route.path.startswith(OWN)  # asked by no MLflow client
        assert ("Idempotency-Key" in request.headers) == creates, route.path
        assert arrives(request) is None
        if creates:
            assert "idempotency-key" in str(request.headers["Authorization"])
            keys.add(request.headers["Idempotency-Key"])
    assert len(keys) == len(CREATES)


def test_what_a_redirect_drops_is_all_that_was_added() -> None:
    url = f"{BASE}/api/2.0/mlflow/runs/create"
    plain = Request("POST", url, json={}).prepare()
    signed = prepared("POST", url, auth("token"), json={})
    assert {name.lower() for name in signed.headers} - {name.lower() for name in plain.headers} == {
        name.lower() for name in ADDED
    }
