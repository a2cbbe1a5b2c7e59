"""What Cairn's own page shows, ``/cairn``: who one is, what is shared, what runs here, where to begin."""

from typing import Any

from cairn.domain.access import KINDS, Pattern, Permission
from cairn.domain.release import CAIRN_VERSION, MLFLOW_VERSION
from cairn.domain.shares import Share
from cairn.protocol.messages.experiments import SearchExperiments
from cairn.protocol.messages.overview import Overview
from cairn.services.ports import Result, Stores
from cairn.services.search import search_experiments
from cairn.sharing.caller import Caller
from cairn.sharing.grants import applies

NEWEST = 5
"""Experiments that are shown."""
_SHOWN = 100  # patterns of shares

_NOTE = "mlflow.note.content"
_LINES = ("pip install mlflow", "export MLFLOW_TRACKING_URI={uri}", "python train.py")
_SIGNED_LINES = (
    "pip install mlflow requests-auth-aws-sigv4 boto3",
    "export MLFLOW_TRACKING_URI={uri}",
    "export MLFLOW_TRACKING_AWS_SIGV4=true",
)


def get_overview(stores: Stores, caller: Caller, request: Overview) -> Result:
    """``health`` is OK where this could be answered at all: the table was read for it, at the price of a
    search for the newest experiments that the caller may see.

    ``setup`` are the lines that point a script here; who shows them knows the address that stands for
    ``{uri}``. An entry of ``shared_with_me`` and ``shared_by_me`` is a pattern (``kind``, ``match``,
    ``text``, as in ``domain.access``), the ``permission`` on it, the name of the ``share`` that gives it,
    and ``who``: with whom, or by whom. ``everything`` is the caller's permission on all that there is: who
    has one needs no share.
    """
    found: Any = search_experiments(stores, caller, SearchExperiments(max_results=NEWEST))
    return {
        "caller": {
            "principal": caller.principal,
            "account": caller.account,
            "kind": caller.kind,
            "name": caller.name,
            "ceiling": caller.ceiling.name,
            "everything": min(map(stores.access.everything, KINDS)).name,
        },
        "versions": {"cairn": CAIRN_VERSION, "mlflow": MLFLOW_VERSION},
        "health": "OK",
        "setup": _LINES if caller.kind == "local" else _SIGNED_LINES,
        "experiments": [_experiment(experiment) for experiment in found.get("experiments", ())],
        "shared_with_me": _with_me(stores, caller),
        "shared_by_me": _by_me(stores),
    }


def _with_me(stores: Stores, caller: Caller) -> list[dict[str, object]]:
    """The grants that apply to a caller, unless all of it is its own anyway: 1 BatchGetItem."""
    if stores.access.unrestricted:
        return []
    owner = "" if stores.shares is None else stores.shares.place.account
    _, held = stores.look_up(caller, stores.access.action)
    return [
        _entry(grant.pattern, grant.permission, grant.share, owner)
        for grant in held[:_SHOWN]
        if applies(grant, caller)
    ]


def _by_me(stores: Stores) -> list[dict[str, object]]:
    """All shares, to who manages everything: 1 Query."""
    manages = min(map(stores.access.everything, KINDS))
    if stores.shares is None or manages < Permission.MANAGE:
        return []
    found, _ = stores.shares.store.all()
    entries = [
        _entry(pattern, share.permission, share.name, _members(share))
        for share in found
        for pattern in share.patterns
    ]
    return entries[:_SHOWN]


def _members(share: Share) -> str:
    return ", ".join(text for text, wish in share.members.items() if wish != "leaving")


def _entry(pattern: Pattern, permission: Permission, share: str, who: str) -> dict[str, object]:
    kind = {"kind": pattern.kind, "match": pattern.match, "text": pattern.text}
    return {**kind, "permission": permission.name, "share": share, "who": who}


def _experiment(experiment: dict[str, Any]) -> dict[str, object]:
    """The first line of its note, where it has one."""
    tags = {tag["key"]: tag["value"] for tag in experiment.get("tags", ())}
    note = tags.get(_NOTE, "").strip().partition("\n")[0].rstrip()
    shown = {key: experiment[key] for key in ("experiment_id", "name", "creation_time")}
    return {**shown, "note": note} if note else shown
