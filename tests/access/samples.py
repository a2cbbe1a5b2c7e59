"""A request for every route of the API, and the places that it may name: one that is there, and its twin
that never was."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cairn.protocol.actions import ACTIONS
from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import Route
from tests.access.worlds import As

ROUTES_OF_FUNCTIONS = tuple(route for route in ROUTES if route.function == "tracking")


@dataclass(frozen=True)
class Place:
    """What a request names. ``beside`` is a name that nothing has."""

    experiment: str
    name: str
    run: str
    model: str
    registered: str
    beside: str

    def words(self) -> Mapping[str, str]:
        """What its answers may repeat, by what it stands for."""
        return {
            self.run: "RUN",
            self.model: "MODEL",
            self.name: "NAME",
            self.registered: "REGISTERED",
            f"id={self.experiment} ": "id=EXPERIMENT ",
            f"/{self.experiment}/": "/EXPERIMENT/",
            f"'{self.experiment}'": "'EXPERIMENT'",
        }


def twin(place: Place) -> Place:
    """Of the same shape, never there."""
    never = f"{99_999_999:016x}"
    return Place(
        "99999999",
        f"never/{place.name}",
        never + place.run[16:],
        "m-" + never + place.model[18:],
        f"never-{place.registered}",
        place.beside,
    )


def placed(owner: As, number: int, prefix: str = "shared/") -> Place:
    """An experiment with a run, a metric, a file and a logged model; a registered model with a version."""
    experiment = owner.experiment(f"{prefix}{number}")
    run = owner.run(experiment)
    point = {"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1}
    owner.made("runs/log-metric", point)
    owner.made("runs/set-tag", {"run_id": run, "key": "team", "value": "a"})
    owner.made("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "team", "value": "a"})
    model = owner.made("logged-models", {"experiment_id": experiment, "name": "net"})["model"]["info"]
    tags = {"tags": [{"key": "team", "value": "a"}]}
    owner.made(f"logged-models/{model['model_id']}/tags", tags, "PATCH")
    for root in (f"{experiment}/{run}/artifacts", f"{experiment}/models/{model['model_id']}/artifacts"):
        path = f"/api/2.0/mlflow-artifacts/artifacts/{root}/a.txt"
        assert owner.send("PUT", path, content="words").status == 200
    registered = f"{prefix.replace('/', '-')}{number}"
    owner.made("registered-models/create", {"name": registered})
    source = f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    owner.made("model-versions/create", {"name": registered, "source": source, "run_id": run})
    owner.made("registered-models/alias", {"name": registered, "alias": "champion", "version": "1"})
    owner.made("registered-models/set-tag", {"name": registered, "key": "team", "value": "a"})
    of_version = {"name": registered, "version": "1", "key": "team", "value": "a"}
    owner.made("model-versions/set-tag", of_version)
    return Place(
        experiment, f"{prefix}{number}", run, model["model_id"], registered, f"{prefix}new{number}"
    )


def _version(place: Place, **more: Any) -> dict[str, Any]:
    return {"name": place.registered, "version": "1", **more}


def _file(place: Place) -> str:
    return f"{place.experiment}/{place.run}/artifacts/a.txt"


_POINT = {"key": "loss", "value": 0.25, "timestamp": 2}
_TAG = {"key": "team", "value": "b"}
_MLMODEL = json.dumps({"artifact_path": "m", "flavors": {}, "utc_time_created": "t", "run_id": "r"})
_DATASET = {"dataset": {"name": "d", "digest": "1", "source_type": "s", "source": "x"}}
_RUNS_OF = (
    "query($ids: [String]) { mlflowSearchRuns(input: {experimentIds: $ids}) { runs { info { runId } } } }"
)

SAMPLES: Mapping[str, Callable[[Place], dict[str, Any]]] = {
    "experiments.create_experiment": lambda p: {"name": p.beside},
    "search.search_experiments": lambda p: {"max_results": 1_000, "view_type": "ALL"},
    "experiments.get_experiment": lambda p: {"experiment_id": p.experiment},
    "experiments.get_experiment_by_name": lambda p: {"experiment_name": p.name},
    "experiments.update_experiment": lambda p: {"experiment_id": p.experiment, "new_name": p.beside},
    "experiments.delete_experiment": lambda p: {"experiment_id": p.experiment},
    "experiments.restore_experiment": lambda p: {"experiment_id": p.experiment},
    "experiments.set_experiment_tag": lambda p: {"experiment_id": p.experiment, **_TAG},
    "experiments.delete_experiment_tag": lambda p: {"experiment_id": p.experiment, "key": "team"},
    "search.search_datasets": lambda p: {"experiment_ids": [p.experiment]},
    "runs.create_run": lambda p: {"experiment_id": p.experiment},
    "runs.get_run": lambda p: {"run_id": p.run},
    "search.search_runs": lambda p: {"experiment_ids": [p.experiment]},
    "runs.update_run": lambda p: {"run_id": p.run, "status": "FINISHED"},
    "runs.delete_run": lambda p: {"run_id": p.run},
    "runs.restore_run": lambda p: {"run_id": p.run},
    "runs.log_metric": lambda p: {"run_id": p.run, **_POINT},
    "runs.log_param": lambda p: {"run_id": p.run, "key": "lr", "value": "1"},
    "runs.log_batch": lambda p: {"run_id": p.run, "metrics": [{**_POINT, "model_id": p.model}]},
    "runs.log_model": lambda p: {"run_id": p.run, "model_json": _MLMODEL},
    "runs.log_inputs": lambda p: {"run_id": p.run, "datasets": [_DATASET]},
    "runs.log_outputs": lambda p: {"run_id": p.run, "models": [{"model_id": p.model}]},
    "runs.set_tag": lambda p: {"run_id": p.run, **_TAG},
    "runs.delete_tag": lambda p: {"run_id": p.run, "key": "team"},
    "metrics.get_metric_history": lambda p: {"run_id": p.run, "metric_key": "loss"},
    "metrics.get_metric_history_bulk": lambda p: {"run_id": [p.run], "metric_key": "loss"},
    "metrics.get_metric_history_bulk_interval": lambda p: {"run_ids": [p.run], "metric_key": "loss"},
    "models.create_logged_model": lambda p: {"experiment_id": p.experiment},
    "search.search_logged_models": lambda p: {"experiment_ids": [p.experiment]},
    "models.get_logged_model": lambda p: {},
    "models.finalize_logged_model": lambda p: {"status": "LOGGED_MODEL_READY"},
    "models.delete_logged_model": lambda p: {},
    "models.log_logged_model_params": lambda p: {"params": [{"key": "lr", "value": "1"}]},
    "models.set_logged_model_tags": lambda p: {"tags": [_TAG]},
    "models.delete_logged_model_tag": lambda p: {},
    "artifacts.list_logged_model_artifacts": lambda p: {},
    "artifacts.get_logged_model_artifact": lambda p: {"artifact_file_path": "a.txt"},
    "artifacts.list_artifacts": lambda p: {"run_id": p.run},
    "artifacts.create_presigned_upload_url": lambda p: {"run_id": p.run, "path": "a.txt"},
    "artifacts.create_presigned_download_url": lambda p: {"run_id": p.run, "path": "a.txt"},
    "artifacts.get_artifact": lambda p: {"run_id": p.run, "path": "a.txt"},
    "artifacts.list_proxied_artifacts": lambda p: {"path": f"{p.experiment}/{p.run}/artifacts"},
    "artifacts.download_artifact": lambda p: {},
    "artifacts.upload_artifact": lambda p: {},
    "artifacts.upload_run_artifact": lambda p: {"run_uuid": p.run, "path": "b.txt"},
    "artifacts.delete_artifact": lambda p: {},
    "artifacts.create_multipart_upload": lambda p: {"path": "/tmp/a.txt", "num_parts": 1},
    "artifacts.complete_multipart_upload": lambda p: {"path": "/tmp/a.txt", "upload_id": "u", "parts": []},
    "artifacts.abort_multipart_upload": lambda p: {"path": "/tmp/a.txt", "upload_id": "u"},
    "artifacts.get_presigned_download_url": lambda p: {},
    "registered_models.create_registered_model": lambda p: {"name": p.beside.replace("/", "-")},
    "registered_models.get_registered_model": lambda p: {"name": p.registered},
    "registered_models.rename_registered_model": lambda p: {
        "name": p.registered,
        "new_name": p.beside.replace("/", "-"),
    },
    "registered_models.update_registered_model": lambda p: {"name": p.registered, "description": "d"},
    "registered_models.delete_registered_model": lambda p: {"name": p.registered},
    "search_registry.search_registered_models": lambda p: {},
    "registered_models.get_latest_versions": lambda p: {"name": p.registered},
    "registered_models.set_registered_model_tag": lambda p: {"name": p.registered, **_TAG},
    "registered_models.delete_registered_model_tag": lambda p: {"name": p.registered, "key": "team"},
    "registered_models.set_registered_model_alias": lambda p: _version(p, alias="champion"),
    "registered_models.delete_registered_model_alias": lambda p: {
        "name": p.registered,
        "alias": "champion",
    },
    "registered_models.get_model_version_by_alias": lambda p: {"name": p.registered, "alias": "champion"},
    "model_versions.create_model_version": lambda p: {"name": p.registered, "source": "s3://elsewhere/m"},
    "model_versions.get_model_version": _version,
    "model_versions.update_model_version": lambda p: _version(p, description="d"),
    "model_versions.transition_model_version_stage": lambda p: _version(p, stage="Staging"),
    "model_versions.delete_model_version": _version,
    "search_registry.search_model_versions": lambda p: {},
    "model_versions.get_model_version_download_uri": _version,
    "model_versions.set_model_version_tag": lambda p: _version(p, **_TAG),
    "model_versions.delete_model_version_tag": lambda p: _version(p, key="team"),
    "model_versions.get_model_version_artifact": lambda p: _version(p, path="a.txt"),
    "graphql.execute": lambda p: {"query": _RUNS_OF, "variables": {"ids": [p.experiment]}},
    "ui.user_queue": lambda p: {"experiment_id": p.experiment, "user": "ada"},
}

NOT_IN_A_FOLDER = {
    "artifacts.create_presigned_upload_url",
    "artifacts.create_presigned_download_url",
    "artifacts.create_multipart_upload",
    "artifacts.complete_multipart_upload",
    "artifacts.abort_multipart_upload",
    "artifacts.get_presigned_download_url",
}
"""Who may is told that a folder has neither parts nor presigned URLs."""


def sample(route: Route, place: Place) -> tuple[str, str, dict[str, Any]]:
    """Method, path and the rest of a request. KeyError for a route that has no sample."""
    if ACTIONS[route.action].resource in ("server", "deployment"):
        values: dict[str, Any] = {}
    else:
        values = SAMPLES[route.use_case](place)
    path = route.path.format_map(_Params(place))
    if route.use_case.endswith((".upload_artifact", ".upload_run_artifact")):
        return route.method, path, {"content": "words", "query": values}
    if route.method == "GET":
        return route.method, path, {"query": {name: _text(value) for name, value in values.items()}}
    return route.method, path, {"content": json.dumps(values)}


class _Params(dict[str, str]):
    def __init__(self, place: Place) -> None:
        super().__init__(model_id=place.model, tag_key="team")
        self["artifact_path+"] = _file(place)

    def __missing__(self, name: str) -> str:
        return f"any-{name}"


def _text(value: Any) -> str | list[str]:
    return value if isinstance(value, list) else str(value)
