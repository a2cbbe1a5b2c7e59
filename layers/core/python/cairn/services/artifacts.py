"""Use-cases of artifacts: files of runs and logged models, and files below the root of proxied artifacts.

A path is made safe first, then joined to its root; the store refuses what is not its own. MLflow answers a
bad path before it looks for the run, and so do we. Files by path, without a run or a model, are a matter of
``proxied`` for who may not see everything.
"""

from collections.abc import Sequence

from cairn.domain.artifacts import FileInfo, Part, Signed
from cairn.domain.paths import PROXIED_SCHEMES, file_path, join, local_name, safe_path, scheme_of
from cairn.errors import BadRequest, InvalidParameterValue, PayloadTooLarge, ResourceDoesNotExist
from cairn.protocol.messages import artifacts as messages
from cairn.protocol.messages.models import ListLoggedModelArtifacts
from cairn.services.ports import Download, RawCall, Redirect, Result, Stores
from cairn.services.proxied import Files, missing, readable, writable
from cairn.sharing.caller import Caller

_MAX_SECONDS = 604_800  # that may be asked for: seven days (S3's limit, and MLflow's check)
_LONGEST = 900  # that a presigned URL lives: who had it may lose the permission meanwhile
_UPLOAD_SECONDS = 900
_DOWNLOAD_SECONDS = 300
_MAX_UI_UPLOAD = 10 * 2**20  # bytes; MLflow's limit of upload-artifact
_SEE_DOCS = "See the API docs for more information about request parameters."


def list_artifacts(stores: Stores, caller: Caller, request: messages.ListArtifacts) -> Result:
    """One level below a path of a run; paths in the answer are relative to the run's root."""
    path = safe_path(request.path or "")
    return _listing(stores, stores.runs.get(request.run_id).info.artifact_uri, path)


def list_logged_model_artifacts(
    stores: Stores, caller: Caller, request: ListLoggedModelArtifacts
) -> Result:
    """One level below a path of a logged model; paths in the answer are relative to the model's root."""
    path = safe_path(request.artifact_directory_path or "")
    return _listing(stores, stores.models.get(request.model_id).artifact_uri, path)


def list_proxied_artifacts(
    stores: Stores, caller: Caller, request: messages.ListProxiedArtifacts
) -> Result:
    """One level below a path of the proxied root; the answer holds bare names."""
    found = readable(stores, safe_path(request.path or ""))
    return {} if found is None else _files(found.entries(stores), "")


def get_artifact(stores: Stores, caller: Caller, call: RawCall) -> Result:
    """A file of a run, by query: ``run_id`` or ``run_uuid``, and ``path``."""
    run_id = _argument(call, "run_id") or _argument(call, "run_uuid")
    path = safe_path(required_argument(call, "path"))
    return download(stores, stores.runs.get(run_id or "None").info.artifact_uri, path)


def get_logged_model_artifact(stores: Stores, caller: Caller, call: RawCall) -> Result:
    """A file of a logged model, by query: ``artifact_file_path``."""
    asked = _argument(call, "artifact_file_path")
    if not asked:
        raise BadRequest('Request must include the "artifact_file_path" query parameter.')
    path = safe_path(asked)
    return download(stores, stores.models.get(call.params["model_id"]).artifact_uri, path)


def download_artifact(stores: Stores, caller: Caller, call: RawCall) -> Result:
    path = safe_path(call.params["artifact_path"])
    found = readable(stores, path)
    if found is None:
        raise missing(path)
    return download_of(stores, found)


def upload_artifact(stores: Stores, caller: Caller, call: RawCall) -> Result:
    """The request's body becomes the file. Raises PayloadTooLarge where a request cannot carry it."""
    uri = writable(stores, file_path(call.params["artifact_path"]))
    limit = stores.carriage.upload
    if limit is not None and (call.length is None or call.length > limit):
        size = "a file of unknown size" if call.length is None else f"a file of {call.length} bytes"
        raise PayloadTooLarge(
            f"This request carries {size}; up to {limit} bytes pass through the tracking API. "
            "Upload larger files by parts, straight to S3: set "
            f"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE={limit} where the client runs. Or use an "
            "experiment whose artifact location is an s3:// URI: the client then writes there with its own "
            "AWS credentials."
        )
    stores.artifacts.save(uri, call.body, call.length)
    return {}


