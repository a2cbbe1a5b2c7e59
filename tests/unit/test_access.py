"""What a refusal says is missing: a grant, or more than a browser session's or token's ceiling."""

import pytest

from cairn.domain.access import Access, Action, Kind, Pattern, Permission, rules
from cairn.errors import PermissionDenied

NONE, READ, WRITE, MANAGE = Permission
KINDS: tuple[Kind, ...] = ("experiments", "models", "prompts")
GRANT = "Ann has READ. Ask the owner of this tracking server to share it with that permission."
CEILING = (
    "this browser session or token may READ at most, whatever Ann may. "
    "Sign the request, or use a session or token with that permission."
)


def access(granted: Permission, ceiling: Permission, needs: Permission, of: str = "experiment") -> Access:
    patterns = [(Pattern(kind, "prefix", ""), granted) for kind in KINDS]
    return Access("Ann", Action("act", needs, of), rules(patterns), ceiling)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("granted", "ceiling", "needs", "missing"),
    [
        (READ, MANAGE, WRITE, GRANT),
        (READ, READ, WRITE, GRANT),
        (WRITE, READ, WRITE, CEILING),
        (MANAGE, READ, WRITE, CEILING),
        (WRITE, READ, MANAGE, GRANT),
    ],
)
def test_a_refusal_says_what_is_missing(
    granted: Permission, ceiling: Permission, needs: Permission, missing: str
) -> None:
    with pytest.raises(PermissionDenied) as raised:
        access(granted, ceiling, needs).demand("models", "m")
    assert raised.value.message == f"act on registered model 'm' needs {needs.name}; {missing}"


@pytest.mark.parametrize(
    ("granted", "ceiling", "missing"),
    [(READ, MANAGE, "Ann has READ on all of it."), (MANAGE, READ, CEILING)],
)
def test_so_does_one_of_the_deployments(granted: Permission, ceiling: Permission, missing: str) -> None:
    with pytest.raises(PermissionDenied) as raised:
        access(granted, ceiling, MANAGE, "deployment").demand_everything()
    assert raised.value.message == f"act needs MANAGE on everything; {missing}"
