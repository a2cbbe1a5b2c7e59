"""Use-cases of registered models and their aliases, but for their search. A prompt is one of them."""

from cairn.domain import registry as rules
from cairn.domain.registry import ModelVersion, RegisteredModel
from cairn.errors import InvalidParameterValue, ResourceDoesNotExist
from cairn.protocol import render_registry as render
from cairn.protocol.messages import registry as messages
from cairn.services import lineage, notes
from cairn.services.creations import once
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller


def create_registered_model(
    stores: Stores, caller: Caller, request: messages.CreateRegisteredModel
) -> Result:
    """The last value of a repeated tag wins."""
    rules.validate_new_name(request.name)
    for tag in request.tags:
        rules.validate_model_tag(tag.key, tag.value)
    now = stores.clock()
    model = RegisteredModel(
        name=request.name,
        creation_timestamp=now,
        last_updated_timestamp=now,
        description=request.description,
        tags={tag.key: tag.value for tag in request.tags},
    )
    # not derived from the key: after a deletion the same key makes another model
    model_id = f"{stores.bits(64):016x}"
    return _model(
        stores,
        stores.registry.models.create(model, model_id, once(stores, caller, request).token),
    )


def get_registered_model(stores: Stores, caller: Caller, request: messages.GetRegisteredModel) -> Result:
    rules.validate_model_name(request.name)
    return _model(stores, stores.registry.models.get(request.name))


def update_registered_model(
    stores: Stores, caller: Caller, request: messages.UpdateRegisteredModel
) -> Result:
    """Its description, which vanishes where none is given (MLflow's rule)."""
    rules.validate_model_name(request.name)
    return _model(stores, stores.registry.models.update(request.name, request.description, stores.clock()))


def rename_registered_model(
    stores: Stores, caller: Caller, request: messages.RenameRegisteredModel
) -> Result:
    rules.validate_new_name(request.new_name, "new_name")
    rules.validate_model_name(request.name)
    return _model(stores, stores.registry.models.rename(request.name, request.new_name, stores.clock()))


def delete_registered_model(
    stores: Stores, caller: Caller, request: messages.DeleteRegisteredModel
) -> Result:
    """With its versions and aliases, for good."""
    rules.validate_model_name(request.name)
    stores.registry.models.delete(request.name)
    return {}


def get_latest_versions(stores: Stores, caller: Caller, request: messages.GetLatestVersions) -> Result:
    """The highest version of each stage, or of those that are asked for."""
    rules.validate_model_name(request.name)
    found = stores.registry.models.latest_versions(request.name)
    wanted = {rules.canonical_stage(stage) for stage in request.stages} or set(rules.STAGES)
    shown = [render.model_version(version) for version in found if version.current_stage in wanted]
    lineage.of_versions(stores, shown)
    return {"model_versions": shown} if shown else {}


def set_registered_model_tag(
    stores: Stores, caller: Caller, request: messages.SetRegisteredModelTag
) -> Result:
    rules.validate_model_name(request.name)
    rules.validate_model_tag(request.key, request.value)
    value = request.value
    if notes.are_among(stores, [request.key]):
        held = stores.registry.models.get(request.name).tags
        value = notes.with_hidden(stores, request.key, value, held.get(request.key))
    stores.registry.models.set_tag(request.name, request.key, value)
    return {}


def delete_registered_model_tag(
    stores: Stores, caller: Caller, request: messages.DeleteRegisteredModelTag
) -> Result:
    rules.validate_model_name(request.name)
    rules.validate_tag_key(request.key)
    stores.registry.models.delete_tag(request.name, request.key)
    return {}


def set_registered_model_alias(
    stores: Stores, caller: Caller, request: messages.SetRegisteredModelAlias
) -> Result:
    """A moved alias has moved for everybody at once."""
    rules.validate_model_name(request.name)
    rules.validate_new_alias(request.alias)
    version = rules.version_number(request.version)
    stores.registry.models.set_alias(request.name, request.alias, version)
    return {}


def delete_registered_model_alias(
    stores: Stores, caller: Caller, request: messages.DeleteRegisteredModelAlias
) -> Result:
    rules.validate_model_name(request.name)
    rules.validate_alias(request.alias)
    stores.registry.models.delete_alias(request.name, request.alias)
    return {}


def get_model_version_by_alias(
    stores: Stores, caller: Caller, request: messages.GetModelVersionByAlias
) -> Result:
    """``latest`` is the highest version of whatever stage."""
    rules.validate_model_name(request.name)
    rules.validate_alias(request.alias)
    message = render.model_version(aliased(stores, request.name, request.alias))
    lineage.of_versions(stores, [message])
    return {"model_version": message}


def aliased(stores: Stores, name: str, alias: str) -> ModelVersion:
    """The version that an alias names, ``latest`` included."""
    if alias.lower() == rules.LATEST:
        versions = stores.registry.models.latest_versions(name)
        if not versions:
            raise ResourceDoesNotExist(f"Latest version not found for model {name}.")
        return max(versions, key=lambda version: version.version)
    found = stores.registry.versions.by_alias(name, alias)
    if found is None:
        raise InvalidParameterValue(f"Registered model alias {alias} not found.")
    return found


def _model(stores: Stores, model: RegisteredModel) -> Result:
    message = render.registered_model(model)
    lineage.of_registered_models(stores, [message])
    return {"registered_model": message}
