"""The API's resource policy, for each gate that may be chosen."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra.constructs.browser_front import OPEN
from infra.gate import MAX_ACCOUNTS, Gate
from tests.infra.synthesis import Assembly

OWNER = "111111111111"


def statement(access: str) -> dict[str, Any]:
    (only,) = json.loads(json.dumps(Gate.parse(access).statements(OWNER)))
    assert only["Action"] == "execute-api:Invoke"
    assert only["Resource"] == "execute-api:/*"
    somebody = only["Condition"].pop("StringLike")["aws:PrincipalAccount"]
    assert fnmatchcase("222222222222", somebody)
    assert not fnmatchcase("anonymous", somebody), "whom a token or a session stands for is not known here"
    return dict(only)


def test_own_account_refuses_everybody_else_and_grants_nobody() -> None:
    only = statement("own-account")
    assert only["Effect"] == "Deny"
    assert only["Condition"] == {"StringNotEquals": {"aws:PrincipalAccount": OWNER}}


def test_an_organisation_is_let_in_but_for_the_owner_who_needs_identity_policies() -> None:
    only = statement("organisation:o-a1b2c3d4e5")
    assert only["Effect"] == "Allow"
    assert only["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
        "StringNotEquals": {"aws:PrincipalAccount": OWNER},
    }


def test_accounts_are_named_once_each() -> None:
    only = statement("accounts:222222222222, 333333333333,222222222222")
    assert only["Condition"]["StringEquals"] == {"aws:PrincipalAccount": ["222222222222", "333333333333"]}


def test_any_aws_principal_still_has_to_be_another_account_and_sign() -> None:
    only = statement("any-aws-principal")
    assert only["Condition"] == {"StringNotEquals": {"aws:PrincipalAccount": OWNER}}
    assert only["Principal"] == {"AWS": "*"}


def test_the_largest_policy_fits_api_gateways_8192_characters() -> None:
    accounts = ",".join(f"{n:012d}" for n in range(MAX_ACCOUNTS))
    policy = {
        "Version": "2012-10-17",
        "Statement": Gate.parse(f"accounts:{accounts}").statements(OWNER, OPEN),
    }
    assert len(json.dumps(policy)) <= 8192
    with pytest.raises(ValueError, match="at most 400 accounts"):
        Gate.parse(f"accounts:{accounts},{MAX_ACCOUNTS:012d}")


@pytest.mark.parametrize(("name", "effect"), [("default", "Deny"), ("everything", "Allow")])
def test_the_template_carries_the_gate(name: str, effect: str, request: pytest.FixtureRequest) -> None:
    assembly: Assembly = request.getfixturevalue(name)
    policy = assembly.only("Api", "AWS::ApiGateway::RestApi")["Properties"]["Policy"]
    only, *opened = policy["Statement"]
    assert only["Effect"] == effect
    assert len(opened) == (name == "everything"), "what the UI leaves open"
    assert only["Condition"]["StringNotEquals"] == {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}
    assert len(json.dumps(policy)) <= 8192


def test_a_changed_gate_makes_a_new_deployment(default: Assembly, everything: Assembly) -> None:
    """API Gateway applies a changed resource policy only with a new deployment of the stage."""
    (before,) = default.resources("Api", "AWS::ApiGateway::Deployment")
    (after,) = everything.resources("Api", "AWS::ApiGateway::Deployment")
    assert before != after
