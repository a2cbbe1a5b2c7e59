"""Use-cases of the server itself. In AWS the gateway answers these by itself, with the same content."""

from cairn.protocol.messages import server as messages
from cairn.services.ports import Result, Stores, Text
from cairn.sharing.caller import Caller

MLFLOW_VERSION = "3.17.2"
"""The MLflow whose API this is. Clients send spans by OTLP to a server of 3.4 or later."""


def info(*, multipart: bool) -> dict[str, object]:
    """MLflow's ``build_server_info_payload``. ``multipart``: the artifacts are where parts and presigned
    URLs work, so clients move large files past this server."""
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": multipart,
        "multipart_downloads_enabled": multipart,
        "presigned_upload_run_id_supported": True,
        "presigned_upload_model_id_supported": True,
        "features_enabled": {"gateway": False},
    }


SERVER_INFO = info(multipart=True)
"""What the gateway answers in AWS, where artifacts are in S3."""


def health(stores: Stores, caller: Caller, request: messages.Health) -> Result:
    return Text("OK")


def version(stores: Stores, caller: Caller, request: messages.Version) -> Result:
    return Text(MLFLOW_VERSION)


def server_info(stores: Stores, caller: Caller, request: messages.ServerInfo) -> Result:
    return info(multipart=stores.multipart)
