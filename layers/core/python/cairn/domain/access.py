"""What one call may touch: permissions on experiments, registered models and prompts.

Pure rules. Who holds which grants is ``cairn.sharing``'s; the stores ask an ``Access`` wherever they have
read the item that names a resource, so that what may not be seen is, from there on, what is not there.

Names compare by their code points, as MLflow's do: no case folding, no normal forms, no wildcard but the
one at the end of a prefix.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from cairn.errors import PermissionDenied
from cairn.ids import DEFAULT_EXPERIMENT_ID


class Permission(IntEnum):
    """Each holds those below it. ``WRITE`` is what MLflow's own permissions call ``EDIT``."""

    NONE = 0
    READ = 1
    WRITE = 2
    MANAGE = 3


Kind = Literal["experiments", "models", "prompts"]
KINDS: tuple[Kind, ...] = ("experiments", "models", "prompts")
Match = Literal["id", "name", "prefix"]
Resource = Literal["experiment", "model", "deployment", "server"]
"""Runs, logged models and artifacts belong to their experiment, versions and aliases to their model, which
may be a prompt; of the ``server`` everybody may ask."""

_SINGULAR: Mapping[Kind, str] = {
    "experiments": "experiment",
    "models": "registered model",
    "prompts": "prompt",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Some resources of a kind: the one of an id or of an exact name, or all whose name begins with
    ``text`` (which may be empty)."""

    kind: Kind
    match: Match
    text: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The highest permission that each pattern gives, looked up in time that no number of them changes but
    that of different prefix lengths."""

    ids: Mapping[str, Permission] = field(default_factory=dict)
    names: Mapping[str, Permission] = field(default_factory=dict)
    prefixes: Mapping[int, Mapping[str, Permission]] = field(default_factory=dict)

    def level(self, name: str, identity: str | None = None) -> Permission:
        found = [self.names.get(name, Permission.NONE)]
        if identity is not None:
            found.append(self.ids.get(identity, Permission.NONE))
        found += (held.get(name[:length], Permission.NONE) for length, held in self.prefixes.items())
        return max(found)

    @property
    def everything(self) -> Permission:
        """What is given on all resources of the kind, whatever their names."""
        return self.prefixes.get(0, {}).get("", Permission.NONE)


def rules(patterns: Iterable[tuple[Pattern, Permission]]) -> dict[Kind, Rules]:
    ids: dict[Kind, dict[str, Permission]] = {kind: {} for kind in KINDS}
    names: dict[Kind, dict[str, Permission]] = {kind: {} for kind in KINDS}
    prefixes: dict[Kind, dict[int, dict[str, Permission]]] = {kind: {} for kind in KINDS}
    for pattern, permission in patterns:
        if pattern.match == "prefix":
            held = prefixes[pattern.kind].setdefault(len(pattern.text), {})
        else:
            held = (ids if pattern.match == "id" else names)[pattern.kind]
        held[pattern.text] = max(permission, held.get(pattern.text, Permission.NONE))
    return {kind: Rules(ids[kind], names[kind], prefixes[kind]) for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Action:
    """What a route does, and the permission that this takes on the resource that it changes or, where it
    changes nothing, on the one that it reads; on every resource where it is the ``deployment``'s."""

    name: str
    permission: Permission
    resource: Resource


@dataclass(frozen=True, slots=True)
class Access:
    """The decision on one call: by whom (as messages say it), what, and on which resources.

    ``sees``: READ. ``demand``: what the action takes; a use-case demands it of whatever it changes.
    """

    who: str
    action: Action
    rules: Mapping[Kind, Rules]
    ceiling: Permission = Permission.MANAGE

    @property
    def unrestricted(self) -> bool:
        """Whether every resource of every kind may be seen, so that none needs to be looked at."""
        return all(self.everything(kind) >= Permission.READ for kind in KINDS)

    def everything(self, kind: Kind) -> Permission:
        return min(self.ceiling, self.rules[kind].everything)

    def level(self, kind: Kind, name: str, identity: str | None = None) -> Permission:
        return min(self.ceiling, self.rules[kind].level(name, identity))

    def sees(self, kind: Kind, name: str, identity: str | None = None) -> bool:
        return self.level(kind, name, identity) >= Permission.READ

    def demand(self, kind: Kind, name: str, identity: str | None = None) -> None:
        """Of a resource that is seen, or of a name that is to be taken. Raises PermissionDenied."""
        held, needed = self.level(kind, name, identity), self.action.permission
        if needed < Permission.WRITE:
            raise Undecided(f"{self.action.name} may only read, and something is to be written.")
        if held < needed:
            shown = f"{name!r}" if identity is None else f"{identity} ({name!r})"
            missing = (
                f"{self._has(held)}. "
                "Ask the owner of this tracking server to share it with that permission."
            )
            if self.rules[kind].level(name, identity) >= needed:
                missing = self._bounded()
            raise PermissionDenied(
                f"{self.action.name} on {_SINGULAR[kind]} {shown} needs {needed.name}; {missing}"
            )

    def demand_everything(self) -> None:
        """What the action takes, where it is the deployment's. Raises PermissionDenied."""
        if self.action.resource != "deployment":
            return
        held, needed = min(self.everything(kind) for kind in KINDS), self.action.permission
        if held < needed:
            missing = f"{self._has(held)} on all of it."
            if min(self.rules[kind].everything for kind in KINDS) >= needed:
                missing = self._bounded()
            raise PermissionDenied(f"{self.action.name} needs {needed.name} on everything; {missing}")

    def _has(self, held: Permission) -> str:
        return f"{self.who} has {held.name if held else 'no permission'}"

    def _bounded(self) -> str:
        """What is said where the grants would do, and the ceiling does not."""
        return (
            f"this browser session or token may {self.ceiling.name} at most, whatever {self.who} may. "
            "Sign the request, or use a session or token with that permission."
        )


def hint(access: Access, experiment_id: str) -> str:
    """What a missing experiment's message says besides. Experiment 0 is everywhere, so nothing is told by
    it: a client that named no experiment asked for it."""
    if experiment_id != DEFAULT_EXPERIMENT_ID or access.unrestricted:
        return ""
    return (
        f" for {access.who}. Clients use experiment 0 where none is named: name one that is shared with "
        "you, by mlflow.set_experiment() or MLFLOW_EXPERIMENT_NAME."
    )


class Undecided(Exception):
    """A use-case was reached, or goes further, than anybody decided: a fault of the program."""


class _NoRules(dict[Kind, Rules]):
    def __missing__(self, kind: Kind) -> Rules:
        raise Undecided(f"Nobody decided what this call may do with {kind}.")


_ALL = rules((Pattern(kind, "prefix", ""), Permission.MANAGE) for kind in KINDS)

UNDECIDED = Access("nobody", Action("none", Permission.NONE, "server"), _NoRules())
"""Of stores that nobody scoped yet: whatever asks it raises."""

DEPLOYMENT = Access("the deployment itself", Action("upkeep", Permission.MANAGE, "deployment"), _ALL)
"""Of what acts for no caller: indexing, folding, an operator's commands."""


def all_of(who: str, action: Action, permission: Permission = Permission.MANAGE) -> Access:
    """On everything, up to a permission."""
    return Access(who, action, _ALL, permission)
