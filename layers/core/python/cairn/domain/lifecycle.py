"""Deletion and restoration: which stage an experiment's runs are in.

Deleting or restoring an experiment does the same to all its runs (MLflow's rule) without touching them:
the experiment counts such events in its epoch, a run remembers the epoch of its own last delete or
restore, and whichever came later decides.
"""

from dataclasses import dataclass

from cairn.domain.entities import ACTIVE
from cairn.errors import InvalidParameterValue


@dataclass(frozen=True, slots=True)
class Stage:
    """A life-cycle stage, and the experiment's epoch at which it was set."""

    stage: str = ACTIVE
    epoch: int = 0


def effective(run: Stage, experiment: Stage) -> str:
    """The stage of a run: its own unless its experiment was deleted or restored after it."""
    return run.stage if run.epoch == experiment.epoch else experiment.stage


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
