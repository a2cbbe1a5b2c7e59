"""Tokens: their spelling, who is admitted by one, and what the authorizer answers API Gateway."""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.domain.access import Permission
from cairn.domain.tokens import HOUR_MS, Token
from cairn.errors import InvalidParameterValue, Unauthenticated
from cairn.sharing.authorizer import HEADER, Authorizer, Refused
from cairn.sharing.caller import Caller, iam_caller, token_caller
from cairn.sharing.tokens import SHAPE, Gatekeeper, holder_of, mint, place, principal_of
from tests.unit.gateway_events import CALLERS

NOW = 1_795_262_400_000
ADA = Caller("aws", "123456789012", "role", "Train", organisation="o-a1b2c3d4e5", session="job-7")
ARN = "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/GET/t/api/2.0/mlflow/experiments/get"


class Kept:
    """Tokens as a store keeps them, and a clock."""

    def __init__(self, *minted: tuple[str, Token], now: int = NOW, not_before: int = -1) -> None:
        self.now = now
        self.not_before = not_before
        self.asked: list[tuple[str, str]] = []
        self._tokens = {place(text): token for text, token in minted}

    def find(self, holder: str, hashed: str) -> tuple[Token | None, int]:
        self.asked.append((holder, hashed))
        found = [token for where, token in self._tokens.items() if where and where.hashed == hashed]
        return (found[0] if found else None), self.not_before

    def admit(self, text: str) -> Caller:
        return Gatekeeper(self.find, lambda: self.now).admit(text)


def minted(
    caller: Caller = ADA, ceiling: Permission = Permission.READ, hours: int = 1, secret: int = 5
) -> tuple[str, Token]:
    return mint(caller, ceiling, hours, NOW, lambda bits: secret)


@given(st.integers(0, 2**256 - 1))
def test_a_token_has_256_random_bits_and_one_shape(secret: int) -> None:
    asked: list[int] = []

    def bits(count: int) -> int:
        asked.append(count)
        return secret

    text, _ = mint(ADA, Permission.READ, 1, NOW, bits)
    assert asked == [256]
    assert re.fullmatch(SHAPE, text)
    assert base64.urlsafe_b64decode(text[-43:] + "=") == secret.to_bytes(32, "big")
    where = place(text)
    assert where is not None
    assert where.holder == holder_of(ADA.principal)


def test_two_secrets_have_two_hashes_and_neither_is_the_token() -> None:
    first, second = (place(minted(secret=n)[0]) for n in (1, 2))
    assert first is not None
    assert second is not None
    assert first.holder == second.holder
    assert first.hashed != second.hashed
    assert minted()[0][6:] not in str(minted()[1])


@pytest.mark.parametrize("kind", CALLERS)
def test_a_token_stands_for_who_minted_it(kind: str) -> None:
    caller = iam_caller({"identity": CALLERS[kind][0]})
    text, token = minted(caller)
    admitted = Kept((text, token)).admit(text)
    assert admitted == replace(caller, ceiling=Permission.READ)
    assert (admitted.front, admitted.session) == ("token", caller.session)


@pytest.mark.parametrize(
    ("asked", "own", "ceiling"),
    [
        (Permission.READ, Permission.MANAGE, Permission.READ),
        (Permission.WRITE, Permission.MANAGE, Permission.WRITE),
        (Permission.WRITE, Permission.READ, Permission.READ),
    ],
)
def test_a_ceiling_is_never_higher_than_the_minters(
    asked: Permission, own: Permission, ceiling: Permission
) -> None:
    assert minted(replace(ADA, ceiling=own), asked)[1].ceiling == ceiling


def test_a_token_ends_to_the_millisecond() -> None:
    text, token = minted(hours=2)
    kept = Kept((text, token), now=NOW + 2 * HOUR_MS - 1)
    assert kept.admit(text).name == "Train"
    kept.now += 1
    with pytest.raises(Unauthenticated):
        kept.admit(text)


def test_a_token_ends_after_12_hours_whatever_is_kept_of_it() -> None:
    text, token = minted()
    kept = Kept((text, replace(token, expires=NOW + 1000 * HOUR_MS)), now=NOW + 12 * HOUR_MS - 1)
    assert kept.admit(text).name == "Train"
    kept.now += 1
    with pytest.raises(Unauthenticated):
        kept.admit(text)


