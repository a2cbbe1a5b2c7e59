"""Who a request's verified identity is."""

from dataclasses import replace

import pytest

from cairn.domain.access import Permission
from cairn.errors import Unauthenticated
from cairn.sharing.caller import Caller, as_context, iam_caller, local_caller, token_caller
from tests.unit.gateway_events import CALLERS, OPEN, authorized, signed


@pytest.mark.parametrize("kind", CALLERS)
def test_an_aws_principal(kind: str) -> None:
    identity, (partition, account, kind_of, name, organisation) = CALLERS[kind]
    caller = iam_caller({"identity": identity})
    assert caller == Caller(partition, account, kind_of, name, organisation)
    assert (caller.ceiling, caller.front) == (Permission.MANAGE, "signed")
    resource = "root" if kind_of == "root" else f"{kind_of}/{name}"
    assert caller.principal == f"arn:{partition}:iam::{account}:{resource}"


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "",
        5,
        "arn:aws:iam::123456789012:user",
        "arn:aws:iam::123456789012:user/",
        "arn:aws:iam::123456789012:root/x",
        "arn:aws:iam::123456789012:group/ml",
        "arn:aws:iam::123456789012:assumed-role/Train",
        "arn:aws:sts::123456789012:assumed-role//session",
        "arn:aws:sts::123456789012:assumed-role/a/b/c",
        "arn:aws:iam::1234:user/ada",
        "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:user/ada",
        "arn:aws:s3:::bucket/user/ada",
        "arn:evil:iam::123456789012:user/ada",
        "arn:aws:iam::123456789012:user/ada eve",
        "xarn:aws:iam::123456789012:user/ada",
    ],
)
def test_nobody_in_aws(arn: object) -> None:
    identity = signed("arn:aws:iam::123456789012:user/ada", "AIDA") | {"userArn": arn}
    with pytest.raises(Unauthenticated):
        iam_caller({"identity": identity})


@pytest.mark.parametrize("identity", [None, "ada", [], {}, OPEN])
def test_an_identity_of_another_shape_is_nobody(identity: object) -> None:
    for read in (iam_caller, local_caller):
        with pytest.raises(Unauthenticated):
            read({"identity": identity})
        with pytest.raises(Unauthenticated):
            read({})


def test_a_session_is_the_callers_own_word() -> None:
    arns = [f"arn:aws:sts::123456789012:assumed-role/Train/{session}" for session in ("a", "b")]
    first, second = (iam_caller({"identity": {"userArn": arn}}) for arn in arns)
    assert first == second
    assert (first.session, second.session) == ("a", "b")


def test_an_organisation_of_another_shape_is_none() -> None:
    identity = signed("arn:aws:iam::123456789012:user/ada", "AIDA") | {"principalOrgId": ["o-a1b2c3d4e5"]}
    assert iam_caller({"identity": identity}).organisation == ""


@pytest.mark.parametrize("kind", CALLERS)
def test_what_an_authorizer_says_of_a_caller_is_that_caller(kind: str) -> None:
    caller = replace(iam_caller({"identity": CALLERS[kind][0]}), ceiling=Permission.READ)
    read = token_caller({"authorizer": {"principalId": "x", "integrationLatency": 3, **as_context(caller)}})
    assert read == caller
    assert (read.session, read.front) == (caller.session, "token")


@pytest.mark.parametrize(
    "said",
    [
        {"partition": "evil"},
        {"partition": None},
        {"account": ""},
        {"account": "1234"},
        {"account": 123456789012},
        {"kind": "local"},
        {"kind": "anyone"},
        {"name": ""},
        {"ceiling": "NONE"},
        {"ceiling": "ALL"},
        {"ceiling": 3},
        {"organisation": None},
    ],
)
def test_an_authorizer_that_says_less_says_nothing(said: dict[str, object]) -> None:
    assert token_caller({"authorizer": authorized()}).name == "Train"
    with pytest.raises(Unauthenticated):
        token_caller({"authorizer": authorized(**said)})


@pytest.mark.parametrize("authorizer", [None, {}, "principal", {"principalId": "user"}])
def test_an_authorizer_of_another_shape_is_nobody(authorizer: object) -> None:
    with pytest.raises(Unauthenticated):
        token_caller({"authorizer": authorizer})


def test_the_local_user() -> None:
    assert local_caller({"identity": {"user": "local:ada"}}) == Caller("", "", "local", "ada")
