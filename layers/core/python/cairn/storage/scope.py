"""What an access decides about an experiment whose head was read, and so about all that belongs to it."""

from collections.abc import Mapping

from cairn.domain.access import Access
from cairn.storage.table import Item, Key


def shown(access: Access, head: Item | None) -> Item | None:
    """An experiment's head; None where it is not there, or not to be seen."""
    return head if head is not None and access.sees("experiments", *_of(head)) else None


def all_shown(access: Access, heads: Mapping[Key, Item]) -> dict[Key, Item]:
    """Those heads that are to be seen."""
    return {key: head for key, head in heads.items() if access.sees("experiments", *_of(head))}


def demand(access: Access, head: Item) -> None:
    """What the action takes, on an experiment that is seen. Raises PermissionDenied."""
    access.demand("experiments", *_of(head))


def _of(head: Item) -> tuple[str, str]:
    return head["n"], str(int(head["pk"].removeprefix("E#"), 16))
