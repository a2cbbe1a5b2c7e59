"""What may be said of an experiment: its name, its artifact location, its tags.

The rules are those of MLflow's handlers and validators (``_validate_experiment_name``,
``_validate_storage_location_uri``, ``_validate_experiment_tag``, ``_validate_custom_view_count``).
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import ParseResult, unquote, urlparse

from cairn.domain.limits import exceeds_maximum_length, validate_key
from cairn.errors import InvalidParameterValue

MAX_NAME_LENGTH = 500
MAX_TAG_VALUE_LENGTH = 20_000
MAX_LOCATION_LENGTH = 2_048
MAX_CUSTOM_VIEWS = 50

_ARCHIVAL_RETENTION = "mlflow.trace.archivalRetention"
_ARCHIVE_NOW = "mlflow.trace.archiveNow"
_RETENTION = re.compile("[1-9][0-9]*[mhd]")
_MAX_RETENTION_LENGTH = 32
_CUSTOM_VIEW_PREFIX = "mlflow.customView.view"
_HOST_ADDRESSED = frozenset(
    {"ftp", "sftp", "hdfs", "viewfs", "http", "https", "mlflow-artifacts", "r2", "b2", "abfss"}
)
"""Schemes by which a server would connect to whatever host a client names (``host_policy`` in MLflow)."""


def validate_name(name: str) -> None:
    if not name:
        raise InvalidParameterValue(f"Invalid experiment name: '{name}'")
    if len(name) > MAX_NAME_LENGTH:
        raise exceeds_maximum_length("name", MAX_NAME_LENGTH)


def validate_location(location: str) -> None:
    """An artifact location that a client chose. ``mlflow-artifacts:/path`` is this server's own."""
    try:
        parsed = urlparse(location)
    except ValueError:
        raise InvalidParameterValue(f"'artifact_location' is not a valid URI: {location!r}") from None
    if parsed.fragment or parsed.params:
        raise InvalidParameterValue("'artifact_location' URL can't include fragments or params.")
    if ".." in _decoded(parsed.query):
        raise InvalidParameterValue("Invalid query string")
    refuse_foreign_host(location, "artifact_location")
    if location.startswith("runs:"):
        raise InvalidParameterValue(f"Artifact location cannot be a runs:/ URI. Given: '{location}'")
    if len(location) > MAX_LOCATION_LENGTH:
        raise InvalidParameterValue(
            "Invalid artifact path length. The length of the artifact path cannot be greater than "
            f"{MAX_LOCATION_LENGTH} characters."
        )


def refuse_foreign_host(uri: str, field: str) -> None:
    """Refuse a URI by which a server would connect to a host that a client names."""
    try:
        parsed = urlparse(uri)
    except ValueError:
        raise InvalidParameterValue(f"'{field}' is not a valid URI: {uri!r}") from None
    if _names_a_host(parsed):
        raise InvalidParameterValue(
            f"'{field}' cannot use the '{parsed.scheme}' scheme: the '{parsed.scheme}' scheme "
            "addresses a host other than the tracking server's configured artifact storage, so the server "
            "would connect to the host named in the URI."
        )


def validate_tag(key: str, value: str) -> None:
    """Other than a run's, a long value is refused, not cut."""
    validate_key(key)
    if len(value) > MAX_TAG_VALUE_LENGTH:
        raise exceeds_maximum_length("value", MAX_TAG_VALUE_LENGTH)
    if key == _ARCHIVAL_RETENTION:
        _validate_archival(value, "value", required=True)
    elif key == _ARCHIVE_NOW:
        _validate_archival(value, "older_than", required=False)


def is_custom_view(key: str) -> bool:
    """Whether a tag holds one of the UI's custom views, of which an experiment has at most 50."""
    return key.startswith(_CUSTOM_VIEW_PREFIX)


def validate_custom_views(keys: Iterable[str], experiment_id: str | None = None) -> None:
    """Refuse more custom views than an experiment may have; ``keys`` are all its tags'."""
    if sum(is_custom_view(key) for key in keys) > MAX_CUSTOM_VIEWS:
        of = f" for experiment {experiment_id}" if experiment_id else ""
        raise InvalidParameterValue(
            f"Unable to create another custom view{of}; the maximum number of custom views per experiment "
            f"is {MAX_CUSTOM_VIEWS}. Delete an existing custom view before creating a new one."
        )


def _validate_archival(value: str, field: str, *, required: bool) -> None:
    """MLflow's ``_validate_trace_experiment_tag``: when traces move to the archive, as JSON in a tag."""
    try:
        config = json.loads(value)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise InvalidParameterValue("Trace archival config must be encoded as a JSON object.")
    if required and config.get("type") != "duration":
        raise InvalidParameterValue("Trace archival config must use type 'duration'.")
    duration = config.get(field)
    if duration is None and not required:
        return
    form = "must be in the form `<int><unit>`, where unit is one of 'm', 'h', or 'd'."
    if not isinstance(duration, str):
        raise InvalidParameterValue(f"Trace archival retention {form}")
    if len(duration.strip()) > _MAX_RETENTION_LENGTH:
        raise InvalidParameterValue(
            f"Trace archival duration must be at most {_MAX_RETENTION_LENGTH} characters."
        )
    if _RETENTION.fullmatch(duration.strip()) is None:
        raise InvalidParameterValue(f"Trace archival retention {form}")


def _names_a_host(parsed: ParseResult) -> bool:
    if parsed.scheme not in _HOST_ADDRESSED:
        return False
    return parsed.scheme != "mlflow-artifacts" or bool(parsed.netloc)


def _decoded(query: str) -> str:
    """Until it no longer changes: ``..`` may be hidden more than once."""
    while (once := unquote(query)) != query:
        query = once
    return query
