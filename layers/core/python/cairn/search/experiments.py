"""A search of experiments, as the store is asked it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cairn.domain.entities import Experiment
from cairn.search.match import experiment_filter
from cairn.search.order import Ordering, Position
from cairn.search.tree import Filter


@dataclass(frozen=True, slots=True)
class ExperimentSearch:
    """``passes`` is the filter without its tags, ``meets`` the whole of it, ``tag_keys`` the tags that it
    names. Behind ``after``; ``resumed`` says how far an earlier request came in its pass over everything.
    ``expected``: experiments that will be taken at most."""

    stages: Sequence[str]
    passes: Callable[[Experiment], bool]
    meets: Callable[[Experiment], bool]
    tag_keys: tuple[str, ...]
    ordering: Ordering[Experiment]
    after: Position | None
    resumed: str | None
    expected: int


def experiment_search(
    tree: Filter,
    stages: Sequence[str],
    ordering: Ordering[Experiment],
    after: tuple[Position | None, str | None],
    expected: int,
) -> ExperimentSearch:
    tags = tuple(comparison for comparison in tree if comparison.kind == "tag")
    return ExperimentSearch(
        stages,
        experiment_filter(tuple(comparison for comparison in tree if comparison.kind != "tag")),
        experiment_filter(tree),
        tuple(dict.fromkeys(comparison.key for comparison in tags)),
        ordering,
        *after,
        expected,
    )
