"""The catalogue: every type of event, its fields, and the envelope that all of them share.

A type is a contract. A field may be added to it; to remove one or to change what it means takes a new
``version``, beside which the old one goes on. docs/events.md is generated from here (``schema``).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar

SOURCE = "cairn"
VERSION = 1
"""Of every type so far."""

PLACES = 10_000
"""Events that one write can make: a deleted version may take a thousand aliases with it."""

MAX_TEXT = 16_384
"""Characters of one text in an event; what is longer is cut. EventBridge takes 256 KB ("Amazon EventBridge
quotas"), and a character takes up to 6 bytes of JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Of one type of event: what happened, without when and in which order."""

    type: ClassVar[str]

    @property
    def resources(self) -> list[str]:
        """What it is about, for the rules of those who listen to one entity alone."""
        raise NotImplementedError  # each type says; a happening of none is never made


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfExperiment(Happening):
    experiment_id: str
    name: str | None = None

    @property
    def resources(self) -> list[str]:
        return [f"experiments/{self.experiment_id}"]


class ExperimentCreated(_OfExperiment):
    """An experiment was created."""

    type: ClassVar[str] = "Experiment Created"


class ExperimentDeleted(_OfExperiment):
    """An experiment was deleted, and all its runs with it: there is no event for each of them."""

    type: ClassVar[str] = "Experiment Deleted"


class ExperimentRestored(_OfExperiment):
    """A deleted experiment was restored, and all its runs with it, those deleted one by one as well."""

    type: ClassVar[str] = "Experiment Restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfRun(Happening):
    experiment_id: str
    run_id: str
    name: str | None = None
    status: str
    start_time: int
    end_time: int | None = None

    @property
    def resources(self) -> list[str]:
        return [f"experiments/{self.experiment_id}", f"runs/{self.run_id}"]


class RunCreated(_OfRun):
    """A run was created."""

    type: ClassVar[str] = "Run Created"


class RunFinished(_OfRun):
    """A run's status became FINISHED. A run that is resumed finishes again."""

    type: ClassVar[str] = "Run Finished"


class RunFailed(_OfRun):
    """A run's status became FAILED."""

    type: ClassVar[str] = "Run Failed"


class RunKilled(_OfRun):
    """A run's status became KILLED."""

    type: ClassVar[str] = "Run Killed"


class RunDeleted(_OfRun):
    """A run was deleted by itself, not with its experiment."""

    type: ClassVar[str] = "Run Deleted"


class RunRestored(_OfRun):
    """A run was restored by itself, not with its experiment."""

    type: ClassVar[str] = "Run Restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModelReady(Happening):
    """A logged model's files are complete: its status became LOGGED_MODEL_READY."""

    type: ClassVar[str] = "Logged Model Ready"
    experiment_id: str
    model_id: str
    name: str
    model_type: str | None = None
    run_id: str | None = None

    @property
    def resources(self) -> list[str]:
        return [f"experiments/{self.experiment_id}", f"logged-models/{self.model_id}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfModel(Happening):
    name: str
    prompt: bool

    @property
    def resources(self) -> list[str]:
        return [f"registered-models/{self.name}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModelCreated(_OfModel):
    """A registered model, or a prompt, was created."""

    type: ClassVar[str] = "Registered Model Created"
    description: str | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModelRenamed(_OfModel):
    """A registered model has another name. Its versions and aliases go on under it."""

    type: ClassVar[str] = "Registered Model Renamed"
    previous_name: str

    @property
    def resources(self) -> list[str]:
        return [f"registered-models/{self.name}", f"registered-models/{self.previous_name}"]


class RegisteredModelDeleted(_OfModel):
    """A registered model was deleted, and all its versions and aliases with it: there is no event for each
    of them."""

    type: ClassVar[str] = "Registered Model Deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfVersion(_OfModel):
    model_version: int

    @property
    def resources(self) -> list[str]:
        return [
            f"registered-models/{self.name}",
            f"registered-models/{self.name}/versions/{self.model_version}",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasSet(_OfVersion):
    """An alias names a version, for the first time or instead of another one."""

    type: ClassVar[str] = "Model Alias Set"
    alias: str
    previous_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRemoved(_OfVersion):
    """An alias was removed, by itself or with the version that it named."""

    type: ClassVar[str] = "Model Alias Removed"
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewVersion(_OfVersion):
    source: str
    run_id: str | None = None
    model_id: str | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None


class ModelVersionCreated(_NewVersion):
    """A version of a registered model was created."""

    type: ClassVar[str] = "Model Version Created"


class PromptVersionCreated(_NewVersion):
    """A version of a prompt was created. Its text is the tag ``mlflow.prompt.text``, where it is short."""

    type: ClassVar[str] = "Prompt Version Created"


class ModelVersionDeleted(_OfVersion):
    """A version was deleted by itself, not with its model."""

    type: ClassVar[str] = "Model Version Deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMoved(_OfVersion):
    """A version was moved to a stage."""

    type: ClassVar[str] = "Model Stage Moved"
    stage: str
    previous_stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageArchived(_OfVersion):
    """A move of a version to a stage archived the others there: those up to ``highest_version``. There is
    no event for each of them."""

    type: ClassVar[str] = "Model Stage Archived"
    stage: str
    highest_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModelTagSet(_OfModel):
    """A tag of a registered model has a new value. Setting the value that it has makes no event, unless
    that is long."""

    type: ClassVar[str] = "Registered Model Tag Set"
    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModelTagRemoved(_OfModel):
    """A tag of a registered model was deleted."""

    type: ClassVar[str] = "Registered Model Tag Removed"
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTagSet(_OfVersion):
    """A tag of a version has a new value. Setting the value that it has makes no event, unless that is
    long."""

    type: ClassVar[str] = "Model Version Tag Set"
    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTagRemoved(_OfVersion):
    """A tag of a version was deleted."""

    type: ClassVar[str] = "Model Version Tag Removed"
    key: str


CATALOGUE: tuple[type[Happening], ...] = (
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRestored,
    RunCreated,
    RunFinished,
    RunFailed,
    RunKilled,
    RunDeleted,
    RunRestored,
    LoggedModelReady,
    RegisteredModelCreated,
    RegisteredModelRenamed,
    RegisteredModelDeleted,
    AliasSet,
    AliasRemoved,
    ModelVersionCreated,
    PromptVersionCreated,
    ModelVersionDeleted,
    StageMoved,
    StageArchived,
    RegisteredModelTagSet,
    RegisteredModelTagRemoved,
    VersionTagSet,
    VersionTagRemoved,
)
"""Every type, in the order of the documentation."""


Told = tuple[str, int, list[Happening]]
"""An entity, the number of the write among its writes, and what happened, in order."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an entity. ``entity`` outlives a renaming; ``sequence`` rises from event
    to event of one entity, with gaps; ``time`` in milliseconds, of seconds on AWS."""

    happening: Happening
    entity: str
    sequence: int
    time: int

    @property
    def type(self) -> str:
        return self.happening.type

    @property
    def id(self) -> str:
        """The same for the same write, however often it is told."""
        told = json.dumps([self.entity, self.sequence, self.type])
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def detail(self) -> dict[str, Any]:
        """What the bus carries as ``detail``: fields without a value are left out, long texts are cut and
        named in ``cut``."""
        found: dict[str, Any] = {
            "version": VERSION,
            "id": self.id,
            "entity": self.entity,
            "sequence": self.sequence,
            "time": self.time,
        }
        cut = []
        for field in fields(self.happening):
            value = getattr(self.happening, field.name)
            if isinstance(value, str) and len(value) > MAX_TEXT:
                value = value[:MAX_TEXT]
                cut.append(field.name)
            if value is not None:
                found[field.name] = value
        return {**found, "cut": cut} if cut else found

    def envelope(self) -> dict[str, Any]:
        """The event as a rule's target gets it from EventBridge, of an account and a region named local."""
        when = datetime.fromtimestamp(self.time // 1000, UTC)
        return {
            "version": "0",
            "id": self.id,
            "detail-type": self.type,
            "source": SOURCE,
            "account": "local",
            "time": f"{when:%Y-%m-%dT%H:%M:%SZ}",
            "region": "local",
            "resources": self.happening.resources,
            "detail": self.detail(),
        }
