"""Use-cases of logged models: MLflow 3's models, logged to an experiment."""

from collections.abc import Sequence

from cairn.domain import limits
from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import ACTIVE, DELETED, LoggedModel
from cairn.domain.names import random_name
from cairn.errors import BadRequest, ResourceDoesNotExist
from cairn.ids import experiment_of_run, new_model_id
from cairn.protocol import render
from cairn.protocol.messages import models as messages
from cairn.protocol.messages.common import Param, Tag
from cairn.services import lineage
from cairn.services.creations import once
from cairn.services.notes import with_hidden
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller


def create_logged_model(stores: Stores, caller: Caller, request: messages.CreateLoggedModel) -> Result:
    """A model that is pending until it is finalized."""
    limits.validate_logged_model_name(request.name)
    _require_source(stores, request)
    now = stores.clock()
    model = LoggedModel(
        model_id=new_model_id(request.experiment_id, once(stores, caller, request).bits),
        experiment_id=request.experiment_id,
        name=request.name or random_name(stores.bits),
        artifact_uri="",
        creation_timestamp=now,
        last_updated_timestamp=now,
        status="LOGGED_MODEL_PENDING",
        lifecycle_stage=ACTIVE,
        model_type=request.model_type,
        source_run_id=request.source_run_id,
        tags=_distinct(request.tags),
        params=_distinct(request.params),
    )
    return _shown(stores, stores.models.create(model))


def get_logged_model(stores: Stores, caller: Caller, request: messages.GetLoggedModel) -> Result:
    model = stores.models.get(request.model_id)
    if model.lifecycle_stage == DELETED and request.allow_deleted.lower() != "true":
        raise ResourceDoesNotExist(f"Logged model with ID '{request.model_id}' not found.")
    return _shown(stores, model)


def finalize_logged_model(stores: Stores, caller: Caller, request: messages.FinalizeLoggedModel) -> Result:
    now = stores.clock()

    def merge(draft: Draft) -> None:
        draft.info |= {"status": request.status, "updated": now}

    return _shown(stores, stores.models.change(request.model_id, Touch(), merge))


def delete_logged_model(stores: Stores, caller: Caller, request: messages.DeleteLoggedModel) -> Result:
    """The model stays and is answered to those who ask for deleted ones."""
    now = stores.clock()

    def merge(draft: Draft) -> None:
        draft.info |= {"lifecycle_stage": DELETED, "updated": now}

    stores.models.change(request.model_id, Touch(), merge)
    return {}


def log_logged_model_params(
    stores: Stores, caller: Caller, request: messages.LogLoggedModelParams
) -> Result:
    """A param is written once; the same value again changes nothing, so that a retry is free."""
    params = _distinct(request.params)

    def merge(draft: Draft) -> None:
        for key, value in params.items():
            if draft.params.setdefault(key, value) != value:
                raise BadRequest(f"Param '{key}' of model {request.model_id} has another value already.")

    stores.models.change(request.model_id, Touch(params=frozenset(params)), merge)
    return {}


def set_logged_model_tags(stores: Stores, caller: Caller, request: messages.SetLoggedModelTags) -> Result:
    """The last value of a repeated key wins."""
    tags = {tag.key: tag.value for tag in request.tags}

    def merge(draft: Draft) -> None:
        for key, value in tags.items():
            draft.tags[key] = with_hidden(stores, key, value, draft.tags.get(key))

    stores.models.change(request.model_id, Touch(tags=frozenset(tags)), merge)
    return {}


def delete_logged_model_tag(
    stores: Stores, caller: Caller, request: messages.DeleteLoggedModelTag
) -> Result:
    key = request.tag_key

    def merge(draft: Draft) -> None:
        if draft.tags.pop(key, None) is None:
            raise ResourceDoesNotExist(
                f"No tag with key {key!r} found for model with ID {request.model_id!r}."
            )

    stores.models.change(request.model_id, Touch(tags=frozenset({key})), merge)
    return {}


def _require_source(stores: Stores, request: messages.CreateLoggedModel) -> None:
    """READ on a run of another experiment that a model says it was made by. Costs what reading it costs;
    nothing for who sees everything, and for a run of the model's own experiment."""
    run_id = request.source_run_id
    if run_id and not stores.access.unrestricted and experiment_of_run(run_id) != request.experiment_id:
        stores.runs.get(run_id)


def _shown(stores: Stores, model: LoggedModel) -> Result:
    message = render.logged_model(model)
    lineage.of_logged_models(stores, [message])
    return {"model": message}


def _distinct(given: Sequence[Tag] | Sequence[Param]) -> dict[str, str]:
    values = {one.key: one.value for one in given}
    if len(values) < len(given):
        raise BadRequest("Params and tags of a logged model have distinct keys.")
    return values
