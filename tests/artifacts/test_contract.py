"""What every artifact store holds to, on both engines."""

import io
from pathlib import Path

import pytest

from cairn.domain.artifacts import FileInfo
from cairn.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from cairn.services.ports import ArtifactStore
from tests.artifacts.stores import Generated, read

RUN = "mlflow-artifacts:/0/abc/artifacts"


def save(store: ArtifactStore, path: str, data: bytes) -> None:
    store.save(f"{RUN}/{path}", io.BytesIO(data), len(data))


def test_a_file_reads_back_as_it_was_saved(store: ArtifactStore) -> None:
    save(store, "model/weights.bin", bytes(range(256)) * 10)
    assert read(store, f"{RUN}/model/weights.bin") == bytes(range(256)) * 10


def test_a_file_is_replaced_as_a_whole(store: ArtifactStore) -> None:
    save(store, "a.txt", b"first, and longer")
    save(store, "a.txt", b"second")
    assert read(store, f"{RUN}/a.txt") == b"second"


def test_empty_files_are_files(store: ArtifactStore) -> None:
    save(store, "empty", b"")
    assert read(store, f"{RUN}/empty") == b""
    assert store.list(RUN) == [FileInfo("empty", is_dir=False, file_size=0)]


def test_a_body_of_unknown_length_is_read_to_its_end(store: ArtifactStore) -> None:
    store.save(f"{RUN}/a", io.BytesIO(b"x" * 3_000_000), None)
    assert len(read(store, f"{RUN}/a")) == 3_000_000


def test_what_follows_the_announced_length_is_not_the_file(store: ArtifactStore) -> None:
    body = io.BytesIO(b"filenext request")
    store.save(f"{RUN}/a", body, 4)
    assert read(store, f"{RUN}/a") == b"file"
    assert body.read() == b"next request"


@pytest.mark.parametrize(
    "name", ["ünï côde.txt", "a b+c&d=e.csv", "what?.txt", "100%.txt", "%41", "q'\"<>|*"]
)
def test_names_keep_every_character(store: ArtifactStore, name: str) -> None:
    save(store, f"d/{name}", b"1")
    assert [entry.path for entry in store.list(f"{RUN}/d")] == [name]
    assert read(store, f"{RUN}/d/{name}") == b"1"
    store.delete(f"{RUN}/d/{name}")
    assert store.list(f"{RUN}/d") == []


def test_a_listing_is_one_level_sorted_by_name(store: ArtifactStore) -> None:
    for path in ("b.txt", "a/deep/er/x", "c", "a/y", "B", "a.b/z"):
        save(store, path, b"12")
    assert store.list(RUN) == [
        FileInfo("B", is_dir=False, file_size=2),
        FileInfo("a", is_dir=True),
        FileInfo("a.b", is_dir=True),
        FileInfo("b.txt", is_dir=False, file_size=2),
        FileInfo("c", is_dir=False, file_size=2),
    ]
    assert [entry.path for entry in store.list(f"{RUN}/a")] == ["deep", "y"]


def test_a_file_and_nothing_list_as_nothing(store: ArtifactStore) -> None:
    save(store, "a.txt", b"1")
    assert store.list(f"{RUN}/a.txt") == []
    assert store.list(f"{RUN}/missing") == []
    assert store.list(f"{RUN}/a.txt/below") == []


def test_the_root_lists(store: ArtifactStore) -> None:
    assert store.list("mlflow-artifacts:/") == []
    save(store, "a", b"1")
    assert store.list("mlflow-artifacts:/") == [FileInfo("0", is_dir=True)]


@pytest.mark.parametrize("path", ["missing", "d/missing", "d/x.txt/below"])
def test_opening_nothing_says_so(store: ArtifactStore, path: str) -> None:
    save(store, "d/x.txt", b"1")
    with pytest.raises(ResourceDoesNotExist, match=f"^No such artifact: '0/abc/artifacts/{path}'$"):
        store.open(f"{RUN}/{path}")


def test_opening_a_folder_says_so(store: ArtifactStore) -> None:
    save(store, "d/x.txt", b"1")
    message = "^Artifact path refers to a directory, not a file: '0/abc/artifacts/d'$"
    with pytest.raises(InvalidParameterValue, match=message):
        store.open(f"{RUN}/d")


def test_an_open_file_can_be_left_unread(store: ArtifactStore) -> None:
    save(store, "a", b"1" * 100)
    chunks, length = store.open(f"{RUN}/a")
    chunks.close()
    assert length == 100


