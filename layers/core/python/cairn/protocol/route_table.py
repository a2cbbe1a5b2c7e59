"""The route table: everything that Cairn serves, as MLflow 3.17 serves it.

Paths and methods are those of MLflow's service definitions (service.proto, mlflow_artifacts.proto) and of
its Flask app (server/__init__.py). Three of them MLflow has under ``/ajax-api/`` alone: get-history-bulk,
search-datasets (its proto has an ``/api`` path without the slash, which nobody can call), and the files of
logged models.
"""

from cairn.protocol.access_routes import ACCESS
from cairn.protocol.messages import (
    artifacts,
    experiments,
    metrics,
    models,
    registry,
    runs,
    server,
)
from cairn.protocol.routes import Function, Route, Router
from cairn.protocol.share_routes import SHARES
from cairn.protocol.token_routes import TOKENS
from cairn.protocol.ui_routes import UI_ROUTES
from cairn.protocol.webhook_routes import WEBHOOKS

_V2 = "/api/2.0/mlflow"
_V3 = "/api/3.0/mlflow"
_PROXY = "/api/2.0/mlflow-artifacts"

_ARTIFACTS: Function = "artifacts"
_GATEWAY: Function = "gateway"

_EXPERIMENTS = (
    Route(
        "POST",
        f"{_V2}/experiments/create",
        experiments.CreateExperiment,
        "experiments.create_experiment",
        "experiments:create",
    ),
    Route(
        "POST",
        f"{_V2}/experiments/search",
        experiments.SearchExperiments,
        "search.search_experiments",
        "experiments:read",
    ),
    Route(
        "GET",
        f"{_V2}/experiments/search",
        experiments.SearchExperiments,
        "search.search_experiments",
        "experiments:read",
    ),
    Route(
        "GET",
        f"{_V2}/experiments/get",
        experiments.GetExperiment,
        "experiments.get_experiment",
        "experiments:read",
    ),
    Route(
        "GET",
        f"{_V2}/experiments/get-by-name",
        experiments.GetExperimentByName,
        "experiments.get_experiment_by_name",
        "experiments:read",
    ),
    Route(
        "POST",
        f"{_V2}/experiments/update",
        experiments.UpdateExperiment,
        "experiments.update_experiment",
        "experiments:update",
    ),
    Route(
        "POST",
        f"{_V2}/experiments/delete",
        experiments.DeleteExperiment,
        "experiments.delete_experiment",
        "experiments:delete",
    ),
    Route(
        "POST",
        f"{_V2}/experiments/restore",
        experiments.RestoreExperiment,
        "experiments.restore_experiment",
        "experiments:delete",
    ),
    Route(
        "POST",
        f"{_V2}/experiments/set-experiment-tag",
        experiments.SetExperimentTag,
        "experiments.set_experiment_tag",
        "experiments:update",
    ),
    Route(
        "POST",
        f"{_V2}/experiments/delete-experiment-tag",
        experiments.DeleteExperimentTag,
        "experiments.delete_experiment_tag",
        "experiments:update",
    ),
    Route(
        "POST",
        f"{_V2}/experiments/search-datasets",
        experiments.SearchDatasets,
        "search.search_datasets",
        "runs:read",
    ),
)

_RUNS = (
    Route("POST", f"{_V2}/runs/create", runs.CreateRun, "runs.create_run", "runs:create"),
    Route("GET", f"{_V2}/runs/get", runs.GetRun, "runs.get_run", "runs:read"),
    Route("POST", f"{_V2}/runs/search", runs.SearchRuns, "search.search_runs", "runs:read"),
    Route("POST", f"{_V2}/runs/update", runs.UpdateRun, "runs.update_run", "runs:update"),
    Route("POST", f"{_V2}/runs/delete", runs.DeleteRun, "runs.delete_run", "runs:delete"),
    Route("POST", f"{_V2}/runs/restore", runs.RestoreRun, "runs.restore_run", "runs:delete"),
    Route("POST", f"{_V2}/runs/log-metric", runs.LogMetric, "runs.log_metric", "runs:log"),
    Route("POST", f"{_V2}/runs/log-parameter", runs.LogParam, "runs.log_param", "runs:log"),
    Route("POST", f"{_V2}/runs/log-batch", runs.LogBatch, "runs.log_batch", "runs:log"),
    Route("POST", f"{_V2}/runs/log-model", runs.LogModel, "runs.log_model", "runs:log"),
    Route("POST", f"{_V2}/runs/log-inputs", runs.LogInputs, "runs.log_inputs", "runs:log"),
    Route("POST", f"{_V2}/runs/outputs", runs.LogOutputs, "runs.log_outputs", "runs:log"),
    Route("POST", f"{_V2}/runs/set-tag", runs.SetTag, "runs.set_tag", "runs:log"),
    Route("POST", f"{_V2}/runs/delete-tag", runs.DeleteTag, "runs.delete_tag", "runs:log"),
)

