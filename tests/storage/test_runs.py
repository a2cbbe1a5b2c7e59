"""Runs as they are stored: facts inline and in shards, the metric log, stages, the default order."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.domain import runs as changes
from cairn.domain.entities import DatasetInput, Metric, ModelOutput
from cairn.errors import InvalidParameterValue, ResourceDoesNotExist
from cairn.storage.keys import run_partition
from cairn.storage.limits import item_size
from cairn.storage.table import Query, Table
from tests.storage.stores import aggregates, points

LONG = "\u4e00" * 6_000


def largest_item(table: Table, run_id: str) -> int:
    largest, after = 0, None
    while True:
        page = table.query(Query(run_partition(run_id), after=after))
        largest = max(largest, *(item_size(item) for item in page.items))
        after = page.after
        if after is None:
            return largest


def test_a_run_comes_back_as_it_was_written(table: Table) -> None:
    stores = aggregates(table)
    run_id = stores.run(stores.experiment(), start_time=-7, tags={"mlflow.runName": "calm-lake-1", "a": ""})
    stores.change(
        run_id,
        changes.log_params(run_id, {"lr": "0.1", "#/\0 ü": "x"}),
        changes.set_tags([("a", "b"), ("a", "c"), ("mlflow.runName", "renamed")]),
        changes.log_datasets([DatasetInput("iris", "d1", {"mlflow.data.context": "train"})]),
        changes.log_model_inputs(["m-1"]),
        changes.log_model_outputs([ModelOutput("m-2", 3)]),
        changes.update_info("FINISHED", 9, None),
        points=[Metric("loss", math.nan, 1, 1), Metric("loss", 0.5, 1, 0)],
    )
    run = stores.runs.get(run_id)
    assert (run.info.start_time, run.info.end_time, run.info.status) == (-7, 9, "FINISHED")
    assert run.info.run_name == "renamed"
    assert run.info.artifact_uri == f"mlflow-artifacts:/1/{run_id}/artifacts"
    assert run.tags == {"mlflow.runName": "renamed", "a": "c"}
    assert run.params == {"lr": "0.1", "#/\0 ü": "x"}
    assert run.dataset_inputs == (DatasetInput("iris", "d1", {"mlflow.data.context": "train"}),)
    assert (run.model_inputs, run.model_outputs) == (("m-1",), (ModelOutput("m-2", 3),))
    assert math.isnan(run.metrics["loss"].value)
    assert run.metrics["loss"].step == 1


def test_a_huge_run_stays_in_small_items(table: Table) -> None:
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    params = {f"param{number}": f"{number}{LONG}"[:6_000] for number in range(300)}
    for start in range(0, 300, 100):
        batch = dict(list(params.items())[start : start + 100])
        tags = [(f"tag{start + index}", "\u20ac" * 8_000) for index in range(30)]
        stores.change(run_id, changes.log_params(run_id, batch), changes.set_tags(tags))
    many = points(5_000)
    for start in range(0, 5_000, 1_000):
        stores.change(run_id, points=many[start : start + 1_000])
    run = stores.runs.get(run_id)
    assert run.params == params
    assert run.metrics == {point.key: point for point in many}
    assert len(run.tags) == 90
    assert largest_item(table, run_id) < 200_000


def test_a_param_is_written_once(table: Table) -> None:
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    stores.change(run_id, changes.log_param(run_id, "lr", "0.1"))
    stores.change(run_id, changes.log_param(run_id, "lr", "0.1"))
    with pytest.raises(InvalidParameterValue, match="Changing param values is not allowed"):
        stores.change(run_id, changes.log_params(run_id, {"new": "1", "lr": "0.2"}), points=points(1))
    run = stores.runs.get(run_id)
    assert run.params == {"lr": "0.1"}
    assert run.metrics == {}
    assert stores.history.points(run_id, "metric_000") == []


def test_points_logged_twice_are_one(table: Table) -> None:
    stores = aggregates(table)
    run_id = stores.run(stores.experiment())
    batch = [Metric("loss", value, 10, 1) for value in (0.5, math.nan, 0.25)]
    stores.change(run_id, points=batch)
    stores.change(run_id, points=batch)
    stores.change(run_id, points=batch[:1])
    stores.change(run_id, points=[Metric("loss", 0.5, 9, 7)])
    found = stores.history.points(run_id, "loss")
    assert [(p.timestamp, p.step) for p in found] == [(9, 7), (10, 1), (10, 1), (10, 1)]
    assert stores.runs.get(run_id).metrics["loss"].step == 7


def test_runs_come_newest_first_and_ties_by_id(table: Table) -> None:
    stores = aggregates(table)
    experiment = stores.experiment()
    times = [0, 5, 5, -3, 2**63 - 1, -(2**63), 1_700_000_000_000_000]
    made = [(stores.run(experiment, start_time=time), time) for time in times * 20]
    expected = [run_id for run_id, time in sorted(made, key=lambda one: (-one[1], one[0]))]
    assert [run.info.run_id for run in stores.found(experiment)] == expected
    rest = stores.found(experiment, after=stores.runs.get(expected[37]))
    assert [run.info.run_id for run in rest] == expected[38:]


def test_deleting_and_restoring_an_experiment_decides_for_all_its_runs(table: Table) -> None:
    stores = aggregates(table)
    experiment = stores.experiment()
    first, second = stores.run(experiment), stores.run(experiment)

    def stages() -> list[str]:
        return [stores.runs.get(run_id).info.lifecycle_stage for run_id in (first, second)]

    def single(run_id: str, change: changes.Change) -> None:
        stores.runs.change(run_id, change.touch, change.merge)

    single(first, changes.delete())
    assert stages() == ["deleted", "active"]
    stores.experiments.delete(experiment, 2)
    assert stages() == ["deleted", "deleted"]
    single(second, changes.restore())
    assert stages() == ["deleted", "active"]
    with pytest.raises(InvalidParameterValue, match="must be in the 'active' state"):
        stores.change(first, points=points(1))
    stores.experiments.restore(experiment, 3)
    assert stages() == ["active", "active"]


def test_unknown_runs_do_not_exist_and_are_not_made(table: Table) -> None:
    stores = aggregates(table)
    experiment = stores.experiment()
    missing = f"{int(experiment):016x}{0:016x}"
    for run_id in (missing, "f" * 32, "nonsense", ""):
        with pytest.raises(ResourceDoesNotExist, match=f"Run with id={run_id} not found"):
            stores.runs.get(run_id)
        with pytest.raises(ResourceDoesNotExist):
            stores.change(run_id, changes.log_param(run_id, "a", "b"), points=points(2))
    assert list(table.query(Query(run_partition(missing))).items) == []
    assert stores.found(experiment) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.text(max_size=10), st.text(max_size=800), max_size=8),
            st.lists(st.tuples(st.text(max_size=5), st.floats(allow_infinity=False)), max_size=5),
        ),
        max_size=8,
    )
)
def test_any_sequence_of_batches_reads_back_as_their_sum(
    table: Table, batches: list[tuple[dict[str, str], list[tuple[str, float]]]]
) -> None:
    stores = aggregates(table, seed=len(batches))
    stores.experiments.ensure_default(1)
    stores.bits.seed()
    run_id = stores.run("0")
    tags: dict[str, str] = {}
    logged: dict[str, list[Metric]] = {}
    for step, (texts, values) in enumerate(batches):
        batch = [Metric(key, value, step, step) for key, value in dict(values).items()]
        stores.change(run_id, changes.set_tags(list(texts.items())), points=batch)
        tags |= texts
        for point in batch:
            logged.setdefault(point.key, []).append(point)
    run = stores.runs.get(run_id)
    assert run.tags == tags
    assert repr({key: run.metrics[key] for key in sorted(run.metrics)}) == repr(
        {key: logged[key][-1] for key in sorted(logged)}
    )
    for key, expected in logged.items():
        assert repr(stores.history.points(run_id, key)) == repr(expected)
