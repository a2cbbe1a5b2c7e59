"""Use-cases of experiments, but for their search."""

from cairn.domain import experiments as rules
from cairn.errors import PermissionDenied, ResourceAlreadyExists, ResourceDoesNotExist
from cairn.protocol import render
from cairn.protocol.messages import experiments as messages
from cairn.services import proxied
from cairn.services.creations import once
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller


def create_experiment(stores: Stores, caller: Caller, request: messages.CreateExperiment) -> Result:
    """A repeated tag key is refused with the code of a taken name, as by MLflow's database."""
    tags = {tag.key: tag.value for tag in request.tags}
    if len(tags) < len(request.tags):
        raise ResourceAlreadyExists(f"Experiment(name={request.name}): a tag key is given twice.")
    rules.validate_custom_views(tags)
    if request.artifact_location:
        rules.validate_location(request.artifact_location)
        _require_elsewhere(stores, request.artifact_location)
    rules.validate_name(request.name)
    for key, value in tags.items():
        rules.validate_tag(key, value)
    asking = once(stores, caller, request)
    if asking.made is not None:
        return {"experiment_id": asking.made}
    created = stores.experiments.create(
        request.name, request.artifact_location or None, tags, stores.clock(), asking.asked
    )
    return {"experiment_id": created.experiment_id}


def get_experiment(stores: Stores, caller: Caller, request: messages.GetExperiment) -> Result:
    """A deleted one too; its stage tells."""
    return {"experiment": render.experiment(stores.experiments.get(request.experiment_id))}


def get_experiment_by_name(stores: Stores, caller: Caller, request: messages.GetExperimentByName) -> Result:
    """A deleted one too: its name is taken."""
    found = stores.experiments.find(request.experiment_name)
    if found is None:
        raise ResourceDoesNotExist(f"Could not find experiment with name '{request.experiment_name}'")
    return {"experiment": render.experiment(found)}


def update_experiment(stores: Stores, caller: Caller, request: messages.UpdateExperiment) -> Result:
    rules.validate_name(request.new_name)
    stores.experiments.rename(request.experiment_id, request.new_name, stores.clock())
    return {}


def delete_experiment(stores: Stores, caller: Caller, request: messages.DeleteExperiment) -> Result:
    """With all its runs."""
    stores.experiments.delete(request.experiment_id, stores.clock())
    return {}


def restore_experiment(stores: Stores, caller: Caller, request: messages.RestoreExperiment) -> Result:
    """With all its runs, those that were deleted one by one as well (MLflow's rule)."""
    stores.experiments.restore(request.experiment_id, stores.clock())
    return {}


def set_experiment_tag(stores: Stores, caller: Caller, request: messages.SetExperimentTag) -> Result:
    """A custom view more is counted against those there are: two at the same moment may pass the limit by
    one, as in MLflow."""
    if rules.is_custom_view(request.key):
        held = stores.experiments.get(request.experiment_id).tags
        if request.key not in held:
            rules.validate_custom_views([*held, request.key], request.experiment_id)
    rules.validate_tag(request.key, request.value)
    stores.experiments.set_tag(request.experiment_id, request.key, request.value)
    return {}


def delete_experiment_tag(stores: Stores, caller: Caller, request: messages.DeleteExperimentTag) -> Result:
    stores.experiments.delete_tag(request.experiment_id, request.key)
    return {}


def _require_elsewhere(stores: Stores, location: str) -> None:
    """Who may not write everything may choose no location among this server's own artifacts: the files of
    others, or of experiments to come, would be an experiment's of theirs. Raises PermissionDenied."""
    if not proxied.holds_all(stores.access) and stores.artifacts.path_of(location) is not None:
        raise PermissionDenied(
            f"{stores.access.action.name} with artifact_location {location!r} needs "
            f"{stores.access.action.permission.name} on everything: it lies in this server's own artifact "
            "storage. Leave it out for the default location, or name storage of your own."
        )
