"""What a search of runs may see: the life-cycle groups of its experiments, by the experiments' heads."""

from collections.abc import Collection, Iterator, Sequence

from cairn.domain.access import Access
from cairn.domain.lifecycle import Stage, groups_of_view
from cairn.ids import experiment_hex
from cairn.storage import keys
from cairn.storage.scope import shown
from cairn.storage.table import Table

Group = tuple[str, str]
"""An experiment, in hex, and a life-cycle group."""


def visible_groups(
    table: Table, access: Access, experiments: Sequence[str], stages: Collection[str]
) -> Iterator[Group]:
    """Every group of the experiments that a view of these stages shows; an experiment that is not there, or
    not to be seen, has none. 1 BatchGetItem per 100 experiments, a read unit for each."""
    heads = table.batch_get([keys.experiment_head(one) for one in experiments])
    for experiment in experiments:
        head = shown(access, heads.get(keys.experiment_head(experiment)))
        if head is not None:
            stage = Stage(head["st"], head["ep"])
            yield from ((experiment, group) for group in groups_of_view(stage, stages))


def known_experiments(experiment_ids: Sequence[str]) -> list[str]:
    """Those of the ids that an experiment can have, in hex."""
    return [found for one in experiment_ids if (found := experiment_hex(one)) is not None]