def upload_run_artifact(stores: Stores, caller: Caller, call: RawCall) -> Result:
    """A small file of a run, as the UI sends it: by query ``run_uuid`` and ``path``. MLflow's
    ``upload_artifact_handler``, with its checks in its order."""
    run_id, asked = _argument(call, "run_uuid"), _argument(call, "path")
    if not run_id:
        raise InvalidParameterValue("Request must specify run_uuid.")
    if not asked:
        raise InvalidParameterValue("Request must specify path.")
    path = safe_path(asked)
    if call.length is None or call.length > _MAX_UI_UPLOAD:
        raise InvalidParameterValue("Artifact size is too large. Max size is 10MB.")
    if not call.length:
        raise InvalidParameterValue("Request must specify data.")
    root = stores.runs.get(run_id, to_change=True).info.artifact_uri
    stores.artifacts.save(join(root, file_path(path)), call.body, call.length)
    return {}


def delete_artifact(stores: Stores, caller: Caller, request: messages.DeleteProxiedArtifact) -> Result:
    """A file, or a folder with all that it holds; what is missing is deleted already."""
    path = safe_path(request.artifact_path)
    try:
        uri = writable(stores, path)
    except ResourceDoesNotExist:
        return {}
    stores.artifacts.delete(uri)
    return {}


def create_multipart_upload(
    stores: Stores, caller: Caller, request: messages.CreateMultipartUpload
) -> Result:
    """A URL for each part. Raises InvalidParameterValue for more parts than an answer has room for."""
    uri = writable(stores, _upload_path(request.artifact_path, request.path))
    upload_id, parts = stores.artifacts.begin_upload(uri, request.num_parts)
    room, size = stores.carriage.download, sum(len(part.url) for part in parts)
    if room is not None and size > room:
        stores.artifacts.abort_upload(uri, upload_id)
        raise InvalidParameterValue(
            f"The URLs of {len(parts)} parts are {size} bytes, and an answer holds {room}. Upload fewer, "
            "larger parts: raise MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE where the client runs."
        )
    return {
        "upload_id": upload_id,
        "credentials": [
            {"url": part.url, "part_number": number, **_headers(part)}
            for number, part in enumerate(parts, start=1)
        ],
    }


def complete_multipart_upload(
    stores: Stores, caller: Caller, request: messages.CompleteMultipartUpload
) -> Result:
    """S3 knows an upload by its id and its key together: an id of another path is one that nobody knows."""
    parts = [Part(part.part_number, part.etag) for part in request.parts]
    uri = writable(stores, _upload_path(request.artifact_path, request.path))
    stores.artifacts.complete_upload(uri, request.upload_id, parts)
    return {}


def abort_multipart_upload(
    stores: Stores, caller: Caller, request: messages.AbortMultipartUpload
) -> Result:
    uri = writable(stores, _upload_path(request.artifact_path, request.path))
    stores.artifacts.abort_upload(uri, request.upload_id)
    return {}


def get_presigned_download_url(
    stores: Stores, caller: Caller, request: messages.GetPresignedDownloadUrl
) -> Result:
    """What the client downloads by ranges, where ``server-info`` announces it. It needs ``file_size``, of
    an empty file too."""
    path = safe_path(request.artifact_path)
    found = readable(stores, path)
    if found is None:
        raise missing(path)
    with found.told():
        uri = join(found.root, found.path)
        signed = stores.artifacts.sign_download(uri, _DOWNLOAD_SECONDS, found.version())
    return {"url": signed.url, "headers": dict(signed.headers), "file_size": signed.file_size}


