"""Shares as answers, and what their owner does next."""

from collections.abc import Sequence

from cairn.domain import shares as rules
from cairn.domain.grants import is_account
from cairn.domain.shares import LastRun, Place, Share
from cairn.protocol.render import Json

LATE_MS = 900_000
"""The reconciler comes every five minutes: three times in vain is no accident."""


def share(entity: Share, parameter: str, place: Place) -> Json:
    """``parameter``: the ARN that its consumers are told."""
    problems = [*entity.found.problems, *_shut_out(entity, place)]
    patterns: dict[str, list[str]] = {"experiments": [], "experiment_ids": [], "models": [], "prompts": []}
    for one in entity.patterns:
        name = "experiment_ids" if one.match == "id" else one.kind
        patterns[name].append(one.text + ("*" if one.match == "prefix" else ""))
    return {
        "name": entity.name,
        "share_id": entity.share_id,
        "permission": entity.permission.name,
        **patterns,
        "roles": list(entity.roles),
        "direct_s3": entity.direct,
        "principals": [
            {"principal": text, "wish": wish, "status": entity.found.principals.get(text, "UNKNOWN")}
            for text, wish in sorted(entity.members.items())
        ],
        "state": _state(entity),
        "problems": problems,
        "next": next_step(entity, parameter, problems),
        "parameter": parameter,
        "ram_share": entity.ram_arn,
        "declared_by": entity.declared,
        "created": entity.created,
        "updated": entity.updated,
    }


def reconciler(last: LastRun | None, now: int) -> Json:
    """When it last came to its end, and RAM shares that it found and that no record knows."""
    late = last is None or now - last.time > LATE_MS
    return {
        "last_run": None if last is None else last.time,
        "late": late,
        "unmatched": [] if last is None else list(last.unmatched),
        "next": "The reconciler has not come to its end for a while: read the log of the function "
        "`reconciler`, and its alarm. Until it does, nothing is granted and nothing is revoked."
        if late
        else "",
    }


def next_step(entity: Share, parameter: str, problems: Sequence[str]) -> str:
    """What its owner is to do, or to wait for."""
    state = _state(entity)
    if state == rules.DELETING:
        gone = entity.found.state == rules.DELETING and not entity.found.problems
        return (
            "Nobody has access by it any more; its record goes within 10 minutes."
            if gone
            else "Access ends within 5 minutes; `cairn share status` says when it has."
        )
    if problems:
        return "Look at `problems`: each says what to do."
    if not any(wish != "leaving" for wish in entity.members.values()):
        return f"Nobody is in it: `cairn share update {entity.name} --principal ...`."
    if state == rules.NEW:
        return "The reconciler makes it in RAM, within seconds as a rule and within 5 minutes at worst."
    if state == rules.WAITING:
        return _waiting(entity)
    return f"Nothing. Its consumers set MLFLOW_TRACKING_URI={parameter} (plugin mlflow-cairn)."


def _shut_out(entity: Share, place: Place) -> list[str]:
    shut = [] if entity.deleting else rules.shut_out(entity, place)
    if not shut:
        return []
    told = (
        f"API Gateway lets nobody of {', '.join(shut)} in: the deployment's access is {place.gate}. Deploy "
        "with an access that admits them (docs/deploy.md); grants decide what they see."
    )
    return [told]


def _waiting(entity: Share) -> str:
    invited = _with_status(entity, "ASSOCIATING")
    accounts = [text for text in invited if is_account(text)]
    if not accounts:
        return "RAM is at it: a minute as a rule, seen by the reconciler within 5."
    return (
        f"Accounts outside your organisation have to accept: the admin of {', '.join(accounts)} runs "
        "`aws ram get-resource-share-invitations` and `aws ram accept-resource-share-invitation` in this "
        "region, within 12 hours. Accounts inside it are in within minutes."
    )


def _with_status(entity: Share, status: str) -> Sequence[str]:
    return sorted(text for text, found in entity.found.principals.items() if found == status)


def _state(entity: Share) -> str:
    return rules.DELETING if entity.deleting else entity.found.state
