"""Use-cases that answer questions about decisions."""

import re

from cairn.domain.access import Action
from cairn.errors import InvalidParameterValue, ResourceDoesNotExist, Unauthenticated
from cairn.protocol.actions import ACTIONS
from cairn.protocol.messages.access import ExplainAccess
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller, iam_caller
from cairn.sharing.explain import Subject, explain

_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:[^/]+/)*([^/]+)", re.ASCII)


def explain_access(stores: Stores, caller: Caller, request: ExplainAccess) -> Result:
    """The decision that a request of the principal would meet now, and what it follows from.

    1 GetItem and 1 Query of an experiment, 1 BatchGetItem of grants. Raises InvalidParameterValue for what
    is no principal's ARN or no action, or more than one resource.
    """
    action = ACTIONS.get(request.action)
    if action is None:
        raise InvalidParameterValue(
            f"There is no action {request.action!r}; there are: {', '.join(ACTIONS)}."
        )
    asking = _principal(request.principal, request.organisation)
    subject, is_there = _subject(stores, request, action)
    access, grants = stores.look_up(asking, action)
    found = explain(access, grants, asking, action, subject)
    shown: dict[str, object] = {
        "principal": asking.principal,
        "action": action.name,
        "needs": action.permission.name,
        "has": found.held.name,
        "decision": found.decision,
        "because": list(found.because),
        "advice": found.advice,
    }
    if subject is not None:
        on = {"kind": subject.kind, "name": subject.name, "exists": is_there}
        shown["resource"] = on if subject.identity is None else {**on, "id": subject.identity}
    return shown


def _principal(arn: str, organisation: str) -> Caller:
    """The role of an IAM ARN is asked about as what API Gateway would say of it: without its path."""
    role = _ROLE.fullmatch(arn)
    if role is not None:
        arn = f"arn:{role[1]}:sts::{role[2]}:assumed-role/{role[3]}/session"
    try:
        return iam_caller({"identity": {"userArn": arn, "principalOrgId": organisation}})
    except Unauthenticated:
        raise InvalidParameterValue(
            f"{arn!r} is no principal: write arn:aws:iam::ACCOUNT:role/NAME, :user/NAME or :root, or what "
            "`aws sts get-caller-identity` shows."
        ) from None


def _subject(stores: Stores, request: ExplainAccess, action: Action) -> tuple[Subject | None, bool]:
    """What is asked about, and whether it is there."""
    named = {"experiment": request.experiment, "model": request.model, "prompt": request.prompt}
    given = [what for what, name in named.items() if name]
    if action.resource in ("deployment", "server"):
        if given:
            raise InvalidParameterValue(f"{action.name} is not about any {given[0]}: leave it out.")
        return None, True
    if len(given) != 1 or (given == ["experiment"]) != (action.resource == "experiment"):
        wanted = "an experiment" if action.resource == "experiment" else "a model or a prompt"
        raise InvalidParameterValue(f"{action.name} is about {wanted}: name one, and nothing else.")
    if request.experiment:
        return _experiment(stores, request.experiment)
    name = request.model or request.prompt
    try:
        stores.registry.models.get(name)
    except ResourceDoesNotExist:
        return Subject("models" if request.model else "prompts", name), False
    return Subject("models" if request.model else "prompts", name), True


def _experiment(stores: Stores, asked: str) -> tuple[Subject, bool]:
    """By name, or else by id."""
    found = stores.experiments.find(asked)
    if found is None and asked.isascii() and asked.isdigit():
        try:
            found = stores.experiments.get(asked)
        except ResourceDoesNotExist:
            return Subject("experiments", "", asked), False
    if found is None:
        return Subject("experiments", asked), False
    return Subject("experiments", found.name, found.experiment_id), True
