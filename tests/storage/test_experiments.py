"""Experiments as they are stored: names, tags, stages."""

import pytest

from cairn.domain.entities import Experiment
from cairn.errors import (
    BadRequest,
    InvalidParameterValue,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from cairn.storage.table import Table
from tests.storage.stores import aggregates


def test_an_experiment_comes_back_as_it_was_made(table: Table) -> None:
    experiments = aggregates(table).experiments
    made = experiments.create("iris", None, {"a": "b", "é#": ""}, 1_000)
    assert made == Experiment(
        "1", "iris", "mlflow-artifacts:/1", "active", 1_000, 1_000, {"a": "b", "é#": ""}
    )
    assert experiments.get("1") == experiments.get("01") == experiments.find("iris") == made
    assert experiments.create("other", "s3://bucket/x", {}, 1_001).artifact_location == "s3://bucket/x"
    assert [one.experiment_id for one in experiments.scan(with_tags=False)] == ["2", "1"]
    assert [one.tags for one in experiments.scan(with_tags=True)] == [{}, made.tags]


def test_the_default_experiment_is_made_once(table: Table) -> None:
    experiments = aggregates(table).experiments
    experiments.ensure_default(5)
    experiments.ensure_default(6)
    assert experiments.find("Default") == experiments.get("0")
    assert experiments.get("0").creation_time == 5
    with pytest.raises(ResourceAlreadyExists):
        experiments.create("Default", None, {}, 7)


def test_names_are_unique_deleted_ones_included(table: Table) -> None:
    experiments = aggregates(table).experiments
    first = experiments.create("iris", None, {}, 1).experiment_id
    second = experiments.create("wine", None, {}, 1).experiment_id
    experiments.delete(first, 2)
    with pytest.raises(ResourceAlreadyExists, match="already exists"):
        experiments.create("iris", None, {}, 3)
    with pytest.raises(BadRequest):
        experiments.rename(second, "iris", 3)
    with pytest.raises(InvalidState):
        experiments.rename(first, "fresh", 3)
    experiments.restore(first, 4)
    experiments.rename(first, "fresh", 5)
    experiments.rename(second, "iris", 5)
    experiments.rename(second, "iris", 6)
    renamed = experiments.find("iris")
    assert renamed is not None
    assert (renamed.experiment_id, renamed.last_update_time) == (second, 6)
    assert experiments.find("wine") is None
    assert sorted(one.name for one in experiments.scan(with_tags=False)) == ["fresh", "iris"]


def test_stages_and_tags_follow_mlflow(table: Table) -> None:
    experiments = aggregates(table).experiments
    experiment = experiments.create("iris", None, {}, 1).experiment_id
    with pytest.raises(ResourceDoesNotExist):
        experiments.restore(experiment, 2)
    experiments.set_tag(experiment, "k", "v")
    experiments.set_tag(experiment, "k", "w")
    experiments.delete(experiment, 3)
    assert experiments.get(experiment).lifecycle_stage == "deleted"
    assert experiments.get(experiment).last_update_time == 3
    with pytest.raises(ResourceDoesNotExist):
        experiments.delete(experiment, 4)
    with pytest.raises(InvalidParameterValue, match="must be in the 'active' state"):
        experiments.set_tag(experiment, "k", "x")
    experiments.restore(experiment, 5)
    experiments.delete_tag(experiment, "k")
    with pytest.raises(ResourceDoesNotExist, match="No tag with name: k"):
        experiments.delete_tag(experiment, "k")
    assert experiments.get(experiment).tags == {}


@pytest.mark.parametrize("experiment_id", ["7", "-1", "99999999999999999999999"])
def test_unknown_ids_do_not_exist(table: Table, experiment_id: str) -> None:
    experiments = aggregates(table).experiments
    for call in (
        lambda: experiments.get(experiment_id),
        lambda: experiments.delete(experiment_id, 1),
        lambda: experiments.restore(experiment_id, 1),
        lambda: experiments.rename(experiment_id, "x", 1),
        lambda: experiments.set_tag(experiment_id, "k", "v"),
        lambda: experiments.delete_tag(experiment_id, "k"),
    ):
        with pytest.raises(ResourceDoesNotExist, match=f"No Experiment with id={experiment_id} exists"):
            call()
