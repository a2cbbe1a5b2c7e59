"""What the model registry costs: requests, write units, read units, to the unit."""

from dataclasses import replace
from typing import Any

import pytest

from cairn.domain.registry import ModelVersion, RegisteredModel
from tests.budget.conftest import TIME, Api, Units

MODELS, VERSIONS = 1_000, 10


def _filled(api: Api, models: int, versions: int) -> None:
    """Registered models with versions of them, as training jobs make them."""
    registry = api.app.stores.registry
    for number in range(models):
        name = f"team-{number % 50:02d}/model-{number:05d}".replace("/", ".")
        registry.models.create(
            RegisteredModel(name, TIME, TIME, tags={"team": f"t{number % 50}"}), f"{number:016x}"
        )
    for turn in range(versions):
        for number in range(models):
            name = f"team-{number % 50:02d}.model-{number:05d}"
            run = f"{number:016x}{turn:016x}"
            time = TIME + turn * models + number
            made = ModelVersion(name, 0, time, time, run_id=run, description="")
            source = f"s3://bucket/1/models/m-{run}/artifacts"
            registry.versions.create(
                replace(made, source=source, location=source, tags={"stage": "new"}), None
            )


def _pages(api: Api, path: str, query: dict[str, Any], most: int) -> list[Units]:
    costs: list[Units] = []
    token = ""
    while len(costs) < most:
        with api.meter.measure() as measured:
            answer = api.get(path, **query, page_token=token)
        costs.append([measured.requests, measured.write_units, measured.read_units])
        token = answer.get("next_page_token", "")
        if not token:
            break
    return costs


def test_writes(api: Api) -> None:
    _filled(api, 1, 1)
    name = "team-00.model-00000"
    version = {"name": name, "source": "s3://bucket/model", "run_id": "r" * 32}
    assert api.cost_of_post("registered-models/create", {"name": "net"}) == [1, 6, 0]
    assert api.cost_of_post("model-versions/create", version) == [3, 14, 2]
    alias = {"name": name, "alias": "champion", "version": "1"}
    assert api.cost_of_post("registered-models/alias", alias) == [3, 1, 3]
    move = {"name": name, "version": "2", "stage": "Production", "archive_existing_versions": True}
    assert api.cost_of_post("model-versions/transition-stage", move) == [4, 12, 4]
    move["version"] = "1"
    assert api.cost_of_post("model-versions/transition-stage", move) == [4, 16, 4]
    tag = {"name": name, "version": "1", "key": "checked", "value": "yes"}
    assert api.cost_of_post("model-versions/set-tag", tag) == [3, 4, 3]
    rename = {"name": name, "new_name": "web"}
    assert api.cost_of_post("registered-models/rename", rename) == [4, 12, 4]


def test_reads(api: Api) -> None:
    _filled(api, 1, 3)
    name = "team-00.model-00000"
    api.post("registered-models/alias", {"name": name, "alias": "champion", "version": "2"})
    assert api.cost_of_get("registered-models/alias", name=name, alias="champion") == [3, 0, 3]
    assert api.cost_of_get("model-versions/get-download-uri", name=name, version="2") == [2, 0, 3]
    assert api.cost_of_get("registered-models/get", name=name) == [3, 0, 3]
    assert api.cost_of_post("registered-models/get-latest-versions", {"name": name}) == [3, 0, 3]


@pytest.mark.timeout(0)
def test_searches_of_many(sqlite_api: Api) -> None:
    """A page costs itself, of 10,000 versions of 1,000 models as of any number; what has to read
    everything stops before 4,000 units, and goes on by its token."""
    api = sqlite_api
    _filled(api, MODELS, VERSIONS)
    page = {"max_results": "100"}
    models, versions = "registered-models/search", "model-versions/search"
    assert _pages(api, models, page, 3) == [[5, 0, 205]] * 3
    assert _pages(api, models, page | {"order_by": "timestamp DESC"}, 3) == [[6, 0, 222]] * 3
    assert _pages(api, models, {"filter": "name LIKE 'team-07%'"}, 3) == [[3, 0, 41]]
    assert _pages(api, models, {"filter": "name = 'team-07.model-00007'"}, 3) == [[3, 0, 3]]
    assert _pages(api, versions, page, 3) == [[5, 0, 217]] * 3
    assert _pages(api, versions, page | {"order_by": "creation_timestamp ASC"}, 3) == [[5, 0, 226]] * 3
    assert _pages(api, versions, {"filter": "name = 'team-07.model-00007'"}, 3) == [[4, 0, 13]]
    assert _pages(api, versions, {"filter": f"run_id = '{7:016x}{3:016x}'"}, 3) == [[3, 0, 3]]
    for requests, _, read in _pages(api, versions, {"filter": "tags.stage = 'old'"}, 3):
        assert requests <= 40
        assert read <= 4_000