@pytest.mark.parametrize(
    ("not_before", "good"), [(-1, True), (NOW - 1, True), (NOW, False), (NOW + 1, False)]
)
def test_a_mark_voids_what_was_minted_until_then(not_before: int, good: bool) -> None:
    text, token = minted()
    kept = Kept((text, token), not_before=not_before)
    if good:
        assert kept.admit(text).name == "Train"
    else:
        with pytest.raises(Unauthenticated):
            kept.admit(text)


def altered(text: str) -> list[str]:
    flipped = [text[:n] + ("A" if text[n] != "A" else "B") + text[n + 1 :] for n in (6, 20, 28, 50)]
    return [*flipped, text.swapcase(), text[:-1], text + "A", text[6:], text + "\n", f" {text}", ""]


def test_an_altered_token_is_refused_in_the_same_words() -> None:
    text, token = minted()
    kept = Kept((text, token))
    said = set()
    for other in altered(text):
        with pytest.raises(Unauthenticated) as refused:
            kept.admit(other)
        said.add(str(refused.value))
    assert len(said) == 1


def test_what_has_not_a_tokens_shape_costs_no_request() -> None:
    kept = Kept()
    for text in ("", "x", "cairn_", "cairn_" + "A" * 64, "cairn_" + "é" * 65, "cairn_" + "A" * 66):
        with pytest.raises(Unauthenticated):
            kept.admit(text)
    assert kept.asked == []


def test_a_token_kept_under_another_principal_is_refused() -> None:
    """As a write to the table could put it, or two principals of one hash."""
    text, token = minted()
    with pytest.raises(Unauthenticated):
        Kept((text, replace(token, name="Admin"))).admit(text)


def test_the_authorizer_lets_in_the_one_request_that_it_was_asked_about() -> None:
    text, token = minted()
    answer = Authorizer(Kept((text, token)).admit).answer(
        {"type": "TOKEN", "authorizationToken": f"Bearer {text}", "methodArn": ARN}
    )
    assert answer["principalId"] == "arn:aws:iam::123456789012:role/Train"
    assert answer["policyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": ARN}
    ]
    context: Mapping[str, Any] = answer["context"]
    assert all(isinstance(value, str) for value in context.values()), "API Gateway passes nothing else on"
    passed_on = {"principalId": answer["principalId"], "integrationLatency": 9, **context}
    caller = token_caller({"authorizer": passed_on})
    assert caller == replace(ADA, ceiling=Permission.READ)
    assert text not in str(answer)


def test_the_authorizer_refuses_in_the_words_that_api_gateway_answers_401_to() -> None:
    text, token = minted()
    kept = Kept((text, token))
    wrong: list[object] = [None, "", 5, text, f"bearer {text}", f"Basic {text}", f"Bearer  {text}"]
    wrong += [f"Bearer {other}" for other in altered(text)]
    for given_ in wrong:
        with pytest.raises(Refused, match=r"^Unauthorized$"):
            Authorizer(kept.admit).answer({"authorizationToken": given_, "methodArn": ARN})
    with pytest.raises(Refused):
        Authorizer(kept.admit).answer({"methodArn": ARN})


def test_api_gateway_lets_through_exactly_what_has_a_tokens_shape() -> None:
    text, _ = minted()
    assert re.search(HEADER, f"Bearer {text}")
    assert not [o for o in altered(text)[4:] if o.strip() != text and re.search(HEADER, f"Bearer {o}")]


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        ("arn:aws:iam::123456789012:role/team/ml/Train", "arn:aws:iam::123456789012:role/Train"),
        ("arn:aws:iam::123456789012:role/Train", "arn:aws:iam::123456789012:role/Train"),
        ("arn:aws:sts::123456789012:assumed-role/Train/job-7", "arn:aws:iam::123456789012:role/Train"),
        ("arn:aws:iam::123456789012:user/ml/ada", "arn:aws:iam::123456789012:user/ada"),
        ("arn:aws:iam::123456789012:federated/bob", "arn:aws:iam::123456789012:federated/bob"),
        ("arn:aws-cn:iam::123456789012:root", "arn:aws-cn:iam::123456789012:root"),
    ],
)
def test_a_principal_is_named_by_any_of_its_arns(arn: str, principal: str) -> None:
    assert principal_of(arn) == principal


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "arn:aws:iam::123456789012:group/ml",
        "arn:aws:iam::1:role/x",
        "arn:aws:iam::123456789012:role/",
    ],
)
def test_what_names_no_principal_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterValue):
        principal_of(text)
