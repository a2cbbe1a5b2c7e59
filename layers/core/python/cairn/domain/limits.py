"""MLflow's limits, and the refusals of what passes them, in its words (mlflow/utils/validation.py).

Pure: each function returns the value as it is to be stored (cut where MLflow cuts in silence), or nothing,
or raises InvalidParameterValue. ``path`` names the entry in a message: ``metrics[3]``.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Sequence

from cairn.domain.entities import Dataset
from cairn.errors import InvalidParameterValue

MAX_METRICS_PER_BATCH = 1000
MAX_PARAMS_TAGS_PER_BATCH = 100
MAX_ENTITIES_PER_BATCH = 1000
MAX_KEY_LENGTH = 250
MAX_PARAM_VALUE_LENGTH = 6000
MAX_TAG_VALUE_LENGTH = 8000
MAX_DATASET_NAME_LENGTH = 500
MAX_DATASET_DIGEST_LENGTH = 36
MAX_DATASET_SOURCE_LENGTH = 65_535
MAX_DATASET_SCHEMA_LENGTH = 1_048_575
MAX_DATASET_PROFILE_LENGTH = 16_777_215
MAX_INPUT_TAG_KEY_LENGTH = 255
MAX_INPUT_TAG_VALUE_LENGTH = 500
MAX_SEARCH_RESULTS = 50_000

_KEY = re.compile(r"[/\w.\- :]*\n?")
"""MLflow's ``^[/\\w.\\- :]*$``, whose ``$`` lets one final newline pass."""

_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}\n?")

_BAD_CHARACTERS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) "
    "and slashes (/)."
)
_MODEL_NAME_BAD = ("/", ":", ".", "%", '"', "'")


def validate_metric(key: str, value: float, timestamp: int, path: str = "") -> None:
    """``_validate_metric``; that value and timestamp are numbers is the wire's promise."""
    _validate_name(key, _join(path, "name"))
    if timestamp < 0:
        raise _invalid(
            _join(path, "timestamp"),
            timestamp,
            f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer) ",
        )
    _validate_length("Metric name", MAX_KEY_LENGTH, key)


def validate_param(key: str, value: str, path: str = "") -> tuple[str, str]:
    """``_validate_param``: a value is cut at 6,000 characters."""
    _validate_name(key, _join(path, "key"))
    _validate_length("Param key", MAX_KEY_LENGTH, key)
    return key, value[:MAX_PARAM_VALUE_LENGTH]


def validate_tag(key: str, value: str, path: str = "") -> tuple[str, str]:
    """``_validate_tag``, of a run: a value is cut at 8,000 characters."""
    _validate_name(key, _join(path, "key"))
    _validate_length(_join(path, "key"), MAX_KEY_LENGTH, key)
    return key, value[:MAX_TAG_VALUE_LENGTH]


def validate_param_keys_unique(keys: Iterable[str]) -> None:
    """``_validate_param_keys_unique``: within one batch."""
    seen: set[str] = set()
    duplicates = []
    for key in keys:
        if key in seen:
            duplicates.append(key)
        seen.add(key)
    if duplicates:
        raise InvalidParameterValue(
            f"Duplicate parameter keys have been submitted: {duplicates}. Please ensure the request "
            "contains only one param value per param key."
        )


def validate_batch_limits(metrics: int, params: int, tags: int) -> None:
    """``_validate_batch_log_limits``, of the numbers of entries."""
    _validate_batch("metrics", MAX_METRICS_PER_BATCH, metrics)
    _validate_batch("params", MAX_PARAMS_TAGS_PER_BATCH, params)
    _validate_batch("tags", MAX_PARAMS_TAGS_PER_BATCH, tags)
    _validate_batch("metrics, params, and tags", MAX_ENTITIES_PER_BATCH, metrics + params + tags)


def validate_run_id(run_id: str) -> None:
    """``_validate_run_id``: the form, not that the run exists."""
    if _RUN_ID.fullmatch(run_id) is None:
        raise _invalid("run_id", run_id)


def validate_dataset_input(dataset: Dataset, tags: Sequence[tuple[str, str]]) -> None:
    """``_validate_dataset`` and ``_validate_input_tags``."""
    _validate_length("name", MAX_DATASET_NAME_LENGTH, dataset.name)
    _validate_length("digest", MAX_DATASET_DIGEST_LENGTH, dataset.digest)
    _validate_length("source", MAX_DATASET_SOURCE_LENGTH, dataset.source)
    _validate_length("schema", MAX_DATASET_SCHEMA_LENGTH, dataset.schema or "")
    _validate_length("profile", MAX_DATASET_PROFILE_LENGTH, dataset.profile or "")
    for key, value in tags:
        _validate_length("key", MAX_INPUT_TAG_KEY_LENGTH, key)
        _validate_length("value", MAX_INPUT_TAG_VALUE_LENGTH, value)


def validate_logged_model_name(name: str) -> None:
    """``_validate_logged_model_name``; "" asks for a random name."""
    if any(character in name for character in _MODEL_NAME_BAD):
        raise InvalidParameterValue(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and cannot "
            f"contain the following characters: {_MODEL_NAME_BAD}"
        )


def validate_max_results(max_results: int) -> None:
    """``SqlAlchemyStore._validate_max_results_param``, of searches."""
    if max_results < 1:
        raise InvalidParameterValue(
            f"Invalid value {max_results} for parameter 'max_results' supplied. "
            "It must be a positive integer"
        )
    if max_results > MAX_SEARCH_RESULTS:
        raise InvalidParameterValue(
            f"Invalid value {max_results} for parameter 'max_results' supplied. "
            f"It must be at most {MAX_SEARCH_RESULTS}"
        )


def validate_key(key: str, limit: int = MAX_KEY_LENGTH) -> None:
    """A key alone: its characters, that it does not resolve to another path, its length."""
    _validate_name(key, "key")
    _validate_length("key", limit, key)


def exceeds_maximum_length(name: str, limit: int) -> InvalidParameterValue:
    return InvalidParameterValue(f"'{name}' exceeds the maximum length of {limit} characters")


def _validate_name(name: str, path: str) -> None:
    if _KEY.fullmatch(name) is None:
        raise _invalid(path, name, _BAD_CHARACTERS)
    if name and "/" not in name and not name.startswith("."):
        return  # the common case: nothing to normalise
    resolved = posixpath.normpath(name)
    if resolved != name or resolved == "." or resolved.startswith(("..", "/")):
        raise _invalid(
            path,
            name,
            "Names may be treated as files in certain cases, and must not resolve to other names when "
            f"treated as such. This name would resolve to {resolved!r}",
        )


def _validate_length(name: str, limit: int, value: str) -> None:
    if len(value) > limit:
        raise exceeds_maximum_length(name, limit)


def _validate_batch(name: str, limit: int, length: int) -> None:
    if length > limit:
        raise InvalidParameterValue(
            f"A batch logging request can contain at most {limit} {name}. Got {length} {name}. "
            f"Please split up {name} across multiple requests and try again."
        )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _invalid(path: str, value: object, message: str | None = None) -> InvalidParameterValue:
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    said = f"Invalid value {shown} for parameter '{path}' supplied"
    return InvalidParameterValue(f"{said}: {message}" if message else f"{said}.")
