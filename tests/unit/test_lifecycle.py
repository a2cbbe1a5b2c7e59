"""Deleting and restoring experiments and runs in any order, against the rule written out run by run."""

from hypothesis import given
from hypothesis import strategies as st

from cairn.domain.entities import ACTIVE, DELETED
from cairn.domain.lifecycle import Stage, effective

EVENTS = st.lists(
    st.tuples(st.sampled_from(["experiment", "first", "second"]), st.sampled_from([ACTIVE, DELETED]))
)


@given(EVENTS)
def test_epochs_say_what_marking_every_run_would(events: list[tuple[str, str]]) -> None:
    experiment = Stage()
    runs = {"first": Stage(), "second": Stage()}
    marked = {"first": ACTIVE, "second": ACTIVE}
    for subject, stage in events:
        if subject == "experiment":
            if stage == experiment.stage:
                continue  # MLflow refuses to delete twice, and to restore what is active
            experiment = Stage(stage, experiment.epoch + 1)
            marked = dict.fromkeys(marked, stage)
        else:
            runs[subject] = Stage(stage, experiment.epoch)
            marked[subject] = stage
    assert {name: effective(run, experiment) for name, run in runs.items()} == marked
