"""The audit trail: one structured line for each write and for each refusal.

Who, what, on which resource, with which outcome; never a value, a secret or a body. Lines go to the logger
``cairn.audit`` at INFO, as JSON of the function's own logger in AWS; a local server shows none.
"""

import logging
from dataclasses import dataclass
from typing import Any

from cairn.domain.access import Action, Permission
from cairn.errors import PermissionDenied, Unauthenticated
from cairn.sharing.caller import ANYONE, Caller

_LOG = logging.getLogger(__name__)
_MOST = 200  # characters of what a caller wrote
_NAMES = (
    "run_id",
    "run_uuid",
    "model_id",
    "experiment_id",
    "experiment_ids",
    "name",
    "experiment_name",
    "artifact_path",
    "share_id",
    "webhook_id",
    "principal",
    "path",
)
"""Fields that say what a request is about, the most telling first."""
_LETS_IN = ("tokens:", "sessions:")
_REFUSALS = frozenset({PermissionDenied.code, Unauthenticated.code})


@dataclass(slots=True)
class Entry:
    """What is known of a request, filled in as it goes on."""

    action: Action
    request_id: str
    front: str
    caller: Caller = ANYONE
    about: object = None

    def write(self, code: str = "") -> None:
        """``code``: of the error that the request is answered with; none for a success."""
        is_refusal = code in _REFUSALS
        writes = self.action.permission >= Permission.WRITE or self.action.name.startswith(_LETS_IN)
        if (writes or is_refusal) and _LOG.isEnabledFor(logging.INFO):
            _LOG.info("audit", extra={"audit": self.line("refused" if is_refusal else "allowed", code)})

    def line(self, decision: str, code: str) -> dict[str, str]:
        return {
            "who": self.caller.principal,
            "session": self.caller.session[:_MOST],
            "front": self.front,
            "action": self.action.name,
            "resource": resource(self.about),
            "decision": decision,
            "code": code,
            "request_id": self.request_id,
        }


def resource(about: object) -> str:
    """Such as ``run_id=0af...``: of a message, or of the params and the query of a raw call."""
    if about is None:
        return ""
    params, query = getattr(about, "params", None), getattr(about, "query", None)
    for name in _NAMES:
        value: Any = getattr(about, name, None)
        if isinstance(params, dict) and isinstance(query, dict):
            value = params.get(name) or query.get(name)
        if value:
            shown = ",".join(value) if isinstance(value, list) else str(value)
            return f"{name}={shown}"[:_MOST]
    return ""
