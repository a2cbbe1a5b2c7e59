"""What Cairn keeps, as values: experiments, runs, metrics, datasets, logged models.

Times are integers in milliseconds since the epoch (any int64 that a client sends, for a run's start and
end). Metric values are doubles: infinities are clamped before they get here, NaN is ``float("nan")``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

ACTIVE = "active"
DELETED = "deleted"


class Metric(NamedTuple):
    """One point of a metric. ``run_id`` is set on the metrics of logged models only.

    A named tuple, because a search makes thousands: 0.3 us each, a frozen dataclass takes 1.6.
    """

    key: str
    value: float
    timestamp: int
    step: int = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    creation_time: int
    last_update_time: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataset:
    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A run's use of a dataset, which (name, digest) identifies within the experiment.

    ``dataset`` is filled where the whole is asked for (get_run, a page of a search); matching needs it not.
    """

    name: str
    digest: str
    tags: Mapping[str, str] = field(default_factory=dict)
    dataset: Dataset | None = None


@dataclass(frozen=True, slots=True)
class ModelOutput:
    model_id: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class RunInfo:
    run_id: str
    experiment_id: str
    run_name: str
    user_id: str
    status: str
    start_time: int
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run with all its facts; ``metrics`` holds the latest point of each key."""

    info: RunInfo
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    dataset_inputs: tuple[DatasetInput, ...] = ()
    model_inputs: tuple[str, ...] = ()
    model_outputs: tuple[ModelOutput, ...] = ()


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model of MLflow 3; ``status`` is one of LOGGED_MODEL_PENDING, _READY, _UPLOAD_FAILED."""

    model_id: str
    experiment_id: str
    name: str
    artifact_uri: str
    creation_timestamp: int
    last_updated_timestamp: int
    status: str
    lifecycle_stage: str
    model_type: str | None = None
    source_run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
