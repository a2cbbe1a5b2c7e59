"""Tokens: how one is spelled, minted, and found good.

A token is ``cairn_``, 128 bits that stand for its principal, and 256 random bits, in base64url. The first
say under which key the token's hash is kept, so that one request finds both the token and its principal's
mark of revocation; the second are the secret. The text itself is kept nowhere.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from cairn.domain.access import Permission
from cairn.domain.clock import Clock
from cairn.domain.tokens import HOUR_MS, Token
from cairn.errors import InvalidParameterValue, Unauthenticated
from cairn.ids import RandomBits
from cairn.sharing.caller import TOKEN, Caller, iam_caller

PREFIX = "cairn_"
BODY = "[A-Za-z0-9_-]{65}"
SHAPE = PREFIX + BODY
"""As a regular expression of Python and of API Gateway alike."""

_SECRET_BITS = 256
_LOCATOR = 22  # characters: 128 bits
_BODY = re.compile(BODY, re.ASCII)
_PRINCIPAL = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?:iam|sts)::(?P<account>[0-9]{12}):(?P<resource>\S+)"
)
_INVALID = "The token is unknown, expired or revoked."

Find = Callable[[str, str], tuple[Token | None, int]]
"""From a holder and a token's hash to the token, and the time until which the holder's are revoked."""


@dataclass(frozen=True, slots=True)
class Place:
    """Under which key a token is kept."""

    holder: str
    hashed: str


def holder_of(principal: str) -> str:
    """What stands for a principal: 32 hex digits."""
    return hashlib.sha256(principal.encode()).hexdigest()[:32]


def spell(prefix: str, principal: str, bits: RandomBits) -> str:
    """A new text that stands for a principal. Another prefix gives another hash: a code is no token."""
    secret = bits(_SECRET_BITS).to_bytes(_SECRET_BITS // 8, "big")
    return prefix + _base64(bytes.fromhex(holder_of(principal))) + _base64(secret)


def mint(caller: Caller, ceiling: Permission, hours: int, now: int, bits: RandomBits) -> tuple[str, Token]:
    """A new token's text, and what is kept of it. It may do no more than who mints it."""
    return spell(PREFIX, caller.principal, bits), record(caller, ceiling, hours, now)


def record(caller: Caller, ceiling: Permission, hours: int, now: int) -> Token:
    """What is kept of it."""
    return Token(
        caller.partition,
        caller.account,
        caller.kind,
        caller.name,
        caller.organisation,
        caller.session,
        min(ceiling, caller.ceiling),
        now,
        now + hours * HOUR_MS,
    )


def place(text: str, prefix: str = PREFIX) -> Place | None:
    """None for what has not a token's shape, or that of what begins with another prefix."""
    if not text.startswith(prefix) or not _BODY.fullmatch(text, len(prefix)):
        return None
    locator = base64.urlsafe_b64decode(text[len(prefix) : len(prefix) + _LOCATOR] + "==")
    return Place(locator.hex(), hashlib.sha256(text.encode()).hexdigest())


def caller_of(token: Token) -> Caller:
    return Caller(
        token.partition,
        token.account,
        token.kind,
        token.name,
        organisation=token.organisation,
        ceiling=token.ceiling,
        session=token.session,
        front=TOKEN,
    )


class Gatekeeper:
    """Finds the caller that a token stands for, or what begins with another ``prefix``."""

    def __init__(self, find: Find, clock: Clock, prefix: str = PREFIX) -> None:
        self._find = find
        self._clock = clock
        self._prefix = prefix

    def admit(self, text: str) -> Caller:
        """1 request to the table. Raises Unauthenticated, in the same words for whatever is wrong."""
        where = place(text, self._prefix)
        if where is None:
            raise Unauthenticated(_INVALID)
        token, not_before = self._find(where.holder, where.hashed)
        if token is None or not token.holds(self._clock(), not_before):
            raise Unauthenticated(_INVALID)
        caller = caller_of(token)
        if holder_of(caller.principal) != where.holder:
            raise Unauthenticated(_INVALID)
        return caller


def principal_of(text: str) -> str:
    """A principal as a token's holder is named, from its ARN of IAM or STS, with or without path and
    session. Raises InvalidParameterValue."""
    found = _PRINCIPAL.fullmatch(text)
    if found is not None and found["resource"].startswith("role/"):
        name = found["resource"].rpartition("/")[2]
        text = f"arn:{found['partition']}:sts::{found['account']}:assumed-role/{name}/any"
    elif found is not None and found["resource"].startswith("federated/"):
        text = text.replace(":federated/", ":federated-user/")
    try:
        return replace(iam_caller({"identity": {"userArn": text}}), session="").principal
    except Unauthenticated:
        raise InvalidParameterValue(
            f"{text!r} is no principal. Give the ARN of a role, a user or the root of an account."
        ) from None


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
