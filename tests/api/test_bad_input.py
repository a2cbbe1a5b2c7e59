"""Thousands of bad requests over the whole route table.

MLflow's error shape, the right status, never a 500, and nothing written by what was refused.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from cairn.protocol.message import Creation, Message
from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import Route
from tests.api.client import Client, Reply, event

EXAMPLES = 60
"""For each route and each kind of badness; over 50 routes that makes thousands of requests."""

MESSAGES = [route for route in ROUTES if route.request is not None and route.request.model_fields]
RAW = [route for route in ROUTES if route.request is None]
PUBLIC_CODES = {
    400: {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS"},
    401: {"UNAUTHENTICATED"},
    404: {"RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND"},
    413: {"BAD_REQUEST"},
    500: {"INVALID_STATE"},  # MLflow's code for renaming what is deleted
    501: {"NOT_IMPLEMENTED"},  # parts and presigned URLs of a folder
}

_odd_text = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *("", "..", "/", "../../etc/passwd", "%2e%2e", "\0", "a" * 300, "é" * 260),
            *("0", "m-1", "NaN", "1e999", "None", "(", "'", "ZmFsc2U="),
            *("metrics.a > 1", "name = 'x'", "tags.`a` LIKE '%'", "start_time DESC"),
        ]
    ),
)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 50_001]),
    st.floats(),
    _odd_text,
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_odd_text, inner, max_size=4)),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Client, dict[str, list[str]]]:
    """A client, and ids that exist: most refusals are to lie deeper than an unknown id."""
    folder: Path = tmp_path_factory.mktemp("bad-input")
    client = Client(folder)
    experiment_id = client.experiment()
    run_id = client.run(experiment_id)
    deleted = client.run(experiment_id)
    client.post("runs/delete", {"run_id": deleted})
    client.post("runs/log-metric", {"run_id": run_id, "key": "loss", "value": 1, "timestamp": 1})
    model_id = client.model(experiment_id)
    return client, {
        "experiment_id": [experiment_id, "0", "99"],
        "experiment_ids": [experiment_id],
        "run_id": [run_id, deleted, "0" * 32],
        "run_ids": [run_id],
        "model_id": [model_id, "m-1"],
        "metric_key": ["loss"],
        "status": ["FINISHED", "LOGGED_MODEL_READY"],
    }


def _fields(kind: type[Message], ids: dict[str, list[str]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that look like the message: each field left out, of its kind, or anything at all."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in kind.model_fields.items():
        held: Any = field.annotation
        inner = get_args(held)[0] if getattr(held, "__origin__", None) is list else held
        plausible: st.SearchStrategy[Any] = st.one_of(_odd_text, st.integers(-2, 10), st.floats())
        if name in ids:
            plausible = st.sampled_from(ids[name])
        elif isinstance(inner, type) and issubclass(inner, Message):
            plausible = _fields(inner, ids)
        if inner is not held or name in {"experiment_ids", "run_ids"}:
            plausible = st.lists(plausible, max_size=3)
        fields[name.removesuffix("_")] = _mostly(plausible, _anything)
    if issubclass(kind, Creation):
        del fields["idempotency_key"]
    required = {name: value for name, value in fields.items() if _is_required(kind, name)}
    optional = {name: value for name, value in fields.items() if name not in required}
    return _mostly(
        st.fixed_dictionaries(required, optional=optional), st.fixed_dictionaries({}, optional=fields)
    )


def _mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The odd one once in ten times: deep refusals need requests that are otherwise right."""
    return st.integers(0, 9).flatmap(lambda number: usual if number else odd)


def _is_required(kind: type[Message], name: str) -> bool:
    return name in kind.model_fields and kind.model_fields[name].is_required()


def _concrete(route: Route, segment: str) -> str:
    return re.sub(r"\{\w+\+?\}", lambda _: quote(segment, safe=""), route.path)


def _check(reply: Reply) -> str:
    """A success is an object, an error has MLflow's shape with a status that fits its code."""
    if reply.status == 200:
        assert reply.headers["Content-Type"] != "application/json" or isinstance(reply.json, dict)
        return "200"
    body = reply.json
    assert set(body) == {"error_code", "message"}
    assert body["error_code"] in PUBLIC_CODES[reply.status], (reply.status, body)
    assert isinstance(body["message"], str)
    assert body["message"]
    return str(reply.status)


