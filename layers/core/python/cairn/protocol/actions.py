"""What routes do, and which permission each of it takes.

The names are Cairn's, the permissions those of MLflow's own auth app (mlflow/server/auth, 3.17): reading
takes READ, changing EDIT (``WRITE`` here), deleting and restoring MANAGE. Beside it: creating takes WRITE
under the new name, where MLflow lets everybody create; a tag or an alias is removed by who may set it,
where MLflow asks for MANAGE of some of them.
"""

from collections.abc import Mapping

from cairn.domain.access import Action, Permission

_NONE, _READ, _WRITE, _MANAGE = Permission

_PERMISSIONS: Mapping[str, Permission] = {
    "server:read": _NONE,
    "deployment:manage": _MANAGE,
    "experiments:create": _WRITE,
    "experiments:read": _READ,
    "experiments:update": _WRITE,
    "experiments:delete": _MANAGE,
    "runs:create": _WRITE,
    "runs:read": _READ,
    "runs:update": _WRITE,
    "runs:delete": _MANAGE,
    "runs:log": _WRITE,
    "models:create": _WRITE,
    "models:read": _READ,
    "models:log": _WRITE,
    "models:delete": _MANAGE,
    "artifacts:read": _READ,
    "artifacts:write": _WRITE,
    "artifacts:delete": _MANAGE,
    "registry:create": _WRITE,
    "registry:read": _READ,
    "registry:update": _WRITE,
    "registry:delete": _MANAGE,
}
"""``models`` are logged models, which belong to an experiment, as runs and artifacts do; ``registry`` are
registered models, prompts and their versions; ``deployment`` is everything."""

ACTIONS: Mapping[str, Action] = {
    name: Action(name, permission) for name, permission in _PERMISSIONS.items()
}
