"""Why a principal may, or may not, do something: the decision and the grants that lead to it, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from cairn.domain.access import KINDS, Access, Action, Kind, Permission
from cairn.domain.grants import Grant
from cairn.sharing.caller import Caller
from cairn.sharing.grants import applies

ALLOWED, DENIED, INVISIBLE = "ALLOWED", "PERMISSION_DENIED", "INVISIBLE"


@dataclass(frozen=True, slots=True)
class Explanation:
    """``because``: what the decision follows from, a sentence each; ``advice``: what would change it."""

    decision: str
    held: Permission
    because: tuple[str, ...]
    advice: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The resource that is asked about, as far as it is known."""

    kind: Kind
    name: str
    identity: str | None = None


def explain(
    access: Access, grants: Sequence[Grant], caller: Caller, action: Action, subject: Subject | None
) -> Explanation:
    """``grants``: all that the caller's account and organisation hold. No subject: the action is the
    deployment's, which takes its permission on everything."""
    if subject is None:
        held = min(access.everything(kind) for kind in KINDS)
        about = [grant for grant in grants if grant.pattern.match == "prefix" and not grant.pattern.text]
    else:
        held = access.level(subject.kind, subject.name, subject.identity)
        about = [grant for grant in grants if _is_about(grant, subject)]
    because = tuple(_sentence(grant, caller) for grant in about)
    if action.permission <= held:
        return Explanation(ALLOWED, held, because or (_by_ownership(caller),), "")
    if subject is None or held:
        return Explanation(DENIED, held, because, _advice(about, caller, action))
    return Explanation(INVISIBLE, held, because, _advice(about, caller, action))


def _is_about(grant: Grant, subject: Subject) -> bool:
    pattern = grant.pattern
    if pattern.kind != subject.kind:
        return False
    if pattern.match == "prefix":
        return subject.name.startswith(pattern.text)
    return pattern.text == (subject.identity if pattern.match == "id" else subject.name)


def _sentence(grant: Grant, caller: Caller) -> str:
    pattern = grant.pattern
    shown = {"id": pattern.text, "name": repr(pattern.text), "prefix": repr(f"{pattern.text}*")}[
        pattern.match
    ]
    to = grant.holder if grant.role is None else f"the roles {grant.role!r} of {grant.holder}"
    said = f"Share {grant.share!r} gives {grant.permission.name} on {pattern.kind} {shown} to {to}"
    if applies(grant, caller):
        return f"{said}."
    return f"{said}, and the caller is {caller.kind} {caller.name!r}: it does not apply."


def _by_ownership(caller: Caller) -> str:
    return f"Principals of the owner's account {caller.account} have MANAGE on everything."


def _advice(about: Sequence[Grant], caller: Caller, action: Action) -> str:
    enough = [grant for grant in about if grant.permission >= action.permission]
    if enough:
        return f"Share {enough[0].share!r} names roles: call as one of them, or add {caller.name!r} to it."
    lower = [grant.share for grant in about if applies(grant, caller)]
    if lower:
        return (
            f"Raise a share: cairn share update {lower[0]} --permission {action.permission.name}. What it "
            "shares, it then shares so with all of its principals."
        )
    return (
        f"Share it: cairn share create NAME --permission {action.permission.name} --principal "
        f"{caller.account}, with the name or prefix of the resource."
    )