def _check_unwritten(client: Client, before: list[tuple[Any, ...]], reply: Reply) -> None:
    if reply.status != 200:
        assert client.dump() == before, "a refused request wrote something"


@pytest.fixture(scope="module")
def statuses() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    yield counted
    assert counted.total() > 2_000, counted


@pytest.mark.parametrize("route", MESSAGES, ids=lambda route: f"{route.method} {route.path}")
def test_messages_of_any_content(
    route: Route, known: tuple[Client, dict[str, list[str]]], statuses: Counter[str]
) -> None:
    client, ids = known
    assert route.request is not None

    @seed(20260721)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(
        fields=_fields(route.request, ids),
        segment=st.one_of(st.sampled_from(ids["model_id"]), _odd_text.filter(bool)),
    )
    def send(fields: dict[str, Any], segment: str) -> None:
        segment = segment.encode(errors="replace").decode()
        before = client.dump()
        if route.method == "GET":
            query = {
                name: [text if isinstance(text, str) else json.dumps(text) for text in values]
                for name, value in fields.items()
                if (values := value if isinstance(value, list) else [value])
            }
            request = event("GET", _concrete(route, segment), query=query, headers={})
        else:
            request = event(route.method, _concrete(route, segment), content=json.dumps(fields))
        reply = client.send(request)
        statuses[_check(reply)] += 1
        _check_unwritten(client, before, reply)

    send()


@pytest.mark.parametrize("route", RAW, ids=lambda route: f"{route.method} {route.path}")
def test_paths_of_any_content(
    route: Route, known: tuple[Client, dict[str, list[str]]], statuses: Counter[str]
) -> None:
    client, ids = known

    @seed(20260721)
    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(
        segment=st.one_of(st.sampled_from(ids["model_id"]), _odd_text.filter(bool)),
        query=st.dictionaries(
            st.sampled_from(["run_id", "run_uuid", "path", "artifact_file_path"]),
            st.lists(st.one_of(st.sampled_from(ids["run_id"]), _odd_text), min_size=1, max_size=2),
        ),
    )
    def send(segment: str, query: dict[str, list[str]]) -> None:
        path = _concrete(route, segment.encode(errors="replace").decode())
        reply = client.send(event(route.method, path, query=query, content="bytes"))
        statuses[_check(reply)] += 1

    send()


@pytest.mark.parametrize(
    "route",
    [route for route in MESSAGES if route.method == "POST"],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_bodies_that_are_no_messages(
    route: Route, known: tuple[Client, dict[str, list[str]]], statuses: Counter[str]
) -> None:
    client, ids = known

    @seed(20260721)
    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(
        content=st.one_of(
            st.text(),
            _anything.filter(lambda value: not isinstance(value, dict)).map(json.dumps),
            st.sampled_from(["{", '{"a"', "[1,", "\ufeff{}", '{"run_id": "\\udc00"}', "NaN", "[" * 1_000]),
        )
    )
    def send(content: str) -> None:
        before = client.dump()
        reply = client.send(event("POST", _concrete(route, ids["model_id"][0]), content=content))
        statuses[_check(reply)] += 1
        if content.strip() not in {"", "null", '""', "{}"}:
            assert reply.status == 400, content
        _check_unwritten(client, before, reply)

    send()


@seed(20260721)
@settings(
    max_examples=500,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "X"]),
    segments=st.lists(
        st.one_of(
            st.sampled_from(sorted({part for route in ROUTES for part in route.path.split("/") if part})),
            st.text(max_size=8),
        ),
        max_size=8,
    ),
)
def test_paths_that_are_no_routes(
    method: str,
    segments: list[str],
    known: tuple[Client, dict[str, list[str]]],
    statuses: Counter[str],
) -> None:
    client, _ = known
    path = "/" + "/".join(quote(segment.encode(errors="replace").decode(), safe="") for segment in segments)
    statuses[_check(client.send(event(method, path, content="{}")))] += 1
