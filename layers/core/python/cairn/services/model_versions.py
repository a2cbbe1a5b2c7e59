"""Use-cases of model versions, but for their search."""

import json
from collections.abc import Mapping

from cairn.domain import registry as rules
from cairn.domain import registry_sources as sources
from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import DELETED, LoggedModel
from cairn.domain.paths import safe_path
from cairn.domain.registry import ModelVersion
from cairn.errors import InvalidParameterValue, ResourceDoesNotExist
from cairn.protocol import render_registry as render
from cairn.protocol.messages import registry as messages
from cairn.services import lineage, notes
from cairn.services.artifacts import download_of, required_argument
from cairn.services.creations import once
from cairn.services.notes import MODEL_VERSIONS
from cairn.services.ports import RawCall, Result, Stores
from cairn.services.proxied import files_of, root_of
from cairn.services.registered_models import aliased
from cairn.sharing.caller import Caller

MAX_PINS = 1_000
"""Files of a version that are pinned; one of more is served as its files are."""


def create_model_version(stores: Stores, caller: Caller, request: messages.CreateModelVersion) -> Result:
    """The next version of a model, from files that are there already; ready at once.

    After the version is there its logged model is tagged with it: a request repeated after a crash in
    between makes another version, as in MLflow (with an idempotency key: the same one, and its tag).
    """
    tags = {tag.key: tag.value for tag in request.tags}
    is_prompt = rules.is_prompt(tags)
    if is_prompt:
        sources.validate_prompt_source(request.source)
    sources.validate_scheme(request.source)
    source, run_id, model_id = request.source, request.run_id or "", request.model_id or ""
    if not is_prompt:
        source, run_id, model_id = _lineage(stores, request)
        if model_id:
            sources.validate_source_of_model(source, model_id, lambda model: _root_of_model(stores, model))
        else:
            sources.validate_source_of_run(source, run_id, lambda run: _root_of_run(stores, run))
    rules.validate_model_name(request.name)
    for tag in request.tags:
        rules.validate_version_tag(tag.key, tag.value)
    location, run_id = _located(stores, source, run_id, model_id)
    lineage.require_read(stores, request, source, location)
    now = stores.clock()
    version = ModelVersion(
        name=request.name,
        version=0,
        creation_timestamp=now,
        last_updated_timestamp=now,
        source=source,
        location=location,
        run_id=run_id,
        run_link=request.run_link,
        model_id=model_id or None,
        description=request.description,
        tags=tags,
    )
    pins = {} if is_prompt else _pins(stores, version)
    made = stores.registry.versions.create(version, once(stores, caller, request).token, pins)
    if model_id and not is_prompt:
        _tag_logged_model(stores, model_id, made)
    return _version(stores, made)


def get_model_version(stores: Stores, caller: Caller, request: messages.GetModelVersion) -> Result:
    rules.validate_model_name(request.name)
    number = rules.version_number(request.version)
    return _version(stores, stores.registry.versions.get(request.name, number))


def update_model_version(stores: Stores, caller: Caller, request: messages.UpdateModelVersion) -> Result:
    """Its description, which vanishes where none is given (MLflow's rule)."""
    rules.validate_model_name(request.name)
    number = rules.version_number(request.version)
    versions = stores.registry.versions
    return _version(stores, versions.update(request.name, number, request.description, stores.clock()))


def transition_model_version_stage(
    stores: Stores, caller: Caller, request: messages.TransitionModelVersionStage
) -> Result:
    """All versions that the move archives are archived with it, or none."""
    stage, archive = rules.canonical_stage(request.stage), request.archive_existing_versions
    if archive:
        rules.validate_archiving(request.stage)
    rules.validate_model_name(request.name)
    number = rules.version_number(request.version)
    versions = stores.registry.versions
    moved = versions.move(request.name, number, stage, archive=archive, now=stores.clock())
    return _version(stores, moved)


def delete_model_version(stores: Stores, caller: Caller, request: messages.DeleteModelVersion) -> Result:
    """With its aliases, for good: its number is not given again."""
    number = rules.version_number(request.version)
    rules.validate_model_name(request.name)
    stores.registry.versions.delete(request.name, number, stores.clock())
    return {}


def get_model_version_download_uri(
    stores: Stores, caller: Caller, request: messages.GetModelVersionDownloadUri
) -> Result:
    """Where the files are: a source ``models:/...`` was resolved when the version was made. For who does
    not see where they came from it is a location of the version's own."""
    rules.validate_model_name(request.name)
    number = rules.version_number(request.version)
    return {"artifact_uri": lineage.location(stores, stores.registry.versions.get(request.name, number))}


def set_model_version_tag(stores: Stores, caller: Caller, request: messages.SetModelVersionTag) -> Result:
    rules.validate_model_name(request.name)
    number = rules.version_number(request.version)
    rules.validate_version_tag(request.key, request.value)
    value = request.value
    if notes.are_among(stores, [request.key]):
        held = stores.registry.versions.get(request.name, number).tags
        value = notes.with_hidden(stores, request.key, value, held.get(request.key))
    stores.registry.versions.set_tag(request.name, number, request.key, value)
    return {}


