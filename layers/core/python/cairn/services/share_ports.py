"""What the use-cases of shares ask of the outside."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cairn.domain.shares import LastRun, Place, Share


class ShareStore(Protocol):
    """Shares by name. An unknown one raises ResourceDoesNotExist."""

    def create(self, share: Share) -> Share:
        """ResourceAlreadyExists where the name is taken; the same id again is the share as it stands."""

    def get(self, name: str) -> Share: ...

    def change(self, name: str, edit: Callable[[Share], Share]) -> Share:
        """By compare-and-set: ``edit`` may be called several times."""

    def all(self) -> tuple[list[Share], LastRun | None]:
        """By name, and what the reconciler noted last."""


@dataclass(frozen=True, slots=True)
class Shares:
    """``parameter`` gives the ARN under which a share's consumers find it; ``nudge`` lets the reconciler
    come at once, or fails in silence: it comes by the clock as well."""

    store: ShareStore
    place: Place
    parameter: Callable[[str], str]
    nudge: Callable[[], None]
