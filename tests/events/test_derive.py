"""Each event, of the images that the use-cases' own writes leave."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cairn.domain import runs as changes
from cairn.domain.access import DEPLOYMENT
from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import ACTIVE, LoggedModel, Metric
from cairn.events.derive import events
from cairn.ids import new_model_id
from cairn.storage import dirty, keys
from cairn.storage.indexer import Indexer
from cairn.storage.models import LoggedModels
from cairn.storage.stream import Change, images
from cairn.storage.table import Key
from tests.events.flow import NOW, Watched, watched
from tests.storage.stores import Aggregates, aggregates
from tests.upkeep.records import record


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as found:
        yield found


@pytest.fixture
def stores(seen: Watched) -> Aggregates:
    return aggregates(seen.table, clock=lambda: NOW)


def end(stores: Aggregates, run_id: str, status: str, at: int | None = 9) -> None:
    stores.change(run_id, changes.update_info(status, at, None))


def test_an_experiments_life(seen: Watched, stores: Aggregates) -> None:
    experiment = stores.experiment("iris")
    stores.experiments.set_tag(experiment, "team", "ml")
    stores.experiments.rename(experiment, "roses", NOW)
    assert seen.told() == [("Experiment Created", {"experiment_id": "1", "name": "iris"})]
    stores.experiments.delete(experiment, NOW)
    stores.experiments.restore(experiment, NOW)
    stores.experiments.delete(experiment, NOW)
    found = seen.events()
    types = ["Experiment Deleted", "Experiment Restored", "Experiment Deleted"]
    assert [event.type for event in found] == types
    assert [event.sequence for event in found] == [20_000, 30_000, 40_000]
    assert {event.entity for event in found} == {"experiments/1"}
    assert found[0].detail()["name"] == "roses"


def test_a_runs_life(seen: Watched, stores: Aggregates) -> None:
    experiment = stores.experiment()
    run_id = stores.run(experiment)
    seen.changes()
    of = {"experiment_id": "1", "run_id": run_id, "name": "calm-lake-1", "start_time": 5}
    for status, type_ in (("FINISHED", "Run Finished"), ("FAILED", "Run Failed"), ("KILLED", "Run Killed")):
        end(stores, run_id, status)
        assert seen.told() == [(type_, {**of, "status": status, "end_time": 9})]
        end(stores, run_id, status)
        end(stores, run_id, "RUNNING")
        assert seen.told() == [], "the same again, and resumed"
    for change, type_ in ((changes.delete(), "Run Deleted"), (changes.restore(), "Run Restored")):
        for _ in range(2):
            stores.runs.change(run_id, change.touch, change.merge)
        assert [event.type for event in seen.events()] == [type_]


def test_a_new_run(seen: Watched, stores: Aggregates) -> None:
    experiment = stores.experiment()
    seen.changes()
    run_id = stores.run(experiment, tags={"team": "ml"})
    (event,) = seen.events()
    assert event.type == "Run Created"
    assert event.entity == f"runs/{run_id}"
    assert event.sequence == 10_000
    assert event.happening.resources == ["experiments/1", f"runs/{run_id}"]
    assert event.time == NOW


def test_a_run_that_its_experiment_revived_is_deleted_again(seen: Watched, stores: Aggregates) -> None:
    experiment = stores.experiment()
    run_id = stores.run(experiment)
    change = changes.delete()
    stores.runs.change(run_id, change.touch, change.merge)
    stores.experiments.delete(experiment, NOW)
    stores.experiments.restore(experiment, NOW)
    seen.changes()
    stores.runs.change(run_id, change.touch, change.merge)
    assert [event.type for event in seen.events()] == ["Run Deleted"]


def test_what_is_logged_and_indexed_is_no_change_that_anybody_keeps(
    seen: Watched, stores: Aggregates
) -> None:
    """A log call pays nothing for events."""
    run_id = stores.run(stores.experiment())
    seen.changes()
    for step in range(3):
        stores.change(
            run_id, changes.log_param(run_id, f"p{step}", "v"), points=[Metric("loss", 0.5, 1, step)]
        )
    assert seen.changes() == []
    (mark,) = dirty.marks(seen.table, keys.dirty_mark(run_id).pk[2:])
    Indexer(seen.table, lambda: NOW + dirty.QUIET).index(run_id, mark.time)
    assert seen.told() == [], "the indexer's stamp on the head"


def test_what_else_befalls_a_finished_run_does_not_finish_it_again(
    seen: Watched, stores: Aggregates
) -> None:
    run_id = stores.run(stores.experiment())
    end(stores, run_id, "FINISHED")
    seen.changes()
    stores.change(run_id, changes.update_info(None, None, "renamed"))
    (mark,) = dirty.marks(seen.table, keys.dirty_mark(run_id).pk[2:])
    Indexer(seen.table, lambda: NOW + dirty.QUIET).index(run_id, mark.time)
    assert seen.told() == [], "a name, and the indexer's stamp"
    change = changes.delete()
    stores.runs.change(run_id, change.touch, change.merge)
    assert [(event.type, event.detail()["name"]) for event in seen.events()] == [("Run Deleted", "renamed")]


def test_a_run_that_outgrows_its_head_ends_once(seen: Watched, stores: Aggregates) -> None:
    run_id = stores.run(stores.experiment())
    for number in range(40):
        stores.change(run_id, changes.log_param(run_id, f"p{number}", f"{number:04d}" * 100))
    seen.changes()
    end(stores, run_id, "FINISHED")
    assert [event.type for event in seen.events()] == ["Run Finished"]


def test_sequences_rise_and_ids_differ(seen: Watched, stores: Aggregates) -> None:
    run_id = stores.run(stores.experiment())
    for status in ("FINISHED", "RUNNING", "FINISHED", "RUNNING", "FAILED"):
        end(stores, run_id, status)
    found = [event for event in seen.events() if event.entity.startswith("runs/")]
    assert [event.type for event in found] == ["Run Created", "Run Finished", "Run Finished", "Run Failed"]
    assert len({event.id for event in found}) == 4
    sequences = [event.sequence for event in found]
    assert sequences == sorted(set(sequences))


def test_a_logged_model_is_ready_once(seen: Watched, stores: Aggregates) -> None:
    experiment = stores.experiment()
    models = LoggedModels(seen.table, lambda attempt: None, DEPLOYMENT)
    model_id = new_model_id(experiment, stores.bits.getrandbits)
    model = LoggedModel(model_id, experiment, "forest", "", 1, 1, "LOGGED_MODEL_PENDING", ACTIVE)
    seen.changes()
    models.create(replace(model, source_run_id="a" * 32))
    assert seen.told() == []

    def ready(draft: Draft) -> None:
        draft.info["status"] = "LOGGED_MODEL_READY"

    def tag(draft: Draft) -> None:
        draft.info["updated"] += 1
        draft.tags["a"] = "b"

    models.change(model_id, Touch(), ready)
    models.change(model_id, Touch(tags=frozenset({"a"})), tag)
    models.change(model_id, Touch(), ready)
    told = {"experiment_id": experiment, "model_id": model_id, "name": "forest", "run_id": "a" * 32}
    assert seen.told() == [("Logged Model Ready", told)]


def test_a_record_of_the_stream_gives_the_event_of_the_engine(seen: Watched, stores: Aggregates) -> None:
    end(stores, stores.run(stores.experiment()), "FINISHED")
    for change in seen.changes():
        told = images(record(change.after, change.before))
        assert told == change._replace(time=1_767_225_600_000)
        assert [event.id for event in events(told)] == [event.id for event in events(change)]


def test_an_item_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody derives"):
        list(events(Change(Key("Z#1", "#"), None, {"pk": "Z#1", "sk": "#"}, 1)))
