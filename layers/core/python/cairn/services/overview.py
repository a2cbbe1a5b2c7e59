"""What Cairn's own page shows, ``/cairn``: who one is, what is shared, what runs here, where to begin."""

from typing import Any

from cairn.domain.release import CAIRN_VERSION, MLFLOW_VERSION
from cairn.protocol.messages.experiments import SearchExperiments
from cairn.protocol.messages.overview import Overview
from cairn.services.ports import Result, Stores
from cairn.services.search import search_experiments
from cairn.sharing.caller import Caller

NEWEST = 5
"""Experiments that are shown."""

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
    and ``who``: with whom, or by whom.
    """
    found: Any = search_experiments(stores, caller, SearchExperiments(max_results=NEWEST))
    return {
        "caller": {
            "principal": caller.principal,
            "account": caller.account,
            "kind": caller.kind,
            "name": caller.name,
        },
        "versions": {"cairn": CAIRN_VERSION, "mlflow": MLFLOW_VERSION},
        "health": "OK",
        "setup": _LINES if caller.kind == "local" else _SIGNED_LINES,
        "experiments": [_experiment(experiment) for experiment in found.get("experiments", ())],
        "shared_with_me": [],
        "shared_by_me": [],
    }


def _experiment(experiment: dict[str, Any]) -> dict[str, object]:
    """The first line of its note, where it has one."""
    tags = {tag["key"]: tag["value"] for tag in experiment.get("tags", ())}
    note = tags.get(_NOTE, "").strip().partition("\n")[0].rstrip()
    shown = {key: experiment[key] for key in ("experiment_id", "name", "creation_time")}
    return {**shown, "note": note} if note else shown