def test_delete_takes_a_file_a_folder_and_nothing_else(store: ArtifactStore) -> None:
    for path in ("a", "ab", "d/x", "d/e/y", "dd/z"):
        save(store, path, b"1")
    store.delete(f"{RUN}/a")
    store.delete(f"{RUN}/d")
    store.delete(f"{RUN}/missing")
    store.delete(f"{RUN}/ab/below")
    assert [entry.path for entry in store.list(RUN)] == ["ab", "dd"]


def test_a_folder_goes_with_its_last_file(store: ArtifactStore) -> None:
    save(store, "d/e/x", b"1")
    store.delete(f"{RUN}/d/e/x")
    assert store.list("mlflow-artifacts:/") == []


@pytest.mark.parametrize("uri", ["mlflow-artifacts:/", "mlflow-artifacts:", "mlflow-artifacts://host/"])
def test_the_root_itself_is_no_file(store: ArtifactStore, uri: str) -> None:
    save(store, "a", b"1")
    with pytest.raises(InvalidParameterValue, match=r"^Invalid path$"):
        store.delete(uri)
    with pytest.raises(InvalidParameterValue, match=r"^Invalid path$"):
        store.save(uri, io.BytesIO(b""), 0)
    with pytest.raises(InvalidParameterValue, match=r"^Invalid path$"):
        store.open(uri)
    assert read(store, f"{RUN}/a") == b"1"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://another-bucket/key",
        "s3://cairn-artifacts/artifacts-not/key",
        "s3://cairn-artifacts/blobs/key",
        "s3://cairn-artifacts",
        "gs://cairn-artifacts/artifacts/key",
        "file:///etc/passwd",
        "/etc/passwd",
        "etc/passwd",
        "",
        "https://elsewhere/artifacts/key",
    ],
)
def test_a_uri_of_another_storage_is_refused(store: ArtifactStore, uri: str) -> None:
    with pytest.raises(InvalidParameterValue, match="outside of this server's artifact storage"):
        store.list(uri)
    with pytest.raises(InvalidParameterValue, match="outside of this server's artifact storage"):
        store.save(uri, io.BytesIO(b"1"), 1)
    with pytest.raises(InvalidParameterValue, match="outside of this server's artifact storage"):
        store.delete(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts://host:5000/0/abc/artifacts",
        "http://h/api/2.0/mlflow-artifacts/artifacts/0/abc/artifacts",
    ],
)
def test_all_spellings_of_a_proxied_root_are_one_place(store: ArtifactStore, uri: str) -> None:
    save(store, "a", b"1")
    assert read(store, f"{uri}/a") == b"1"


@pytest.mark.parametrize(
    "path", ["..", "../x", "a/../../x", "a/..", "a//b", "/", "a/./b", ".", "a\0b", "//"]
)
def test_no_uri_leaves_its_root(store: ArtifactStore, path: str) -> None:
    for root in ("mlflow-artifacts:/", "s3://cairn-artifacts/artifacts/"):
        with pytest.raises(InvalidParameterValue):
            store.open(root + path)
        with pytest.raises(InvalidParameterValue):
            store.save(root + path, io.BytesIO(b"1"), 1)
        with pytest.raises(InvalidParameterValue):
            store.delete(root + path)


@pytest.mark.parametrize("length", [1_000, 30_000_000])
def test_an_upload_that_ends_early_leaves_nothing(
    store: ArtifactStore, tmp_path: Path, length: int
) -> None:
    with pytest.raises(BadRequest, match=f"The upload ended after {length - 1} of {length} bytes"):
        store.save(f"{RUN}/a", Generated(length - 1), length)  # type: ignore[arg-type]
    assert store.list("mlflow-artifacts:/") == []
    assert list((tmp_path / "uploads").glob("*")) == []


@pytest.mark.parametrize("length", [1_000, 30_000_000, None])
def test_a_connection_that_breaks_leaves_nothing(
    store: ArtifactStore, tmp_path: Path, length: int | None
) -> None:
    save(store, "a", b"before")
    broken = Generated(30_000_000, fails_at=0 if length == 1_000 else 20_000_000)
    with pytest.raises(ConnectionResetError):
        store.save(f"{RUN}/a", broken, length)  # type: ignore[arg-type]
    assert read(store, f"{RUN}/a") == b"before"
    assert list((tmp_path / "uploads").glob("*")) == []


def test_a_name_that_is_too_long_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(InvalidParameterValue):
        save(store, "x" * 1100, b"1")
    with pytest.raises(InvalidParameterValue):
        store.open(f"{RUN}/" + "é" * 600)
    assert store.list(RUN) == []