_METRICS = (
    Route(
        "GET",
        f"{_V2}/metrics/get-history",
        metrics.GetMetricHistory,
        "metrics.get_metric_history",
        "runs:read",
    ),
    Route(
        "GET",
        f"{_V2}/metrics/get-history-bulk",
        metrics.GetMetricHistoryBulk,
        "metrics.get_metric_history_bulk",
        "runs:read",
    ),
    Route(
        "GET",
        f"{_V2}/metrics/get-history-bulk-interval",
        metrics.GetMetricHistoryBulkInterval,
        "metrics.get_metric_history_bulk_interval",
        "runs:read",
    ),
)

_MODEL = f"{_V2}/logged-models/{{model_id}}"

_MODELS = (
    Route(
        "POST",
        f"{_V2}/logged-models",
        models.CreateLoggedModel,
        "models.create_logged_model",
        "models:create",
    ),
    Route(
        "POST",
        f"{_V2}/logged-models/search",
        models.SearchLoggedModels,
        "search.search_logged_models",
        "models:read",
    ),
    Route("GET", _MODEL, models.GetLoggedModel, "models.get_logged_model", "models:read"),
    Route("PATCH", _MODEL, models.FinalizeLoggedModel, "models.finalize_logged_model", "models:log"),
    Route("DELETE", _MODEL, models.DeleteLoggedModel, "models.delete_logged_model", "models:delete"),
    Route(
        "POST",
        f"{_MODEL}/params",
        models.LogLoggedModelParams,
        "models.log_logged_model_params",
        "models:log",
    ),
    Route(
        "PATCH",
        f"{_MODEL}/tags",
        models.SetLoggedModelTags,
        "models.set_logged_model_tags",
        "models:log",
    ),
    Route(
        "DELETE",
        f"{_MODEL}/tags/{{tag_key}}",
        models.DeleteLoggedModelTag,
        "models.delete_logged_model_tag",
        "models:log",
    ),
    Route(
        "GET",
        f"{_MODEL}/artifacts/directories",
        models.ListLoggedModelArtifacts,
        "artifacts.list_logged_model_artifacts",
        "artifacts:read",
        _ARTIFACTS,
    ),
    Route(
        "GET",
        f"{_MODEL}/artifacts/files",
        None,
        "artifacts.get_logged_model_artifact",
        "artifacts:read",
        _ARTIFACTS,
    ),
)

_ARTIFACT_ROUTES = (
    Route(
        "GET",
        f"{_V2}/artifacts/list",
        artifacts.ListArtifacts,
        "artifacts.list_artifacts",
        "artifacts:read",
        _ARTIFACTS,
    ),
    Route(
        "POST",
        f"{_V2}/artifacts/presigned-upload-url",
        artifacts.CreatePresignedUploadUrl,
        "artifacts.create_presigned_upload_url",
        "artifacts:write",
        _ARTIFACTS,
    ),
    Route(
        "POST",
        f"{_V2}/artifacts/presigned-download-url",
        artifacts.CreatePresignedDownloadUrl,
        "artifacts.create_presigned_download_url",
        "artifacts:read",
        _ARTIFACTS,
    ),
    Route("GET", "/get-artifact", None, "artifacts.get_artifact", "artifacts:read", _ARTIFACTS),
    Route(
        "GET",
        f"{_PROXY}/artifacts",
        artifacts.ListProxiedArtifacts,
        "artifacts.list_proxied_artifacts",
        "artifacts:read",
        _ARTIFACTS,
    ),
    Route(
        "GET",
        f"{_PROXY}/artifacts/{{artifact_path+}}",
        None,
        "artifacts.download_artifact",
        "artifacts:read",
        _ARTIFACTS,
    ),
    Route(
        "PUT",
        f"{_PROXY}/artifacts/{{artifact_path+}}",
        None,
        "artifacts.upload_artifact",
        "artifacts:write",
        _ARTIFACTS,
    ),
    Route(
        "DELETE",
        f"{_PROXY}/artifacts/{{artifact_path+}}",
        artifacts.DeleteProxiedArtifact,
        "artifacts.delete_artifact",
        "artifacts:delete",
        _ARTIFACTS,
    ),
    Route(
        "POST",
        f"{_PROXY}/mpu/create/{{artifact_path+}}",
        artifacts.CreateMultipartUpload,
        "artifacts.create_multipart_upload",
        "artifacts:write",
        _ARTIFACTS,
    ),
    Route(
        "POST",
        f"{_PROXY}/mpu/complete/{{artifact_path+}}",
        artifacts.CompleteMultipartUpload,
        "artifacts.complete_multipart_upload",
        "artifacts:write",
        _ARTIFACTS,
    ),
    Route(
        "POST",
        f"{_PROXY}/mpu/abort/{{artifact_path+}}",
        artifacts.AbortMultipartUpload,
        "artifacts.abort_multipart_upload",
        "artifacts:write",
        _ARTIFACTS,
    ),
    Route(
        "GET",
        f"{_PROXY}/presigned/{{artifact_path+}}",
        artifacts.GetPresignedDownloadUrl,
        "artifacts.get_presigned_download_url",
        "artifacts:read",
        _ARTIFACTS,
    ),
)

