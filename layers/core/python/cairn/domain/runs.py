"""What may happen to a run, as pure changes of a draft; each says which entries it touches.

The rules and messages are those of MLflow's ``SqlAlchemyStore``. Values are validated (``limits``) before
they come here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import ACTIVE, DELETED, DatasetInput, ModelOutput
from cairn.domain.lifecycle import require_active_run
from cairn.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist

RUN_NAME_TAG = "mlflow.runName"
LOGGED_MODELS_TAG = "mlflow.log-model.history"


@dataclass(frozen=True, slots=True)
class Change:
    """A pure edit of a draft, and the entries that it touches. Applying it twice is applying it once."""

    touch: Touch
    merge: Callable[[Draft], None]


def while_active(run_id: str, *changes: Change) -> Change:
    """The changes one after the other, refused for a run that is deleted."""

    def merge(draft: Draft) -> None:
        require_active_run(run_id, draft.info["lifecycle_stage"])
        for change in changes:
            change.merge(draft)

    return Change(_union([change.touch for change in changes]), merge)


def log_param(run_id: str, key: str, value: str) -> Change:
    """A param is written once; the same value again changes nothing."""

    def merge(draft: Draft) -> None:
        old = draft.params.setdefault(key, value)
        if old != value:
            raise InvalidParameterValue(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with "
                f"value='{old}' for run ID='{run_id}'. Attempted logging new value '{value}'."
            )

    return Change(Touch(params=frozenset({key})), merge)


def log_params(run_id: str, params: Mapping[str, str]) -> Change:
    """As ``log_param``; every mismatch is named in one refusal."""

    def merge(draft: Draft) -> None:
        mismatches = [
            {"key": key, "old_value": draft.params[key], "new_value": value}
            for key, value in params.items()
            if draft.params.get(key, value) != value
        ]
        if mismatches:
            raise InvalidParameterValue(
                f"Changing param values is not allowed. Params were already logged='{mismatches}' "
                f"for run ID='{run_id}'."
            )
        for key, value in params.items():
            draft.params.setdefault(key, value)

    return Change(Touch(params=frozenset(params)), merge)


def set_tags(tags: Sequence[tuple[str, str]]) -> Change:
    """The last value of a key wins. The tag of the run's name sets the name; an empty one is ignored."""

    def merge(draft: Draft) -> None:
        for key, value in tags:
            if key != RUN_NAME_TAG:
                draft.tags[key] = value
            elif value:
                draft.info["name"] = draft.tags[key] = value

    return Change(Touch(tags=frozenset(key for key, _ in tags)), merge)


def delete_tag(run_id: str, key: str) -> Change:
    """The run's name stays when its tag goes (MLflow's rule). Not to be repeated: see ``Change``."""

    def merge(draft: Draft) -> None:
        if draft.tags.pop(key, None) is None:
            raise ResourceDoesNotExist(f"No tag with name: {key} in run with id {run_id}")

    return Change(Touch(tags=frozenset({key})), merge)


def update_info(status: str | None, end_time: int | None, name: str | None) -> Change:
    """What is None, and an empty name, stays as it is."""

    def merge(draft: Draft) -> None:
        if status is not None:
            draft.info["status"] = status
        if end_time is not None:
            draft.info["end"] = end_time

    renaming = set_tags([(RUN_NAME_TAG, name)] if name else [])

    def both(draft: Draft) -> None:
        merge(draft)
        renaming.merge(draft)

    return Change(renaming.touch, both)


def delete() -> Change:
    """Deleting twice is deleting once."""
    return _set_stage(DELETED)


def restore() -> Change:
    """A run can be restored in a deleted experiment too (MLflow's rule)."""
    return _set_stage(ACTIVE)


def log_datasets(uses: Sequence[DatasetInput]) -> Change:
    """The first use of a (name, digest) counts, with its tags; later ones change nothing."""

    def merge(draft: Draft) -> None:
        for use in uses:
            draft.datasets.setdefault((use.name, use.digest), dict(use.tags))

    return Change(Touch(datasets=frozenset((use.name, use.digest) for use in uses)), merge)


def log_model_inputs(model_ids: Sequence[str]) -> Change:
    def merge(draft: Draft) -> None:
        for model_id in model_ids:
            draft.model_inputs.setdefault(model_id, 0)

    return Change(Touch(model_inputs=frozenset(model_ids)), merge)


def log_model_outputs(outputs: Sequence[ModelOutput]) -> Change:
    """The same output again changes nothing, so that a retry is free; at another step it is refused."""

    def merge(draft: Draft) -> None:
        for output in outputs:
            if draft.model_outputs.setdefault(output.model_id, output.step) != output.step:
                raise BadRequest(
                    f"Model {output.model_id} is an output of the run already, at step "
                    f"{draft.model_outputs[output.model_id]}."
                )

    return Change(Touch(model_outputs=frozenset(output.model_id for output in outputs)), merge)


def record_model(model: Mapping[str, Any], validate: Callable[[str, str], None]) -> Change:
    """Append a model of MLflow 2 to the history that the run keeps in a tag; ``validate`` the tag."""

    def merge(draft: Draft) -> None:
        history = json.loads(draft.tags.get(LOGGED_MODELS_TAG, "[]"))
        if model not in history:
            history.append(model)
        value = json.dumps(history)
        validate(LOGGED_MODELS_TAG, value)
        draft.tags[LOGGED_MODELS_TAG] = value

    return Change(Touch(tags=frozenset({LOGGED_MODELS_TAG})), merge)


def _set_stage(stage: str) -> Change:
    def merge(draft: Draft) -> None:
        draft.info["lifecycle_stage"] = stage

    return Change(Touch(), merge)


def _union(touches: Sequence[Touch]) -> Touch:
    return Touch(
        params=frozenset().union(*(touch.params for touch in touches)),
        tags=frozenset().union(*(touch.tags for touch in touches)),
        metrics=frozenset().union(*(touch.metrics for touch in touches)),
        datasets=frozenset().union(*(touch.datasets for touch in touches)),
        model_inputs=frozenset().union(*(touch.model_inputs for touch in touches)),
        model_outputs=frozenset().union(*(touch.model_outputs for touch in touches)),
    )
