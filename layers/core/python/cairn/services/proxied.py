"""Paths below the root of proxied artifacts: which of them a call may name, and which files they mean.

Who sees everything goes by the paths as they stand. For everybody else a path begins with an experiment
whose artifacts lie where experiments have them by default; or it is one of a model version
(``domain.locations``), whose files may be read by who may read the version. At every other path nothing is:
no list of experiments, and nothing of one whose location is its own (its files are reached by their run or
logged model).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cairn.domain import registry_sources as sources
from cairn.domain.access import KINDS, Access
from cairn.domain.artifacts import FileInfo
from cairn.domain.locations import version_artifacts, version_of
from cairn.domain.paths import join
from cairn.domain.registry import ModelVersion
from cairn.errors import CairnError, InvalidParameterValue, ResourceDoesNotExist
from cairn.services.ports import Stores

PROXY_ROOT = "mlflow-artifacts:/"

_EXPERIMENT = re.compile("(0|[1-9][0-9]{0,18})(?:/|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Files:
    """What lies at a path below a root. ``pins`` are versions of files by their path below the root.

    ``called``: the path as errors say it, where the caller is not to know the root. If files are pinned
    then no others are there for it."""

    root: str
    path: str
    pins: Mapping[str, str] = field(default_factory=dict)
    called: str | None = None

    def entries(self, stores: Stores) -> Sequence[FileInfo]:
        """One level. Of pinned files no sizes are told: what is listed may have been overwritten."""
        if self.called is not None and self.pins:
            return _level(self.pins, self.path)
        with self.told():
            return stores.artifacts.list(join(self.root, self.path))

    def version(self) -> str | None:
        """The version of the file; None for what it is now."""
        if self.called is not None and self.pins and self.path not in self.pins:
            raise missing(self.called)
        return self.pins.get(self.path)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors that name the path as it was asked for, and not where it leads."""
        try:
            yield
        except CairnError as error:
            if self.called is None:
                raise
            if isinstance(error, ResourceDoesNotExist):
                raise missing(self.called) from None
            if isinstance(error, InvalidParameterValue):
                raise InvalidParameterValue(f"No file to be read: '{self.called}'") from None
            raise type(error)(f"'{self.called}' cannot be read now.") from None


def readable(stores: Stores, path: str) -> Files | None:
    """What a path means to a reader; None where nothing is. 1 BatchGetItem of the experiment; of a version
    as ``files_of``."""
    if stores.access.unrestricted:
        return Files(PROXY_ROOT, path)
    named = version_of(path)
    if named is None:
        return Files(PROXY_ROOT, path) if sees(stores, path) else None
    name, number, below = named
    try:
        return files_of(stores, name, number, below)
    except ResourceDoesNotExist:
        return None


def writable(stores: Stores, path: str) -> str:
    """The URI of a path to write or delete. 1 Query of the experiment. PermissionDenied for what may be
    read alone, ResourceDoesNotExist for a path that is no experiment's."""
    uri = join(PROXY_ROOT, path)
    if holds_all(stores.access):
        return uri
    experiment_id = experiment_of(path)
    if experiment_id is None:
        raise missing(path)
    experiment = stores.experiments.get(experiment_id, to_change=True)
    if stores.artifacts.path_of(experiment.artifact_location) != experiment_id:
        raise missing(path)
    return uri


def sees(stores: Stores, path: str) -> bool:
    """Whether a path is one of an experiment that may be read by it. 1 BatchGetItem, once for each
    experiment."""
    experiment_id = experiment_of(path)
    if experiment_id is None:
        return False
    location = stores.experiments.located([experiment_id]).get(experiment_id)
    return location is not None and stores.artifacts.path_of(location) == experiment_id


def experiment_of(path: str) -> str | None:
    """The experiment that a path begins with."""
    match = _EXPERIMENT.match(path)
    return match[1] if match else None


def files_of(stores: Stores, name: str, number: int, path: str) -> Files:
    """A path below the files of a model version, which must be seen; where those came from need not be.
    1 GetItem, 2 BatchGetItem; 1 BatchGetItem more for a version of a run's folder."""
    version, pins = stores.registry.versions.pinned(name, number)
    if stores.access.unrestricted:
        return Files(root_of(stores, version), path, pins)
    called = join(version_artifacts(name, number), path).removeprefix(PROXY_ROOT)
    files = Files("", path, pins, called)
    with files.told():
        return Files(root_of(stores, version), path, pins, called)


def root_of(stores: Stores, version: ModelVersion) -> str:
    """The artifact URI of a version; a ``runs:/`` location lies below its run's."""
    found = sources.run_and_path(version.location)
    if found is None:
        return version.location
    return join(stores.origins.runs.get(found[0]).info.artifact_uri, found[1])


def missing(path: str) -> ResourceDoesNotExist:
    """As the artifact store says it."""
    return ResourceDoesNotExist(f"No such artifact: '{path}'")


def holds_all(access: Access) -> bool:
    """Whether there is nothing that may not be seen, or not be changed as the action would."""
    least = min(access.everything(kind) for kind in KINDS)
    return access.unrestricted and least >= access.action.permission


def _level(paths: Mapping[str, object], folder: str) -> Sequence[FileInfo]:
    """One level of files that are known by their paths, by name."""
    start = f"{folder}/" if folder else ""
    below = (path[len(start) :].partition("/") for path in paths if path.startswith(start))
    names = sorted({(name, bool(slash)) for name, slash, _ in below})
    return [FileInfo(name, is_dir) for name, is_dir in names]
