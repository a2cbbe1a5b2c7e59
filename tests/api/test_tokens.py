"""Tokens from their minting to their use: by API Gateway's events, through the authorizer and back."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.tokens import HOUR_MS
from cairn.sharing.authorize import Authority, Owner
from cairn.sharing.authorizer import Authorizer, Refused
from cairn.sharing.fronts import deployed_front
from cairn.sharing.tokens import Gatekeeper
from cairn.storage.grants import Grants
from cairn.storage.sqlite import SqliteTable
from cairn.storage.tokens import Tokens
from tests.api.client import Client, Reply
from tests.unit.gateway_events import CALLERS, event

OWN = "/api/3.0/cairn"
JSON = {"Content-Type": ["application/json"]}
GET = "/api/2.0/mlflow/experiments/get"
ARN = "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/GET/t/x"


class Deployed:
    """An application with fronts as in AWS, an authorizer over the same table, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.client = Client(folder)
        self.now = 1_795_262_400_000
        self._table = SqliteTable(self.client.database)
        tokens = Tokens(self._table)
        stores = replace(self.client.app.stores, tokens=tokens, clock=lambda: self.now)
        self.client.app = replace(self.client.app, stores=stores, front_of=deployed_front)
        self.authorizer = Authorizer(Gatekeeper(tokens.find, lambda: self.now).admit)

        self.grants_alone = Authority(Grants(self._table), Owner(""), lambda: 0.0)
        """Nobody has one."""

    def close(self) -> None:
        self._table.close()

    def signed(self, who: str, method: str, path: str, body: object = None, **more: Any) -> Reply:
        content = None if method == "GET" else json.dumps({} if body is None else body)
        given = event(
            "/{proxy+}", path, identity=CALLERS[who][0], method=method, headers=JSON, body=content, **more
        )
        return self.client.send(given)

    def by_token(self, token: str, method: str, path: str, body: object = None, **more: Any) -> Reply:
        """As API Gateway does it: the authorizer first, then the function with what that said."""
        asked = {"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": ARN}
        said = self.authorizer.answer(asked)
        given = event(
            "/t/{proxy+}",
            f"/t{path}",
            authorizer={"principalId": said["principalId"], "integrationLatency": 5, **said["context"]},
            method=method,
            headers=JSON,
            body=None if method == "GET" else json.dumps({} if body is None else body),
            **more,
        )
        return self.client.send(given)

    def mint(self, who: str = "role", **fields: object) -> dict[str, Any]:
        answer = self.signed(who, "POST", f"{OWN}/tokens/create", fields)
        assert answer.status == 200, answer.content
        return dict(answer.json)


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    made = Deployed(tmp_path)
    yield made
    made.close()


def test_a_token_stands_for_who_minted_it_and_reads(deployed: Deployed) -> None:
    minted = deployed.mint("role")
    assert minted | {"token": ""} == {
        "token": "",
        "principal": "arn:aws:iam::123456789012:role/Train",
        "permission": "READ",
        "expires": deployed.now + HOUR_MS,
    }
    who = deployed.by_token(minted["token"], "GET", f"{OWN}/whoami").json
    assert who == {
        "principal": "arn:aws:iam::123456789012:role/Train",
        "account": "123456789012",
        "kind": "role",
        "name": "Train",
        "organisation": "",
        "session": "job-7",
        "front": "token",
        "ceiling": "READ",
    }
    read = deployed.by_token(minted["token"], "GET", GET, query={"experiment_id": ["0"]})
    assert read.json["experiment"]["name"] == "Default"


def test_a_ceiling_travels_with_the_token(deployed: Deployed) -> None:
    token = deployed.mint("user", permission="WRITE", hours=12)["token"]
    assert deployed.by_token(token, "GET", f"{OWN}/whoami").json["ceiling"] == "WRITE"


@pytest.mark.parametrize(
    "fields", [{"permission": "MANAGE"}, {"permission": "NONE"}, {"hours": 0}, {"hours": 13}, {"hours": -1}]
)
def test_more_than_a_token_may_be_is_refused(fields: dict[str, object], deployed: Deployed) -> None:
    before = deployed.client.dump()
    refused = deployed.signed("role", "POST", f"{OWN}/tokens/create", fields)
    assert refused.error == (400, "INVALID_PARAMETER_VALUE")
    assert deployed.client.dump() == before


def test_the_table_does_not_hold_the_token(deployed: Deployed) -> None:
    token = deployed.mint()["token"]
    assert token[6:] not in str(deployed.client.dump())
    assert token[-43:] not in str(deployed.client.dump())


@pytest.mark.parametrize("path", ["tokens/create", "tokens/revoke"])
def test_a_token_mints_and_revokes_no_token(path: str, deployed: Deployed) -> None:
    token = deployed.mint(permission="WRITE")["token"]
    before = deployed.client.dump()
    refused = deployed.by_token(token, "POST", f"{OWN}/{path}")
    assert refused.error == (403, "PERMISSION_DENIED")
    assert deployed.by_token(token, "GET", f"{OWN}/tokens/list").error == (403, "PERMISSION_DENIED")
    assert deployed.client.dump() == before


