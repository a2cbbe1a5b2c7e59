"""Use-cases of the server itself. In AWS the gateway answers these by itself, with the same content."""

from cairn.domain.release import MLFLOW_VERSION as MLFLOW_VERSION
from cairn.protocol.messages import server as messages
from cairn.services.ports import Result, Stores, Text
from cairn.sharing.caller import Caller


def info(*, multipart: bool, artifact_root: str | None = None) -> dict[str, object]:
    """MLflow's ``build_server_info_payload``. ``multipart``: the artifacts are where parts and presigned
    URLs work, so clients move large files past this server. ``artifact_root``, Cairn's own addition: the
    ``s3://`` URI of ``mlflow-artifacts:/``, by which the client's plugin knows this server's bucket."""
    root = {} if artifact_root is None else {"cairn_artifact_root": artifact_root}
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": multipart,
        "multipart_downloads_enabled": multipart,
        "presigned_upload_run_id_supported": True,
        "presigned_upload_model_id_supported": True,
        "features_enabled": {"gateway": False},
        **root,
    }


def health(stores: Stores, caller: Caller, request: messages.Health) -> Result:
    return Text("OK")


def version(stores: Stores, caller: Caller, request: messages.Version) -> Result:
    return Text(MLFLOW_VERSION)


def server_info(stores: Stores, caller: Caller, request: messages.ServerInfo) -> Result:
    return info(multipart=stores.multipart, artifact_root=stores.artifact_root)
