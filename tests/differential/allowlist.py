"""Every difference from MLflow's server that Cairn means to keep, each with its reason.

An entry is a predicate on the operation and the two answers, a name, and the reason as
docs/compatibility.md prints it. A difference that no entry claims fails the comparison.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.compare import Answer
from tests.differential.operations import Operation


@dataclass(frozen=True, slots=True)
class Tolerated:
    name: str
    reason: str
    applies: Callable[[Operation, Answer, Answer], bool]


def _crash(operation: Operation, expected: Answer, got: Answer) -> bool:
    """MLflow's server failed on bad input; Cairn refuses it."""
    return (
        expected.status == 500
        and expected.error_code in (None, "INTERNAL_ERROR")
        and 400 <= got.status < 500
    )


TOLERATED: tuple[Tolerated, ...] = (
    Tolerated(
        "refused instead of crashed",
        "Where MLflow's server fails with an internal error (500) on bad input, Cairn answers 400 or 404: "
        "clients repeat a 500 seven times.",
        _crash,
    ),
)


def tolerated(operation: Operation, expected: Answer, got: Answer) -> str | None:
    """The name of the entry that claims this difference."""
    return next((each.name for each in TOLERATED if each.applies(operation, expected, got)), None)
