"""What answers say of other resources: who does not see those is not told of them.

After the redactions of MLflow's auth app (mlflow/server/auth: ``_withhold_denied_version_siblings``,
``..._model_source_runs``, ``..._run_model_links``), which go by whole kinds of resources, where here each
experiment counts. Tags that note other resources are ``notes``'s.

Messages are changed where they stand, when a use-case has made them: 1 BatchGetItem of all experiments that
an answer names beside its own; nothing for who sees everything.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from cairn.domain import registry_sources as sources
from cairn.domain.entities import LoggedModel
from cairn.domain.locations import version_artifacts
from cairn.domain.registry import ModelVersion
from cairn.errors import ResourceDoesNotExist
from cairn.ids import experiment_of_model, experiment_of_run
from cairn.protocol.messages.registry import CreateModelVersion
from cairn.services import notes, proxied
from cairn.services.notes import keep
from cairn.services.ports import Stores
from cairn.services.sight import Sight, model_uri

Json = dict[str, Any]


def location(stores: Stores, version: ModelVersion) -> str:
    """Where the files of a version are for this caller: where they came from, if it sees that."""
    if stores.access.unrestricted or Sight(stores).source(version.location):
        return version.location
    return version_artifacts(version.name, version.version)


def shown_run(stores: Stores, version: ModelVersion) -> str:
    """The run that a version says it comes from; none where that is not seen."""
    run_id = version.run_id or ""
    return run_id if not run_id or stores.access.unrestricted or Sight(stores).run(run_id) else ""


def require_read(stores: Stores, request: CreateModelVersion, source: str, location: str) -> None:
    """READ on what a new version is made of. ResourceDoesNotExist, as for what is not there: a run or model
    that is named, and files of this server that are not those of a run or model that is seen.

    A copied version was read when it was resolved: it is a source of its own.
    """
    named = model_uri(source)
    if stores.access.unrestricted or (named is not None and named.name is not None):
        return
    of_run = sources.run_and_path(location)
    runs = dict.fromkeys(filter(None, (request.run_id, of_run and of_run[0])))
    roots = [stores.runs.get(run_id).info.artifact_uri for run_id in runs]
    if request.model_id:
        roots.append(stores.models.get(request.model_id).artifact_uri)
    path = None if of_run else stores.artifacts.path_of(location)
    if path is None or any(_is_within(path, stores.artifacts.path_of(root)) for root in roots):
        return
    if not (_OF_ONE.match(path) and proxied.sees(stores, path)):
        raise ResourceDoesNotExist(f"There is nothing at the model version's source: '{source}'")


def of_versions(stores: Stores, versions: Sequence[Json]) -> None:
    """A run that is not seen is none; a source, the version's own files."""
    if stores.access.unrestricted:
        return
    sight = Sight(stores)
    sight.look(one for version in versions for one in _of_version(sight, version))
    for version in versions:
        _hide_in_version(sight, version)


def of_registered_models(stores: Stores, models: Sequence[Json]) -> None:
    if stores.access.unrestricted:
        return
    sight = Sight(stores)
    versions = [version for model in models for version in model.get("latest_versions", ())]
    of_models = (one for model in models for one in notes.named_by(model))
    sight.look([*of_models, *(one for version in versions for one in _of_version(sight, version))])
    for model in models:
        notes.hide(sight, model)
    for version in versions:
        _hide_in_version(sight, version)


def of_logged_models(stores: Stores, models: Sequence[Json]) -> None:
    """The run that made a model, those that logged its metrics, the versions that were made of it."""
    if stores.access.unrestricted:
        return
    sight = Sight(stores, frozenset(model["info"]["experiment_id"] for model in models))
    sight.look(one for model in models for one in _of_logged_model(model))
    for model in models:
        info = model["info"]
        if info.get("source_run_id") and not sight.run(info["source_run_id"]):
            del info["source_run_id"]
        for metric in model["data"].get("metrics", ()):
            if metric.get("run_id") and not sight.run(metric["run_id"]):
                del metric["run_id"]
        notes.hide(sight, info)


def of_runs(stores: Stores, runs: Sequence[Json]) -> None:
    """The models that a run read or made."""
    if stores.access.unrestricted:
        return
    sight = Sight(stores, frozenset(run["info"]["experiment_id"] for run in runs))
    sight.look(one for run in runs for one in _of_run(run))
    for run in runs:
        for part, name in _MODELS_OF_RUN:
            keep(run.get(part, {}), name, lambda model: sight.model(model["model_id"]))
        notes.hide(sight, run["data"])


def look_at_versions(stores: Stores, versions: Sequence[ModelVersion]) -> None:
    """At what ``hidden_version`` will ask of each, in one request."""
    sight = Sight(stores)
    sight.look(
        experiment
        for version in versions
        for experiment in (experiment_of_run(version.run_id or ""), sight.experiment_of(version.source))
    )


def hidden_version(stores: Stores, version: ModelVersion) -> ModelVersion:
    """As a filter may know it. 1 BatchGetItem for each experiment that was not asked for before."""
    sight = Sight(stores)
    if version.run_id and not sight.run(version.run_id):
        version = replace(version, run_id="")
    if not sight.source(version.source):
        version = replace(version, source=version_artifacts(version.name, version.version))
    return version


def hidden_model(stores: Stores, model: LoggedModel) -> LoggedModel:
    """As a filter, an order or a page's token may know it; as ``hidden_version``."""
    run_id = model.source_run_id
    if not run_id or Sight(stores, frozenset({model.experiment_id})).run(run_id):
        return model
    return replace(model, source_run_id=None)


_OF_ONE = re.compile(r"\d+/(?:[0-9a-f]{32}|models/m-[0-9a-f]{32})/artifacts(?:/|$)", re.ASCII)
"""A path below the artifacts of one run or logged model, of an experiment at its default location."""


def _is_within(path: str, root: str | None) -> bool:
    return bool(root) and (path == root or path.startswith(f"{root}/"))


_MODELS_OF_RUN = (("inputs", "model_inputs"), ("outputs", "model_outputs"))


def _of_version(sight: Sight, version: Json) -> Iterator[str | None]:
    """The experiments that a message names."""
    yield experiment_of_run(version.get("run_id", ""))
    yield sight.experiment_of(version["source"])
    yield from notes.named_by(version)


def _of_logged_model(model: Json) -> Iterator[str | None]:
    yield experiment_of_run(model["info"].get("source_run_id", ""))
    for metric in model["data"].get("metrics", ()):
        yield experiment_of_run(metric.get("run_id", ""))
    yield from notes.named_by(model["info"])


def _of_run(run: Json) -> Iterator[str | None]:
    for part, name in _MODELS_OF_RUN:
        for model in run.get(part, {}).get(name, ()):
            yield experiment_of_model(model["model_id"])
    yield from notes.named_by(run["data"])


def _hide_in_version(sight: Sight, version: Json) -> None:
    run_id = version.get("run_id", "")
    hides_run = bool(run_id) and not sight.run(run_id)
    hides_source = not sight.source(version["source"])
    if hides_run:
        version["run_id"] = ""
    if hides_source:
        version["source"] = version_artifacts(version["name"], int(version["version"]))
    if "run_link" in version and (hides_run or hides_source):
        version["run_link"] = ""
    notes.hide(sight, version)