def create_presigned_upload_url(
    stores: Stores, caller: Caller, request: messages.CreatePresignedUploadUrl
) -> Result:
    """For a file of a run or of a logged model whose location is in S3. MLflow signs URLs that are dead
    on arrival; here an expiration out of range is refused, as for downloads."""
    if bool(request.run_id) == bool(request.model_id):
        raise InvalidParameterValue("Exactly one of run_id and model_id must be provided.")
    path = file_path(request.path)
    seconds = _expiration(request.expiration, _UPLOAD_SECONDS)
    if request.run_id:
        root = stores.runs.get(request.run_id, to_change=True).info.artifact_uri
    else:
        root = stores.models.get(request.model_id, to_change=True).artifact_uri
    scheme = scheme_of(root)
    if scheme in PROXIED_SCHEMES:
        raise InvalidParameterValue(
            f"Presigned upload is not supported for proxied artifact storage (artifact URI scheme: "
            f"{scheme}). This endpoint requires a direct cloud storage artifact URI."
        )
    signed = stores.artifacts.sign_upload(join(root, path), seconds)
    return {"presigned_url": signed.url, **_headers(signed)}


def create_presigned_download_url(
    stores: Stores, caller: Caller, request: messages.CreatePresignedDownloadUrl
) -> Result:
    """For a file of a run whose location is in S3."""
    path = safe_path(request.path)
    seconds = _expiration(request.expiration, _DOWNLOAD_SECONDS)
    root = stores.runs.get(request.run_id).info.artifact_uri
    scheme = scheme_of(root)
    if scheme in PROXIED_SCHEMES:
        raise InvalidParameterValue(
            "Presigned download is not supported for runs with proxied artifact storage (artifact URI "
            f"scheme: {scheme}). This endpoint requires a run with a direct cloud storage artifact URI."
        )
    signed = stores.artifacts.sign_download(join(root, path), seconds)
    return {"presigned_url": signed.url, **_headers(signed), "file_size": signed.file_size}


def _listing(stores: Stores, root: str, path: str) -> Result:
    return {"root_uri": root, **_files(stores.artifacts.list(join(root, path)), path)}


def _files(entries: Sequence[FileInfo], folder: str) -> dict[str, Sequence[object]]:
    """MLflow's ``files``, left out where there are none. A size of 0 is left out too."""
    files = []
    for entry in entries:
        file: dict[str, object] = {
            "path": f"{folder}/{entry.path}" if folder else entry.path,
            "is_dir": entry.is_dir,
        }
        if entry.file_size:
            file["file_size"] = entry.file_size
        files.append(file)
    return {"files": files} if files else {}


def download(stores: Stores, root: str, path: str, version: str | None = None) -> Download | Redirect:
    """The bytes, of a version of the file or the latest; or, where an answer cannot carry them, a URL to
    fetch them from."""
    if not path:
        raise InvalidParameterValue("Artifact path refers to a directory, not a file: ''")
    uri = join(root, path)
    chunks, length = stores.artifacts.open(uri, version)
    limit = stores.carriage.download
    if limit is not None and length > limit:
        chunks.close()
        return Redirect(stores.artifacts.sign_download(uri, _DOWNLOAD_SECONDS, version).url)
    return Download(chunks, length, path.rpartition("/")[2])


def download_of(stores: Stores, files: Files) -> Download | Redirect:
    with files.told():
        return download(stores, files.root, files.path, files.version())


def _upload_path(folder: str, path_on_client: str) -> str:
    """The client names the folder in the path, and sends where the file lies on its own disk."""
    return file_path(f"{safe_path(folder)}/{local_name(path_on_client)}")


def _headers(signed: Signed) -> dict[str, object]:
    """Left out where there are none, as in MLflow's answers."""
    return {"headers": dict(signed.headers)} if signed.headers else {}


def _expiration(seconds: int | None, default: int) -> int:
    expiration = default if seconds is None else seconds
    if not 1 <= expiration <= _MAX_SECONDS:
        raise InvalidParameterValue(
            f"expiration must be between 1 and {_MAX_SECONDS} seconds (got {expiration})."
        )
    return min(expiration, _LONGEST)


def _argument(call: RawCall, name: str) -> str | None:
    """The first value of a query parameter, as Flask's ``args`` gives it."""
    values = call.query.get(name)
    return values[0] if values else None


def required_argument(call: RawCall, name: str) -> str:
    value = _argument(call, name)
    if value is None:
        raise InvalidParameterValue(f"Missing value for required parameter '{name}'. {_SEE_DOCS}")
    return value
