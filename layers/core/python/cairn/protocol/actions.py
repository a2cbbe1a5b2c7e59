"""What routes do, and which permission each of it takes.

The names are Cairn's, the permissions those of MLflow's own auth app (mlflow/server/auth, 3.17): reading
takes READ, changing EDIT (``WRITE`` here), deleting and restoring MANAGE. Beside it: creating takes WRITE
under the new name, where MLflow lets everybody create; a tag or an alias is removed by who may set it,
where MLflow asks for MANAGE of some of them.
"""

from collections.abc import Mapping

from cairn.domain.access import Action, Permission

_NONE, _READ, _WRITE, _MANAGE = Permission

_ACTIONS = (
    Action("server:read", _NONE, "server"),
    Action("deployment:manage", _MANAGE, "deployment"),
    Action("shares:manage", _MANAGE, "deployment"),
    Action("sessions:create", _NONE, "server"),
    Action("tokens:create", _NONE, "server"),
    Action("tokens:read", _NONE, "server"),
    Action("tokens:revoke", _NONE, "server"),
    Action("experiments:create", _WRITE, "experiment"),
    Action("experiments:read", _READ, "experiment"),
    Action("experiments:update", _WRITE, "experiment"),
    Action("experiments:delete", _MANAGE, "experiment"),
    Action("runs:create", _WRITE, "experiment"),
    Action("runs:read", _READ, "experiment"),
    Action("runs:update", _WRITE, "experiment"),
    Action("runs:delete", _MANAGE, "experiment"),
    Action("runs:log", _WRITE, "experiment"),
    Action("models:create", _WRITE, "experiment"),
    Action("models:read", _READ, "experiment"),
    Action("models:log", _WRITE, "experiment"),
    Action("models:delete", _MANAGE, "experiment"),
    Action("artifacts:read", _READ, "experiment"),
    Action("artifacts:write", _WRITE, "experiment"),
    Action("artifacts:delete", _MANAGE, "experiment"),
    Action("registry:create", _WRITE, "model"),
    Action("registry:read", _READ, "model"),
    Action("registry:update", _WRITE, "model"),
    Action("registry:delete", _MANAGE, "model"),
)
"""``models`` are logged models, ``registry`` registered models, prompts and their versions. ``tokens`` and
``sessions`` are one's own."""

ACTIONS: Mapping[str, Action] = {action.name: action for action in _ACTIONS}
