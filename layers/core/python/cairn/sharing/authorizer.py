"""The Lambda authorizer of tokens: API Gateway's question, and the answer that it understands.

It is asked once for each request: the gateway keeps no answer, so a revoked token is void at once.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from cairn.errors import Unauthenticated
from cairn.sharing.caller import Caller, as_context
from cairn.sharing.tokens import SHAPE

_SCHEME = "Bearer "
HEADER = f"^{_SCHEME}{SHAPE}$"
"""What API Gateway lets through to the authorizer at all (identityValidationExpression)."""

_HEADER = re.compile(HEADER, re.ASCII)


class Refused(Exception):
    """Its text is a contract: API Gateway answers 401 to an authorizer that fails with it ("Output from an
    API Gateway Lambda authorizer")."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


Question = Mapping[str, Any]


class Authorizer:
    """``admit`` finds the caller that a token stands for, or raises Unauthenticated. ``of_request`` answers
    the other kind of question, which is of the whole request: which kind, API Gateway's authorizers fix."""

    def __init__(
        self,
        admit: Callable[[str], Caller],
        of_request: Callable[[Question], dict[str, Any]] | None = None,
    ) -> None:
        self._admit = admit
        self._of_request = of_request

    def answer(self, event: Question) -> dict[str, Any]:
        """The policy that lets this one request in, with its caller as the context. Raises Refused."""
        if self._of_request is not None and event.get("type") == "REQUEST":
            return self._of_request(event)
        given = event.get("authorizationToken")
        if not isinstance(given, str) or not _HEADER.fullmatch(given):
            raise Refused
        try:
            caller = self._admit(given.removeprefix(_SCHEME))
        except Unauthenticated:
            raise Refused from None
        return allowing(event["methodArn"], caller)


def allowing(method: str, caller: Caller) -> dict[str, Any]:
    """What API Gateway understands: this caller may make this one request, given by its ARN."""
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": method}
    return {
        "principalId": caller.principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [allowed]},
        "context": as_context(caller),
    }
