"""docs/sharing.md says of every action which permission it takes."""

import re

from cairn.domain.access import Permission
from cairn.protocol.actions import ACTIONS
from tests.architecture.documents import DOCS


def test_every_action_stands_with_its_permission() -> None:
    text = (DOCS / "sharing.md").read_text()
    rows = re.findall(r"^\| (`\w+:\w+`[^|]*) \| ([^|]+) \|", text, re.MULTILINE)
    documented = {
        name: Permission.NONE if takes == "nothing" else Permission[takes.strip("`")]
        for names, takes in rows
        for name in re.findall(r"`(\w+:\w+)`", names)
    }
    assert documented == {name: action.permission for name, action in ACTIONS.items()}
