"""Who a request's verified identity is."""

import pytest

from cairn.errors import Unauthenticated
from cairn.sharing.caller import Caller, iam_caller, local_caller


@pytest.mark.parametrize(
    ("arn", "caller"),
    [
        ("arn:aws:iam::123456789012:user/ada", Caller("aws", "123456789012", "user", "ada")),
        ("arn:aws:iam::123456789012:user/team/ml/ada", Caller("aws", "123456789012", "user", "ada")),
        (
            "arn:aws-us-gov:sts::123456789012:assumed-role/Train/job-7",
            Caller("aws-us-gov", "123456789012", "role", "Train"),
        ),
        ("arn:aws:sts::123456789012:federated-user/bob", Caller("aws", "123456789012", "federated", "bob")),
        ("arn:aws:iam::123456789012:root", Caller("aws", "123456789012", "root", "root")),
    ],
)
def test_an_aws_principal(arn: str, caller: Caller) -> None:
    assert iam_caller({"userArn": arn, "user": "local:eve"}) == caller


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
        "arn:aws:s3:::bucket/user/ada",
        "arn:evil:iam::123456789012:user/ada",
        "arn:aws:iam::123456789012:user/ada eve",
        "xarn:aws:iam::123456789012:user/ada",
    ],
)
def test_nobody_in_aws(arn: object) -> None:
    with pytest.raises(Unauthenticated):
        iam_caller({"userArn": arn, "user": "local:ada", "caller": "AIDA", "accountId": "123456789012"})


def test_a_session_is_the_callers_own_word() -> None:
    arns = [f"arn:aws:sts::123456789012:assumed-role/Train/{session}" for session in ("a", "b")]
    first, second = (iam_caller({"userArn": arn}) for arn in arns)
    assert first == second


def test_the_local_user() -> None:
    assert local_caller({"user": "local:ada"}) == Caller("", "", "local", "ada")
