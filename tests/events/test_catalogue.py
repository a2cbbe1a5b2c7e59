"""The catalogue, its schema, and the document of both."""

import json
import re

import jsonschema  # type: ignore[import-untyped]
import pytest

from cairn.events.catalogue import CATALOGUE, Event, Happening, RunFinished
from cairn.events.schema import FIELDS, document, schema
from tests.architecture.documents import DOCS, DOCUMENTS


def test_every_type_has_a_name_of_its_own_and_says_when_it_comes() -> None:
    assert (
        len({one.type for one in CATALOGUE}) == len({one.__name__ for one in CATALOGUE}) == len(CATALOGUE)
    )
    assert all(one.__doc__ and not one.__doc__.startswith(one.__name__) for one in CATALOGUE)


def test_every_field_is_explained_and_no_other() -> None:
    used = {name for one in document()["$defs"].values() if "title" in one for name in one["properties"]}
    assert used == FIELDS.keys()


@pytest.mark.parametrize("happening", CATALOGUE, ids=lambda one: one.__name__)
def test_schemas_are_schemas(happening: type[Happening]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(happening))


def finished() -> Event:
    happening = RunFinished(experiment_id="1", run_id="a", status="FINISHED", start_time=1)
    return Event(happening, "runs/a", 10_000, 1_767_225_600_500)


@pytest.mark.parametrize(
    "wrong", [{"status": 1}, {"sequence": 0}, {"id": "x"}, {"version": 2}, {"time": None}]
)
def test_a_schema_refuses_what_is_wrong(wrong: dict[str, object]) -> None:
    jsonschema.validate(finished().detail(), schema(RunFinished))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(finished().detail() | wrong, schema(RunFinished))


@pytest.mark.parametrize("name", ["status", "run_id", "entity", "id"])
def test_a_schema_misses_what_is_missing(name: str) -> None:
    detail = finished().detail()
    del detail[name]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(detail, schema(RunFinished))


def test_an_id_is_stable() -> None:
    """Listeners keep ids: another way to make them would tell everything twice."""
    assert finished().id == "f4d0d0b4924758ce48a6b20f0c4e0261"


def test_the_envelope_is_eventbridges() -> None:
    assert {
        name: value for name, value in finished().envelope().items() if name not in ("detail", "id")
    } == {
        "version": "0",
        "detail-type": "Run Finished",
        "source": "cairn",
        "account": "local",
        "time": "2026-01-01T00:00:00Z",
        "region": "local",
        "resources": ["experiments/1", "runs/a"],
    }


def test_the_documents_schema_is_the_one_that_tests_use() -> None:
    (_, block) = re.findall(r"```json\n(.*?)```", (DOCS / "events.md").read_text(), re.DOTALL)
    assert json.loads(block) == document()


def test_the_document_is_current() -> None:
    assert (DOCS / "events.md").read_text() == DOCUMENTS["events.md"]()
