"""The outer gate: whose requests API Gateway lets through to the functions at all.

It is a static resource policy in the template. No data is public: a method asks for a signature (AWS_IAM),
and a caller needs ``execute-api:Invoke`` in its own identity policy, whatever the gate says; or it asks for
a token or a session (a Lambda authorizer), which only somebody could get whom the gate let in. Such a
request has no AWS principal, so the gate may not speak of it; the authorizer decides ("How API Gateway
resource policies affect authorization workflow", table A). In the owner's account an allow of either policy
suffices, so the gate's allows exclude that account: its people need their identity policy like everybody
else. What a browser needs before it is signed in asks for nothing, and is allowed path by path.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

SOMEBODY = "?" * 12
"""An account's id. Of a request without a principal (a browser's, or one by a token)
``aws:PrincipalAccount`` is ``anonymous`` ("AWS global condition context keys"); what such a request may
reach, its method decides."""
MAX_ACCOUNTS = 400
"""An account takes 15 characters of the 8,192 that a resource policy holds."""

Kind = Literal["own-account", "organisation", "accounts", "any-aws-principal"]


@dataclass(frozen=True, slots=True)
class Gate:
    """``members`` are the organisation's id, or the account ids; empty for the other kinds."""

    kind: Kind
    members: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError that says what may be written."""
        name, _, rest = text.partition(":")
        if name == "own-account" and not rest:
            return cls("own-account")
        if name == "any-aws-principal" and not rest:
            return cls("any-aws-principal")
        if name == "organisation" and re.fullmatch(r"o-[a-z0-9]{10,32}", rest):
            return cls("organisation", (rest,))
        accounts = tuple(dict.fromkeys(part.strip() for part in rest.split(",")))
        if name == "accounts" and all(re.fullmatch(r"\d{12}", account) for account in accounts):
            if len(accounts) > MAX_ACCOUNTS:
                raise ValueError(f"at most {MAX_ACCOUNTS} accounts fit a policy; name the organisation")
            return cls("accounts", accounts)
        raise ValueError(
            "access is own-account, organisation:o-..., accounts:<12 digits>,... or any-aws-principal"
        )

    def statements(self, owner: str, open_paths: Sequence[str] = ()) -> list[dict[str, object]]:
        """The resource policy's statements; ``owner`` is the account that the API is deployed to,
        ``open_paths`` what anybody may ask for: under a policy a method that asks for nothing is refused
        unless it is allowed (table A of the same page).

        ``Principal: *`` is narrowed by the condition, to requests that have a principal: of the others "not
        equal" holds as well.
        """
        return [self._of_principals(owner), *_open(open_paths)]

    def _of_principals(self, owner: str) -> dict[str, object]:
        elsewhere: dict[str, object] = {
            "StringNotEquals": {"aws:PrincipalAccount": owner},
            "StringLike": {"aws:PrincipalAccount": SOMEBODY},
        }
        if self.kind == "own-account":
            return _statement("Deny", elsewhere)
        if self.kind == "organisation":
            elsewhere["StringEquals"] = {"aws:PrincipalOrgID": self.members[0]}
        if self.kind == "accounts":
            elsewhere["StringEquals"] = {"aws:PrincipalAccount": list(self.members)}
        return _statement("Allow", elsewhere)


def _open(paths: Sequence[str]) -> list[dict[str, object]]:
    if not paths:
        return []
    resources = [f"execute-api:/*/{path}" for path in paths]
    return [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": resources}]


def _statement(effect: str, condition: dict[str, object]) -> dict[str, object]:
    return {
        "Effect": effect,
        "Principal": {"AWS": "*"},
        "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*",
        "Condition": condition,
    }