def delete_model_version_tag(
    stores: Stores, caller: Caller, request: messages.DeleteModelVersionTag
) -> Result:
    rules.validate_model_name(request.name)
    number = rules.version_number(request.version)
    rules.validate_tag_key(request.key)
    stores.registry.versions.delete_tag(request.name, number, request.key)
    return {}


def get_model_version_artifact(stores: Stores, caller: Caller, call: RawCall) -> Result:
    """A file of a version, by query: ``name``, ``version`` and ``path``. Where the bucket keeps versions it
    is the file as it was when the version was made."""
    path = safe_path(required_argument(call, "path"))
    name, version = required_argument(call, "name"), required_argument(call, "version")
    return download_of(stores, files_of(stores, name, rules.version_number(version), path))


def _lineage(stores: Stores, request: messages.CreateModelVersion) -> tuple[str, str, str]:
    """Source, run and logged model of a new version; those of a copied version are its own
    (``_resolve_registered_model_source_lineage``), also where they are not shown: READ on a version is
    enough to copy it."""
    run_id, model_id = request.run_id or "", request.model_id or ""
    named = sources.model_uri(request.source)
    if named is None or named.name is None:
        return request.source, run_id, model_id
    rules.validate_model_name(named.name)
    registry = stores.registry
    if rules.is_prompt(registry.models.get(named.name).tags):
        raise sources.prompt_as_source(request.source)
    copied = registry.versions.get(named.name, _named_version(stores, named))
    # MLflow's store forgets which logged model a version was made of
    if (request.run_id is not None and run_id != lineage.shown_run(stores, copied)) or model_id:
        raise sources.lineage_differs(request.source)
    return f"models:/{named.name}/{copied.version}", copied.run_id or "", ""


def _named_version(stores: Stores, named: sources.ModelUri) -> int:
    assert named.name is not None
    if named.version is not None:
        return int(named.version)
    if named.alias is not None:
        rules.validate_alias(named.alias)
        return aliased(stores, named.name, named.alias).version
    versions = stores.registry.models.latest_versions(named.name)
    stage = None if named.stage is None else rules.canonical_stage(named.stage)
    numbers = [one.version for one in versions if stage in (None, one.current_stage)]
    if not numbers:
        of = "" if stage is None else f" and stage '{named.stage}'"
        raise ResourceDoesNotExist(f"No versions of model with name '{named.name}'{of} found")
    return max(numbers)


def _located(stores: Stores, source: str, run_id: str, model_id: str) -> tuple[str, str]:
    """Where a version's files are, and the run they come from."""
    named = sources.model_uri(source)
    location = source
    if named is not None and named.model_id is not None:
        model = _logged_model(stores, named.model_id)
        location, run_id = model.artifact_uri, run_id or model.source_run_id or ""
    elif named is not None and named.name is not None and named.version is not None:
        location = stores.registry.versions.get(named.name, int(named.version)).location
    if not run_id and model_id:
        run_id = _logged_model(stores, model_id).source_run_id or ""
    return location, run_id


def _logged_model(stores: Stores, model_id: str) -> LoggedModel:
    model = stores.models.get(model_id)
    if model.lifecycle_stage == DELETED:
        raise ResourceDoesNotExist(f"Logged model with ID '{model_id}' not found.")
    return model


def _root_of_run(stores: Stores, run_id: str) -> str | None:
    try:
        return stores.runs.get(run_id).info.artifact_uri
    except ResourceDoesNotExist:
        return None


def _root_of_model(stores: Stores, model_id: str) -> str | None:
    try:
        return _logged_model(stores, model_id).artifact_uri
    except ResourceDoesNotExist:
        return None


def _tag_logged_model(stores: Stores, model_id: str, version: ModelVersion) -> None:
    """Tell the logged model which versions were made of it (``set_model_versions_tags``). The server's own
    note, as in MLflow: who makes a version of a model need not be allowed to change the model."""
    made = {"name": version.name, "version": version.version}

    def merge(draft: Draft) -> None:
        held = json.loads(draft.tags.get(MODEL_VERSIONS) or "[]")
        # where the version is noted already MLflow forgets all others
        draft.tags[MODEL_VERSIONS] = json.dumps(held if made in held else [*held, made])

    stores.origins.models.change(model_id, Touch(tags=frozenset({MODEL_VERSIONS})), merge)


def _pins(stores: Stores, version: ModelVersion) -> Mapping[str, str]:
    """The versions of its files as they are now; those of a copied version are its own. None for files that
    lie elsewhere, or are more than ``MAX_PINS``."""
    named = sources.model_uri(version.source)
    if named is not None and named.name is not None and named.version is not None:
        return stores.registry.versions.pinned(named.name, int(named.version))[1]
    try:
        return stores.artifacts.versions(root_of(stores, version), MAX_PINS)
    except (
        InvalidParameterValue,
        ResourceDoesNotExist,
    ):  # another bucket or scheme; a run that is not here
        return {}


def _version(stores: Stores, version: ModelVersion) -> Result:
    message = render.model_version(version)
    lineage.of_versions(stores, [message])
    return {"model_version": message}
