"""Registered models and their versions: what they are, and MLflow's rules of names, tags and stages.

A prompt is a registered model with a tag. The rules and words are those of MLflow's registry store and its
validators (``_validate_model_name``, ``_validate_model_alias_name``, ``get_canonical_stage`` ...).
"""

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cairn.domain.limits import exceeds_maximum_length, validate_key
from cairn.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist

NONE, STAGING, PRODUCTION, ARCHIVED = "None", "Staging", "Production", "Archived"
STAGES = (NONE, STAGING, PRODUCTION, ARCHIVED)
ACTIVE_STAGES = (STAGING, PRODUCTION)
"""Those that a move can empty by archiving (MLflow's DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS)."""

PROMPT_TAG = "mlflow.prompt.is_prompt"
PROMPT_TEXT_TAG = "mlflow.prompt.text"
LATEST = "latest"
"""The alias that nobody can set: the highest version there is."""

MAX_NAME_LENGTH = 256
"""MLflow's column (``String(256)``), which PostgreSQL and MySQL hold to, and SQLite does not."""
MAX_TAG_VALUE_LENGTH = 100_000
MAX_ALIAS_LENGTH = 255

_ALIAS = re.compile(r"[\w\-]*\n?")
_VERSION_ALIAS = re.compile(r"[vV]\d+\n?")
_CANONICAL = {stage.lower(): stage for stage in STAGES}


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """``source`` is as it was given, ``location`` where the files are (``models:/...`` resolved). The run
    may be one of elsewhere. Times are in milliseconds."""

    name: str
    version: int
    creation_timestamp: int
    last_updated_timestamp: int
    current_stage: str = NONE
    source: str = ""
    location: str = ""
    run_id: str | None = None
    run_link: str | None = None
    model_id: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """``latest_versions`` is the highest version of each stage that has one."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    latest_versions: tuple[ModelVersion, ...] = ()


def validate_model_name(name: str, parameter: str = "name") -> None:
    """``_validate_model_name``."""
    if not name.strip():
        raise InvalidParameterValue(f"Missing value for required parameter '{parameter}'.")
    if "/" in name or ":" in name:
        raise InvalidParameterValue(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    resolved = posixpath.normpath(name)
    if resolved != name or resolved == "." or resolved.startswith(".."):
        raise InvalidParameterValue(
            f"Invalid value {json.dumps(name)} for parameter 'name' supplied: Names may be treated as "
            "files in certain cases, and must not resolve to other names when treated as such. This name "
            f"would resolve to {resolved!r}"
        )


def validate_new_name(name: str, parameter: str = "name") -> None:
    """A name to give, which MLflow's column must hold."""
    validate_model_name(name, parameter)
    if len(name) > MAX_NAME_LENGTH:
        raise exceeds_maximum_length(parameter, MAX_NAME_LENGTH)


def version_number(version: str) -> int:
    """The number of a version, as Python reads integers (``_validate_model_version``)."""
    try:
        return int(version)
    except ValueError:
        raise InvalidParameterValue(f"Parameter 'version' must be an integer, got '{version}'.") from None


def validate_alias(alias: str) -> None:
    """``_validate_model_alias_name``: of an alias to read or delete."""
    if not alias:
        raise InvalidParameterValue("Registered model alias name cannot be empty.")
    if _ALIAS.fullmatch(alias) is None:
        raise InvalidParameterValue(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and "
            "dashes (-)."
        )
    if len(alias) > MAX_ALIAS_LENGTH:
        raise exceeds_maximum_length("Registered model alias name", MAX_ALIAS_LENGTH)


def validate_new_alias(alias: str) -> None:
    """An alias to set: neither ``latest`` nor ``v1``."""
    validate_alias(alias)
    if alias.lower() == LATEST:
        raise InvalidParameterValue("'latest' alias name (case insensitive) is reserved.")
    if _VERSION_ALIAS.match(alias):
        raise InvalidParameterValue(f"Version alias name '{alias}' is reserved.")


def validate_model_tag(key: str, value: str) -> None:
    """``_validate_registered_model_tag``."""
    validate_key(key)
    if len(value) > MAX_TAG_VALUE_LENGTH:
        raise exceeds_maximum_length("value", MAX_TAG_VALUE_LENGTH)


def validate_tag_key(key: str) -> None:
    """``_validate_tag_name``: of a tag to delete, of any length."""
    validate_key(key, len(key))


def validate_version_tag(key: str, value: str) -> None:
    """``_validate_model_version_tag``: as a model's, with words of its own for a prompt's text."""
    validate_key(key)
    if key == PROMPT_TEXT_TAG and len(value) > MAX_TAG_VALUE_LENGTH:
        raise InvalidParameterValue(f"Prompt text exceeds max length of {MAX_TAG_VALUE_LENGTH} characters.")
    validate_model_tag(key, value)


def canonical_stage(stage: str) -> str:
    """A stage in its own case (``get_canonical_stage``)."""
    found = _CANONICAL.get(stage.lower())
    if found is None:
        raise InvalidParameterValue(
            f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES)}."
        )
    return found


def validate_archiving(stage: str) -> None:
    """Only moves to Staging and Production can archive what is there."""
    if canonical_stage(stage) not in ACTIVE_STAGES:
        raise InvalidParameterValue(
            "Model version transition cannot archive existing model versions because "
            f"'{stage}' is not an Active stage. Valid stages are {list(ACTIVE_STAGES)}"
        )


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Whether the tags are a prompt's to those who read one (``_is_prompt``)."""
    return tags.get(PROMPT_TAG, "false").lower() == "true"


def model_missing(name: str) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(f"Registered Model with name={name} not found")


def version_missing(name: str, version: int) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(f"Model Version (name={name}, version={version}) not found")


def name_taken(name: str, held: Mapping[str, str], wanted: Mapping[str, str]) -> ResourceAlreadyExists:
    """``handle_resource_already_exist_error``: the tag's presence tells prompts here, not its value."""
    old, new = ("Prompt" if PROMPT_TAG in tags else "Registered Model" for tags in (held, wanted))
    if old != new:
        return ResourceAlreadyExists(
            f"Tried to create a {new.lower()} with name {name!r}, but the name is already taken by a "
            f"{old.lower()}. MLflow does not allow creating a model and a prompt with the same name."
        )
    return ResourceAlreadyExists(f"{new} (name={name}) already exists.")