_REGISTRY = (
    Route(
        "POST",
        f"{_V2}/registered-models/create",
        registry.CreateRegisteredModel,
        "registered_models.create_registered_model",
        "registry:create",
    ),
    Route(
        "GET",
        f"{_V2}/registered-models/get",
        registry.GetRegisteredModel,
        "registered_models.get_registered_model",
        "registry:read",
    ),
    Route(
        "POST",
        f"{_V2}/registered-models/rename",
        registry.RenameRegisteredModel,
        "registered_models.rename_registered_model",
        "registry:update",
    ),
    Route(
        "PATCH",
        f"{_V2}/registered-models/update",
        registry.UpdateRegisteredModel,
        "registered_models.update_registered_model",
        "registry:update",
    ),
    Route(
        "DELETE",
        f"{_V2}/registered-models/delete",
        registry.DeleteRegisteredModel,
        "registered_models.delete_registered_model",
        "registry:delete",
    ),
    Route(
        "GET",
        f"{_V2}/registered-models/search",
        registry.SearchRegisteredModels,
        "search_registry.search_registered_models",
        "registry:read",
    ),
    Route(
        "POST",
        f"{_V2}/registered-models/get-latest-versions",
        registry.GetLatestVersions,
        "registered_models.get_latest_versions",
        "registry:read",
    ),
    Route(
        "GET",
        f"{_V2}/registered-models/get-latest-versions",
        registry.GetLatestVersions,
        "registered_models.get_latest_versions",
        "registry:read",
    ),
    Route(
        "POST",
        f"{_V2}/registered-models/set-tag",
        registry.SetRegisteredModelTag,
        "registered_models.set_registered_model_tag",
        "registry:update",
    ),
    Route(
        "DELETE",
        f"{_V2}/registered-models/delete-tag",
        registry.DeleteRegisteredModelTag,
        "registered_models.delete_registered_model_tag",
        "registry:update",
    ),
    Route(
        "POST",
        f"{_V2}/registered-models/alias",
        registry.SetRegisteredModelAlias,
        "registered_models.set_registered_model_alias",
        "registry:update",
    ),
    Route(
        "DELETE",
        f"{_V2}/registered-models/alias",
        registry.DeleteRegisteredModelAlias,
        "registered_models.delete_registered_model_alias",
        "registry:update",
    ),
    Route(
        "GET",
        f"{_V2}/registered-models/alias",
        registry.GetModelVersionByAlias,
        "registered_models.get_model_version_by_alias",
        "registry:read",
    ),
    Route(
        "POST",
        f"{_V2}/model-versions/create",
        registry.CreateModelVersion,
        "model_versions.create_model_version",
        "registry:update",
    ),
    Route(
        "GET",
        f"{_V2}/model-versions/get",
        registry.GetModelVersion,
        "model_versions.get_model_version",
        "registry:read",
    ),
    Route(
        "PATCH",
        f"{_V2}/model-versions/update",
        registry.UpdateModelVersion,
        "model_versions.update_model_version",
        "registry:update",
    ),
    Route(
        "POST",
        f"{_V2}/model-versions/transition-stage",
        registry.TransitionModelVersionStage,
        "model_versions.transition_model_version_stage",
        "registry:update",
    ),
    Route(
        "DELETE",
        f"{_V2}/model-versions/delete",
        registry.DeleteModelVersion,
        "model_versions.delete_model_version",
        "registry:delete",
    ),
    Route(
        "GET",
        f"{_V2}/model-versions/search",
        registry.SearchModelVersions,
        "search_registry.search_model_versions",
        "registry:read",
    ),
    Route(
        "GET",
        f"{_V2}/model-versions/get-download-uri",
        registry.GetModelVersionDownloadUri,
        "model_versions.get_model_version_download_uri",
        "registry:read",
    ),
    Route(
        "POST",
        f"{_V2}/model-versions/set-tag",
        registry.SetModelVersionTag,
        "model_versions.set_model_version_tag",
        "registry:update",
    ),
    Route(
        "DELETE",
        f"{_V2}/model-versions/delete-tag",
        registry.DeleteModelVersionTag,
        "model_versions.delete_model_version_tag",
        "registry:update",
    ),
    Route(
        "GET",
        "/model-versions/get-artifact",
        None,
        "model_versions.get_model_version_artifact",
        "registry:read",
        _ARTIFACTS,
    ),
)

_SERVER = (
    Route("GET", "/health", server.Health, "server.health", "server:read", _GATEWAY),
    Route("GET", "/version", server.Version, "server.version", "server:read", _GATEWAY),
    Route(
        "GET",
        f"{_V3}/server-info",
        server.ServerInfo,
        "server.server_info",
        "server:read",
        _GATEWAY,
    ),
)

ROUTES: tuple[Route, ...] = (
    *_EXPERIMENTS,
    *_RUNS,
    *_METRICS,
    *_MODELS,
    *_ARTIFACT_ROUTES,
    *_REGISTRY,
    *WEBHOOKS,
    *ACCESS,
    *SHARES,
    *TOKENS,
    *UI_ROUTES,
    *_SERVER,
)

ROUTER = Router(ROUTES)