@pytest.mark.parametrize(
    "path",
    [
        "/ajax-api/3.0/cairn/tokens/create",
        "/t/api/3.0/cairn/tokens/create",
        "//api/3.0/cairn/tokens/create",
        "/api/3.0/cairn/tokens/create/",
        "/api/2.0/cairn/tokens/create",
        "/api/3.0/cairn/tokens%2Fcreate",
        "/api/3.0/cairn/%74okens/create",
        "/api/3.0/cairn/tokens/creat%65",
        "/api%2F3.0/cairn/tokens/create",
        "%2Fapi/3.0/cairn/tokens/create",
    ],
)
def test_a_token_is_minted_by_one_path(path: str, deployed: Deployed) -> None:
    """So that an identity policy denies it by denying that."""
    assert deployed.signed("role", "POST", "/api/3.0/cairn/tokens/create").status == 200
    assert deployed.signed("role", "POST", path).error == (404, "ENDPOINT_NOT_FOUND")


def test_an_expired_token_is_refused(deployed: Deployed) -> None:
    token = deployed.mint(hours=1)["token"]
    deployed.now += HOUR_MS - 1
    assert deployed.by_token(token, "GET", f"{OWN}/whoami").status == 200
    deployed.now += 1
    with pytest.raises(Refused):
        deployed.by_token(token, "GET", f"{OWN}/whoami")


def test_revoking_voids_all_that_one_minted_and_nobody_elses(deployed: Deployed) -> None:
    mine = [deployed.mint("user")["token"] for _ in range(2)]
    another = deployed.mint("role")["token"]
    deployed.now += 1_000
    revoked = deployed.signed("user", "POST", f"{OWN}/tokens/revoke").json
    assert revoked == {
        "principal": "arn:aws:iam::123456789012:user/ada",
        "revoked_until": deployed.now,
    }
    for token in mine:
        with pytest.raises(Refused):
            deployed.by_token(token, "GET", f"{OWN}/whoami")
    assert deployed.by_token(another, "GET", f"{OWN}/whoami").status == 200
    deployed.now += 1
    again = deployed.mint("user")["token"]
    assert deployed.by_token(again, "GET", f"{OWN}/whoami").status == 200


def test_all_sessions_of_a_role_are_one_principal(deployed: Deployed) -> None:
    """The session name is the caller's own word."""
    token = deployed.mint("role")["token"]
    arn = "arn:aws:sts::123456789012:assumed-role/Train/another"
    given = event(
        "/{proxy+}",
        f"{OWN}/tokens/revoke",
        identity={"userArn": arn},
        method="POST",
        headers=JSON,
        body="{}",
    )
    assert deployed.client.send(given).status == 200
    with pytest.raises(Refused):
        deployed.by_token(token, "GET", f"{OWN}/whoami")


def test_another_principals_tokens_are_revoked_by_who_manages_everything(deployed: Deployed) -> None:
    token = deployed.mint("role")["token"]
    theirs = {"principal": "arn:aws:iam::123456789012:role/ml/Train"}
    admins = deployed.client.app
    deployed.client.app = replace(admins, authorize=deployed.grants_alone)
    assert deployed.signed("user", "POST", f"{OWN}/tokens/revoke", theirs).error == (
        403,
        "PERMISSION_DENIED",
    )
    assert deployed.by_token(token, "GET", f"{OWN}/whoami").status == 200
    deployed.client.app = admins
    revoked = deployed.signed("user", "POST", f"{OWN}/tokens/revoke", theirs)
    assert revoked.json["principal"] == "arn:aws:iam::123456789012:role/Train"
    with pytest.raises(Refused):
        deployed.by_token(token, "GET", f"{OWN}/whoami")
    wrong = deployed.signed("user", "POST", f"{OWN}/tokens/revoke", {"principal": "Train"})
    assert wrong.error == (400, "INVALID_PARAMETER_VALUE")


def test_a_list_shows_what_is_good_and_no_token(deployed: Deployed) -> None:
    first = deployed.mint("user", hours=1)
    deployed.now += 1_000
    second = deployed.mint("user", hours=2, permission="WRITE")
    deployed.mint("role")
    listed = deployed.signed("user", "GET", f"{OWN}/tokens/list").json["tokens"]
    assert [(one["permission"], one["expires"]) for one in listed] == [
        ("WRITE", second["expires"]),
        ("READ", first["expires"]),
    ]
    assert not [key for one in listed for key in one if "token" in key]
    deployed.now += HOUR_MS
    assert len(deployed.signed("user", "GET", f"{OWN}/tokens/list").json["tokens"]) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "tokens/create"), ("POST", "tokens/revoke"), ("GET", "tokens/list")]
)
def test_a_deployment_gives_none_unless_it_is_told_to(method: str, path: str, deployed: Deployed) -> None:
    app = deployed.client.app
    deployed.client.app = replace(app, stores=replace(app.stores, tokens=None))
    assert deployed.signed("role", method, f"{OWN}/{path}").error == (404, "ENDPOINT_NOT_FOUND")


def test_a_local_server_gives_none(client: Client) -> None:
    assert client.post(f"{OWN}/tokens/create").error == (404, "ENDPOINT_NOT_FOUND")
    assert client.get(f"{OWN}/whoami").json["principal"] == "local ada"


def test_an_identity_beside_a_token_counts_for_nothing(deployed: Deployed) -> None:
    token = deployed.mint("role")["token"]
    body: Mapping[str, object] = {"permission": "WRITE", "userArn": CALLERS["user"][0]["userArn"]}
    refused = deployed.by_token(token, "POST", f"{OWN}/tokens/create", body, identity=CALLERS["user"][0])
    assert refused.error == (403, "PERMISSION_DENIED")
