"""Deletion and restoration: which stage an experiment's runs are in.

Deleting or restoring an experiment does the same to all its runs (MLflow's rule) without touching them:
the experiment counts such events in its epoch, a run remembers the epoch of its own last delete or
restore, and whichever came later decides.
"""

from collections.abc import Collection
from dataclasses import dataclass

from cairn.domain.entities import ACTIVE, DELETED
from cairn.errors import InvalidParameterValue

_STAGES = {stage[0]: stage for stage in (ACTIVE, DELETED)}


@dataclass(frozen=True, slots=True)
class Stage:
    """A life-cycle stage, and the experiment's epoch at which it was set."""

    stage: str = ACTIVE
    epoch: int = 0


def effective(run: Stage, experiment: Stage) -> str:
    """The stage of a run: its own unless its experiment was deleted or restored after it."""
    return run.stage if run.epoch == experiment.epoch else experiment.stage


def lifecycle_group(own: Stage) -> str:
    """The group under which the index keeps a run of this own stage, such as ``a0``."""
    return f"{own.stage[0]}{own.epoch}"


def all_groups(epoch: int) -> list[str]:
    """Every group that an experiment of this epoch can have, the latest first."""
    return [f"{stage[0]}{number}" for number in range(epoch, -1, -1) for stage in (ACTIVE, DELETED)]


def groups_of_view(experiment: Stage, stages: Collection[str]) -> list[str]:
    """The groups whose runs are effectively in one of the stages: those of the experiment's own epoch by
    their stage, all older ones by the experiment's."""
    return [
        group
        for group in all_groups(experiment.epoch)
        if effective(Stage(_STAGES[group[0]], int(group[1:])), experiment) in stages
    ]


def require_active_experiment(experiment_id: str, stage: str) -> None:
    """MLflow's ``_check_experiment_is_active``."""
    if stage != ACTIVE:
        raise InvalidParameterValue(
            f"The experiment {experiment_id} must be in the 'active' state. Current state is {stage}."
        )


def require_active_run(run_id: str, stage: str) -> None:
    """MLflow's ``_check_run_is_active``."""
    if stage != ACTIVE:
        raise InvalidParameterValue(
            f"The run {run_id} must be in the 'active' state. Current state is {stage}."
        )
