"""The front decides who vouches for a caller: no field, header or body does."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cairn.errors import Unauthenticated
from cairn.http import handle
from cairn.sharing.fronts import FRONTS, Front, deployed_front, local_front
from tests.api.client import Client
from tests.unit.gateway_events import CALLERS, OPEN, authorized, event

ADA = CALLERS["user"][0]
EVE = authorized(name="Eve", ceiling="MANAGE")
GET = "/api/2.0/mlflow/experiments/get"
QUERY = {"experiment_id": ["0"]}


@pytest.fixture
def deployed(tmp_path: Any) -> Client:
    """The whole application, fronts as in AWS."""
    client = Client(tmp_path)
    client.app = replace(client.app, front_of=deployed_front)
    return client


def who(deployed: Client, given: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """The principal that a use-case is given, or the error's code."""
    seen: list[str] = []

    def get_experiment(stores: object, caller: Any, request: object) -> dict[str, object]:
        seen.append(f"{caller.front} {caller.principal}")
        return {}

    with monkeypatch.context() as patch:
        patch.setattr("cairn.services.experiments.get_experiment", get_experiment)
        answer = deployed.send(given)
    return seen[0] if seen else str(answer.json["error_code"])


@pytest.mark.parametrize("resource", ["/{proxy+}", "/api/2.0/mlflow/{proxy+}", "/api/{proxy+}"])
def test_a_signature_vouches_on_the_signed_front(
    resource: str, deployed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = event(resource, GET, identity=ADA, query=QUERY)
    assert who(deployed, given, monkeypatch) == "signed arn:aws:iam::123456789012:user/ada"


@pytest.mark.parametrize("resource", ["/t/{proxy+}", "/t/api/2.0/mlflow/{proxy+}"])
def test_the_authorizer_vouches_on_the_token_front(
    resource: str, deployed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = event(resource, f"/t{GET}", authorizer=authorized(), query=QUERY)
    assert who(deployed, given, monkeypatch) == "token arn:aws:iam::123456789012:role/Train"


def test_the_fields_of_another_front_are_not_looked_at(
    deployed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = event("/{proxy+}", GET, identity=ADA, authorizer=EVE, query=QUERY)
    assert who(deployed, signed, monkeypatch) == "signed arn:aws:iam::123456789012:user/ada"
    unsigned = event("/{proxy+}", GET, identity=OPEN, authorizer=EVE, query=QUERY)
    assert who(deployed, unsigned, monkeypatch) == "UNAUTHENTICATED"
    token = event("/t/{proxy+}", f"/t{GET}", identity=ADA, authorizer=authorized(), query=QUERY)
    assert who(deployed, token, monkeypatch) == "token arn:aws:iam::123456789012:role/Train"
    bare = event("/t/{proxy+}", f"/t{GET}", identity=ADA, query=QUERY)
    assert who(deployed, bare, monkeypatch) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "resource",
    [None, "", "{proxy+}", "/t2/{proxy+}", "/ui2/{proxy+}", "/T/{proxy+}", "//t/{proxy+}", "/{other+}", 5],
)
def test_an_unknown_resource_is_nobodys(
    resource: Any, deployed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = event(resource, f"/t{GET}", identity=ADA, authorizer=EVE, query=QUERY)
    assert who(deployed, given, monkeypatch) == "UNAUTHENTICATED"
    given["path"] = GET
    assert who(deployed, given, monkeypatch) == "UNAUTHENTICATED"


@pytest.mark.parametrize("missing", ["resource", "resourcePath", "requestContext"])
def test_an_event_without_its_resource_is_nobodys(missing: str) -> None:
    given = event("/{proxy+}", GET, identity=ADA)
    assert deployed_front(given) is FRONTS[0]
    (given["requestContext"] if missing == "resourcePath" else given).pop(missing)
    with pytest.raises(Unauthenticated):
        deployed_front(given)


def test_two_resources_are_none() -> None:
    given = event("/{proxy+}", GET, identity=ADA)
    given["requestContext"]["resourcePath"] = "/t/{proxy+}"
    with pytest.raises(Unauthenticated):
        deployed_front(given)


@pytest.mark.parametrize("path", [GET, "/t", "/tea/api", "/%74/api", "t/api", ""])
def test_a_path_outside_of_its_front_is_refused(
    path: str, deployed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = event("/t/{proxy+}", path, authorizer=EVE, query=QUERY)
    assert who(deployed, given, monkeypatch) == "UNAUTHENTICATED"


@pytest.mark.parametrize("path", ["/t/t" + GET, "/t//t" + GET, "/t%2Fapi/2.0"])
def test_a_root_is_taken_off_once(path: str, deployed: Client) -> None:
    resource = "/t/{proxy+}" if path.startswith("/t/") else "/{proxy+}"
    given = event(resource, path, identity=ADA, authorizer=authorized(), query=QUERY)
    assert deployed.send(given).error == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    "header", ["X-Amzn-UserArn", "X-Amz-Caller", "X-Forwarded-User", "Authorization", "requestContext"]
)
def test_a_header_names_nobody(header: str, deployed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    given = event("/{proxy+}", GET, query=QUERY, headers={header: [str(ADA["userArn"])]})
    assert who(deployed, given, monkeypatch) == "UNAUTHENTICATED"


def test_a_body_names_nobody(deployed: Client) -> None:
    body = json.dumps({"name": "mine", "requestContext": {"identity": ADA}})
    given = event(
        "/{proxy+}",
        "/api/2.0/mlflow/experiments/create",
        method="POST",
        headers={"Content-Type": ["application/json"]},
        body=body,
    )
    assert deployed.send(given).error == (401, "UNAUTHENTICATED")


def test_nobody_is_local_in_aws_and_nobody_is_of_aws_locally(
    deployed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = event("/{proxy+}", GET, identity={**OPEN, "user": "local:ada"}, query=QUERY)
    assert who(deployed, local, monkeypatch) == "UNAUTHENTICATED"
    deployed.app = replace(deployed.app, front_of=local_front)
    assert who(deployed, local, monkeypatch) == "local local ada"
    signed = event("/t/{proxy+}", GET, identity=ADA, authorizer=EVE, query=QUERY)
    assert who(deployed, signed, monkeypatch) == "UNAUTHENTICATED"


def test_each_front_has_parts_and_a_root_of_its_own() -> None:
    parts = [part for front in FRONTS for part in front.parts]
    assert len(parts) == len(set(parts))
    assert len({front.root for front in FRONTS}) == len(FRONTS)
    for front in FRONTS:
        assert isinstance(front, Front)
        assert all(front.root == f"/{part}" for part in front.parts) or front.root == ""


def test_a_fixed_answer_asks_for_nobody_but_for_a_front(deployed: Client) -> None:
    health = event("/health", "/health", method="GET")
    assert handle(deployed.app, health).status == 200
    health["resource"] = health["requestContext"]["resourcePath"] = "/elsewhere"
    assert handle(deployed.app, health).status == 401
