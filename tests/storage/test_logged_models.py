"""Logged models whose create was replayed: one model, listed once."""

from itertools import count
from pathlib import Path

import pytest

from cairn.protocol.messages.experiments import CreateExperiment
from cairn.protocol.messages.models import CreateLoggedModel
from cairn.services.experiments import create_experiment
from cairn.services.models import create_logged_model
from cairn.sharing.caller import ANYONE
from cairn.storage.meter import Meter
from tests.storage.engines import NAMES, open_table
from tests.storage.stores import MemoryBlobs, use_case_stores


@pytest.mark.parametrize("engine", NAMES)
def test_a_model_whose_create_was_replayed_later_is_listed_once(
    engine: str, tmp_path: Path, meter: Meter
) -> None:
    """Its place in the list follows from the time at which it is made, and time goes on between replays."""
    times = count(1_000)
    with open_table(engine, tmp_path, meter) as table:
        stores = use_case_stores(table, MemoryBlobs(), clock=lambda: next(times))
        made = create_experiment(stores, ANYONE, CreateExperiment(name="e"))
        assert isinstance(made, dict)
        experiment = str(made["experiment_id"])
        for key in ("k", "k", "other", "k", None):
            request = CreateLoggedModel(experiment_id=experiment, name="m", idempotency_key=key)
            create_logged_model(stores, ANYONE, request)
        listed = [(model.creation_timestamp, model.model_id) for model in stores.models.scan(experiment)]
    assert [created for created, _ in listed] == [1009, 1005, 1001]  # a claim takes a tick, too
    assert len({model_id for _, model_id in listed}) == 3
