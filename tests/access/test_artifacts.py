"""Files by path: what lies under an experiment that may not be seen is where nothing is; what may be read
is not written; and nobody's path leads out of an experiment."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from cairn.artifacts.faults import fault
from cairn.artifacts.folder import FolderArtifacts
from cairn.artifacts.s3 import S3Artifacts
from cairn.domain.access import KINDS, Permission
from cairn.domain.artifacts import Part, Signed
from cairn.domain.locations import version_artifacts, version_of
from cairn.domain.paths import safe_path
from cairn.services.ports import ArtifactStore
from tests.access.worlds import GUEST, As, Reply, World, prefixed

NONE, READ, WRITE, MANAGE = Permission
FILES = "/api/2.0/mlflow-artifacts/artifacts"
PARTS = "/api/2.0/mlflow-artifacts/mpu"
SIGNED = "/api/2.0/mlflow-artifacts/presigned"
NEVER = "99999999"
NOTHING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def with_a_file(owner: As, name: str, **more: Any) -> tuple[str, str]:
    """An experiment, and the path of a file of a run of it."""
    made = owner.made("experiments/create", {"name": name, **more})["experiment_id"]
    run = owner.run(made)
    path = f"{run}/artifacts/a.txt"
    answer = owner.send("POST", "/api/2.0/mlflow/upload-artifact", content="words", query=of_run(run))
    assert answer.status == 200, answer.content
    return made, path


def masked(reply: Reply, experiment: str) -> tuple[int, str]:
    return reply.status, re.sub(rf"(?<=['=]){experiment}(?=['/ ])", "N", reply.content.decode())


def of_run(run: str) -> dict[str, str | list[str]]:
    return {"run_uuid": run, "path": "a.txt"}


REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "list": ("GET", FILES, {"query": {"path": "{}"}}),
    "list the folder": ("GET", FILES, {"query": {"path": "{}/.."}}),
    "download": ("GET", FILES + "/{}", {}),
    "upload": ("PUT", FILES + "/{}", {"content": "words"}),
    "delete": ("DELETE", FILES + "/{}", {}),
    "begin": ("POST", PARTS + "/create/{}", {"content": '{"path": "/tmp/b", "num_parts": 1}'}),
    "complete": (
        "POST",
        PARTS + "/complete/{}",
        {"content": '{"path": "b", "upload_id": "u", "parts": []}'},
    ),
    "abort": ("POST", PARTS + "/abort/{}", {"content": '{"path": "b", "upload_id": "u"}'}),
    "sign": ("GET", SIGNED + "/{}", {}),
}
"""Of every route that takes a path."""


def asked(asking: As, what: str, path: str) -> tuple[Reply, list[Any]]:
    method, route, rest = REQUESTS[what]
    rest = dict(rest)
    if "query" in rest:
        rest["query"] = {"path": rest["query"]["path"].format(path)}
    reply, requests = asking.measured(method, route.format(path), **rest)
    return reply, [(one.operation, one.read_units) for one in requests.costs]


@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize("below", ["", "/", "/{file}", "/never", "/{file}/below"])
def test_what_is_not_seen_is_where_nothing_is(world: World, what: str, below: str) -> None:
    """To the byte, and by the same requests."""
    owner, guest = world.of(), world.of(GUEST)
    hidden, path = with_a_file(owner, "hidden")
    world.grant(GUEST, MANAGE, prefixed("experiments", "shared/"), prefixed("models", ""))
    below = below.format(file=path)
    guest.get("experiments/get", experiment_id="0")  # the grants are read
    reply, requests = asked(guest, what, hidden + below)
    other, others = asked(guest, what, NEVER + below)
    assert masked(reply, hidden) == masked(other, NEVER)
    assert requests == others
    assert world.of().send("GET", f"{FILES}/{hidden}/{path}").content == b"words"


def test_each_permission_allows_its_own(world: World) -> None:
    owner, guest = world.of(), world.of(GUEST)
    shared, path = with_a_file(owner, "shared/a")
    allowed = {READ: {"list", "download"}, WRITE: {"upload"}, MANAGE: {"delete"}}
    of_parts = {"begin", "complete", "abort"}
    for held in (READ, WRITE, MANAGE):
        world.take_all(GUEST)
        world.grant(GUEST, held, prefixed("experiments", "shared/"))
        for needed, these in allowed.items():
            for what in these:
                reply = asked(guest, what, f"{shared}/{path}")[0]
                if held >= needed:
                    assert reply.status == 200, (held, what, reply.content)
                else:
                    assert reply.code == "PERMISSION_DENIED"
                    assert f"needs {needed.name}" in reply.json["message"]
                    assert "'shared/a'" in reply.json["message"]
        for what in of_parts:
            code = asked(guest, what, shared)[0].code
            assert code == ("NOT_IMPLEMENTED" if held >= WRITE else "PERMISSION_DENIED")


def test_writing_a_runs_or_a_models_file_takes_write(world: World) -> None:
    """By the routes that name it, not its path."""
    owner, guest = world.of(), world.of(GUEST)
    shared, path = with_a_file(owner, "shared/a")
    run = path.partition("/")[0]
    model = owner.made("logged-models", {"experiment_id": shared})["model"]["info"]["model_id"]
    for held, code in ((READ, "PERMISSION_DENIED"), (WRITE, "")):
        world.take_all(GUEST)
        world.grant(GUEST, held, prefixed("experiments", "shared/"))
        put = guest.send("POST", "/api/2.0/mlflow/upload-artifact", content="new", query=of_run(run))
        assert put.code == code
        for of in ({"run_id": run}, {"model_id": model}):
            signed = guest.post("artifacts/presigned-upload-url", {**of, "path": "a.txt"})
            assert signed.code == (code or "INVALID_PARAMETER_VALUE"), signed.content  # of a folder
    assert owner.send("GET", f"{FILES}/{shared}/{path}").content == b"new"


def test_the_root_and_what_is_no_experiments_lie_empty(world: World) -> None:
    owner, guest = world.of(), world.of(GUEST)
    with_a_file(owner, "shared/a")
    assert owner.send("PUT", f"{FILES}/notes/a.txt", content="words").status == 200
    world.grant(GUEST, MANAGE, prefixed("experiments", ""))
    assert {file["path"] for file in owner.send("GET", FILES).json["files"]} == {"1", "notes"}
    assert guest.send("GET", FILES).content == b"{}"
    assert guest.send("GET", FILES, query={"path": "notes"}).content == b"{}"
    assert guest.send("GET", f"{FILES}/notes/a.txt").code == "RESOURCE_DOES_NOT_EXIST"
    assert guest.send("PUT", f"{FILES}/notes/b.txt", content="x").code == "RESOURCE_DOES_NOT_EXIST"
    assert guest.send("DELETE", f"{FILES}/notes").status == 200
    assert owner.send("GET", f"{FILES}/notes/a.txt").content == b"words"


def test_an_experiment_with_a_location_of_its_own_opens_no_other_path(world: World) -> None:
    owner, guest = world.of(), world.of(GUEST)
    hidden, path = with_a_file(owner, "hidden")
    apart, file = with_a_file(owner, "shared/apart", artifact_location=f"mlflow-artifacts:/{hidden}")
    world.grant(GUEST, MANAGE, prefixed("experiments", "shared/"))
    run = file.partition("/")[0]
    assert guest.send("GET", "/get-artifact", query={"run_id": run, "path": "a.txt"}).content == b"words"
    for one in (f"{hidden}/{file}", f"{hidden}/{path}", f"{apart}/{file}"):
        assert guest.send("GET", f"{FILES}/{one}").code == "RESOURCE_DOES_NOT_EXIST"
        assert guest.send("PUT", f"{FILES}/{one}", content="x").code == "RESOURCE_DOES_NOT_EXIST"
        assert guest.send("DELETE", f"{FILES}/{one}").content == b"{}"
    assert owner.send("GET", f"{FILES}/{hidden}/{path}").content == b"words"


def test_who_sees_everything_goes_by_path_as_before(world: World) -> None:
    """Without a request to the table; but to change takes the action's permission on everything, or on the
    experiment."""
    owner, guest = world.of(), world.of(GUEST)
    hidden, path = with_a_file(owner, "hidden")
    world.grant(GUEST, READ, *(prefixed(kind, "") for kind in KINDS))
    assert guest.send("GET", FILES).status == 200
    for what in ("list", "download"):
        assert asked(guest, what, f"{hidden}/{path}")[1] == []
        assert asked(owner, what, f"{hidden}/{path}")[1] == []
    assert asked(owner, "upload", f"{hidden}/{path}")[1] == []
    assert asked(guest, "upload", f"{hidden}/{path}")[0].code == "PERMISSION_DENIED"
    world.grant(GUEST, WRITE, prefixed("experiments", "hid"))
    assert asked(guest, "upload", f"{hidden}/{path}")[0].status == 200
    assert asked(guest, "upload", "notes/b.txt")[0].code == "RESOURCE_DOES_NOT_EXIST"
    assert asked(guest, "delete", f"{hidden}/{path}")[0].code == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    "spelled",
    [
        "{shared}/../{hidden}/{file}",
        "{shared}/%2e%2e/{hidden}/{file}",
        "{shared}/%252e%252e/{hidden}/{file}",
        "{shared}%2f..%2f{hidden}%2f{file}",
        "{shared}/..;/{hidden}/{file}",
        "{shared}/..%3f/{hidden}/{file}",
        "{shared}\\..\\{hidden}\\{file}",
        "/{hidden}/{file}",
        "%2f{hidden}%2f{file}",
        "./{hidden}/{file}",
        "%2e/{hidden}/{file}",
        "{hidden}%2f{file}",
        "{hidden}/./{file}",
        "0{hidden}/{file}",
        "+{hidden}/{file}",
        "%20{hidden}/{file}",
        "{hidden}%20/{file}",
        "{hidden}.0/{file}",
        "{wide}/{file}",
        "{arabic}/{file}",
        "mlflow-artifacts:/{hidden}/{file}",
        "{shared}/x%00/../{hidden}/{file}",
        "{shared}%23/../{hidden}/{file}",
    ],
)
def test_no_spelling_of_a_path_leads_elsewhere(world: World, spelled: str) -> None:
    owner, guest = world.of(), world.of(GUEST)
    hidden, file = with_a_file(owner, "hidden")
    shared, _ = with_a_file(owner, "shared/a")
    world.grant(GUEST, MANAGE, prefixed("experiments", "shared/"))
    wide, arabic = (chr(first + int(hidden)) for first in (0xFF10, 0x0660))
    path = spelled.format(shared=shared, hidden=hidden, file=file, wide=wide, arabic=arabic)
    for what in REQUESTS:
        reply = asked(guest, what, path)[0]
        assert b"words" not in reply.content
        assert reply.code in NOTHING or reply.content == b"{}"
    assert owner.send("GET", f"{FILES}/{hidden}/{file}").content == b"words"
    assert owner.send("GET", FILES, query={"path": hidden}).json["files"] == [
        {"path": file.partition("/")[0], "is_dir": True}
    ]


class Parted(FolderArtifacts):
    """A folder with uploads by parts, by S3's rule: an id is known with its own key, and with no other
    (CompleteMultipartUpload, AbortMultipartUpload: NoSuchUpload)."""

    def __init__(self, store: FolderArtifacts) -> None:
        super().__init__(store._root, store._staging)
        self.open_uploads: dict[str, str] = {}

    def begin_upload(self, uri: str, parts: int) -> tuple[str, Sequence[Signed]]:
        upload_id = f"upload-{len(self.open_uploads)}"
        self.open_uploads[upload_id] = uri
        return upload_id, [Signed(f"https://s3/{number}", {}) for number in range(parts)]

    def complete_upload(self, uri: str, upload_id: str, parts: Sequence[Part]) -> None:
        if self.open_uploads.get(upload_id) != uri:
            raise fault("NoSuchUpload", "", uri)
        del self.open_uploads[upload_id]

    def abort_upload(self, uri: str, upload_id: str) -> None:
        if self.open_uploads.get(upload_id) == uri:
            del self.open_uploads[upload_id]


def test_an_upload_belongs_to_its_path(world: World) -> None:
    owner, guest = world.of(), world.of(GUEST)
    hidden, _ = with_a_file(owner, "hidden")
    shared, _ = with_a_file(owner, "shared/a")
    world.grant(GUEST, WRITE, prefixed("experiments", "shared/"))
    store = world.app.stores.artifacts
    assert isinstance(store, FolderArtifacts)
    parted = Parted(store)
    world.app = replace(world.app, stores=replace(world.app.stores, artifacts=parted))

    def upload(asking: As, verb: str, folder: str, upload_id: str = "") -> Reply:
        body: dict[str, Any] = {"path": "/tmp/big", "num_parts": 1, "upload_id": upload_id}
        if verb == "complete":
            body["parts"] = [{"part_number": 1, "etag": "e"}]
        return asking.post(f"{PARTS}/{verb}/{folder}", body)

    foreign = upload(owner, "create", hidden).json["upload_id"]
    for folder in (hidden, shared, f"{shared}/../{hidden}", NEVER):
        assert upload(guest, "complete", folder, foreign).code in NOTHING
        upload(guest, "abort", folder, foreign)
    assert upload(guest, "create", hidden).code == "RESOURCE_DOES_NOT_EXIST"
    assert list(parted.open_uploads) == [foreign]
    own = upload(guest, "create", shared).json["upload_id"]
    assert upload(guest, "complete", f"{shared}/elsewhere", own).code == "RESOURCE_DOES_NOT_EXIST"
    assert upload(guest, "complete", shared, own).status == 200
    assert upload(owner, "complete", hidden, foreign).status == 200


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("mlflow-artifacts:/5/a", "5/a"),
        ("MLFLOW-ARTIFACTS:/5", "5"),
        ("mlflow-artifacts:5", "5"),
        ("mlflow-artifacts:/", ""),
        ("mlflow-artifacts://host/5", "5"),
        ("s3://bucket/folder/5/", "5"),
        ("S3://bucket/folder/5", "5"),
        ("s3://bucket/folder", ""),
        ("s3://bucket/folder/5?x=/../6", "5"),
        ("s3://bucket/folder/%35", "%35"),
        ("s3://bucket/folder2/5", None),
        ("s3://bucket/5", None),
        ("s3://Bucket/folder/5", None),
        ("s3://other/folder/5", None),
        ("s3://bucket/folder/5/../6", None),
        ("s3://bucket/folder//5", None),
        ("s3a://bucket/folder/5", None),
        ("file:///folder/5", None),
        ("/folder/5", None),
        ("prompt-template", None),
    ],
)
def test_where_a_location_lies(tmp_path: Any, uri: str, path: str | None) -> None:
    in_s3: ArtifactStore = S3Artifacts(None, "bucket", "folder")  # type: ignore[arg-type]  # never called
    assert in_s3.path_of(uri) == path
    folder: ArtifactStore = FolderArtifacts(tmp_path / "files", tmp_path)
    assert folder.path_of(uri) == (None if uri.lower().startswith("s3") else path)


@pytest.mark.parametrize(
    "name", ["fraud", "my model", "a.b", "50%", "a=20b", "ü", "u\u0308", "%2e%2e", "a?b#c"]
)
def test_a_versions_path_is_its_own(name: str) -> None:
    """Through the client's and the server's decoding, and back to the same name alone."""
    location = version_artifacts(name, 7)
    path = safe_path(location.removeprefix("mlflow-artifacts:/") + "/data/x=41")
    assert version_of(path) == (name, 7, "data/x=41")


@pytest.mark.parametrize(
    "path",
    [
        "model-versions/fraud",
        "model-versions/fraud/0",
        "model-versions/fraud/01",
        "model-versions/fraud/x",
        "model-versions/=66raud/1",
        "model-versions/my model/1",
        "model-versions/=zz/1",
        "model-versions/=c3/1",
        "model-versions//1",
        "Model-versions/fraud/1",
        "model-versions/fraud/\u0661",
    ],
)
def test_what_is_no_versions_path(path: str) -> None:
    assert version_of(path) is None
