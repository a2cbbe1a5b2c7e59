"""The JSON schema of each type of event, for docs/events.md and for whoever checks what comes off the bus.

It follows from the types of the catalogue's fields; what they mean is said here.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from cairn.events.catalogue import CATALOGUE, MAX_TEXT, VERSION, Happening

ENVELOPE: dict[str, dict[str, Any]] = {
    "version": {"const": VERSION, "description": "Version of this type of event."},
    "id": {
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
        "description": "The same whenever the same event is delivered again.",
    },
    "entity": {
        "type": "string",
        "description": "What it happened to, by an id that outlives a renaming. Opaque.",
    },
    "sequence": {
        "type": "integer",
        "minimum": 1,
        "description": "Rises from event to event of one entity, with gaps.",
    },
    "time": {
        "type": "integer",
        "description": "When it was written: milliseconds since 1970, exact to a second.",
    },
    "cut": {
        "type": "array",
        "items": {"type": "string"},
        "description": f"Fields whose text was cut at {MAX_TEXT:,} characters.",
    },
}
FIELDS = {
    "alias": "The alias.",
    "description": "Its description.",
    "end_time": "When the run ended, as its client said (ms).",
    "experiment_id": "The experiment.",
    "highest_version": "The highest version that was archived.",
    "key": "The tag's key.",
    "model_id": "The logged model.",
    "model_type": "Its type, where the client gave one.",
    "model_version": "The version's number.",
    "name": "The name, as of this event.",
    "previous_name": "The name until now.",
    "previous_stage": "The stage until now.",
    "previous_version": "The version that the alias named until now.",
    "prompt": "Whether it is a prompt: MLflow keeps prompts as registered models.",
    "run_id": "The run.",
    "source": "Where its files are, as the client said.",
    "stage": "The stage: None, Staging, Production or Archived.",
    "start_time": "When the run began, as its client said (ms).",
    "status": "The run's status: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.",
    "tags": "Its tags; long ones are left out.",
    "value": "The tag's value; left out where it is long.",
}
"""What a field means, the same in every type."""

_TYPES = {str: "string", int: "integer", bool: "boolean"}


def document() -> dict[str, Any]:
    """The JSON schema (2020-12) of the whole catalogue: a definition for each type's ``detail``. More
    fields may come: whoever reads ignores those that it does not know."""
    definitions = {"Envelope": _envelope()}
    definitions |= {happening.__name__: _definition(happening) for happening in CATALOGUE}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": definitions}


def schema(happening: type[Happening]) -> dict[str, Any]:
    """The schema of one type's ``detail``."""
    return {**document(), "$ref": f"#/$defs/{happening.__name__}"}


def _envelope() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": ENVELOPE,
        "required": [name for name in ENVELOPE if name != "cut"],
    }


def _definition(happening: type[Happening]) -> dict[str, Any]:
    hints = get_type_hints(happening)
    own = fields(happening)
    return {
        "title": happening.type,
        "description": " ".join((happening.__doc__ or "").split()),
        "allOf": [{"$ref": "#/$defs/Envelope"}],
        "properties": {
            field.name: {**_schema(hints[field.name]), "description": FIELDS[field.name]} for field in own
        },
        "required": [field.name for field in own if field.default is MISSING],
    }


def _schema(hint: Any) -> dict[str, Any]:
    if isinstance(hint, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is Mapping:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return {"type": _TYPES[hint]}
