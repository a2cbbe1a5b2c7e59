"""The folder engine: links, races, what a kill leaves, and MLflow's words for what it cannot do."""

import io
import os
import threading
from pathlib import Path

import pytest

from cairn.artifacts.folder import FolderArtifacts
from cairn.domain.artifacts import FileInfo
from cairn.errors import InvalidParameterValue, NotImplementedHere
from tests.artifacts.stores import folder_store, read

RUN = "mlflow-artifacts:/0/abc/artifacts"


@pytest.fixture
def folder(tmp_path: Path) -> FolderArtifacts:
    return folder_store(tmp_path)


def put(store: FolderArtifacts, path: str, data: bytes = b"1") -> None:
    store.save(f"{RUN}/{path}", io.BytesIO(data), len(data))


def test_files_lie_where_their_path_says(folder: FolderArtifacts, tmp_path: Path) -> None:
    put(folder, "d/a.txt", b"hello")
    assert (tmp_path / "artifacts/0/abc/artifacts/d/a.txt").read_bytes() == b"hello"
    assert list((tmp_path / "uploads").iterdir()) == []


def test_links_out_of_the_root_are_neither_shown_nor_followed(
    folder: FolderArtifacts, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    put(folder, "a")
    run = tmp_path / "artifacts/0/abc/artifacts"
    (run / "dir").symlink_to(outside)
    (run / "file").symlink_to(outside / "secret")
    (run / "gone").symlink_to(outside / "nothing")
    assert folder.list(RUN) == [FileInfo("a", is_dir=False, file_size=1)]
    for path in ("dir/secret", "file", "dir", "gone"):
        uri = f"{RUN}/{path}"
        with pytest.raises(InvalidParameterValue, match="outside the artifact directory"):
            folder.open(uri)
        with pytest.raises(InvalidParameterValue, match="outside the artifact directory"):
            folder.save(uri, io.BytesIO(b"evil"), 4)
        with pytest.raises(InvalidParameterValue, match="outside the artifact directory"):
            folder.delete(uri)
        with pytest.raises(InvalidParameterValue, match="outside the artifact directory"):
            folder.list(uri)
    folder.delete("mlflow-artifacts:/0")  # the links go, what they point to stays
    assert (outside / "secret").read_text() == "secret"
    assert folder.list("mlflow-artifacts:/") == []


def test_links_within_the_root_work(folder: FolderArtifacts, tmp_path: Path) -> None:
    put(folder, "a", b"12")
    run = tmp_path / "artifacts/0/abc/artifacts"
    (run / "b").symlink_to(run / "a")
    assert read(folder, f"{RUN}/b") == b"12"
    assert folder.list(RUN)[1] == FileInfo("b", is_dir=False, file_size=2)


def test_the_root_itself_may_be_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "artifacts").symlink_to(tmp_path / "disk")
    store = folder_store(tmp_path)
    put(store, "a")
    assert read(store, f"{RUN}/a") == b"1"


def test_a_file_cannot_be_a_folder_too(folder: FolderArtifacts) -> None:
    put(folder, "a")
    put(folder, "d/x")
    with pytest.raises(InvalidParameterValue, match="a folder of '0/abc/artifacts/a/b/c' is a file"):
        put(folder, "a/b/c")
    with pytest.raises(InvalidParameterValue, match="a folder of '0/abc/artifacts/a/b' is a file"):
        put(folder, "a/b")
    with pytest.raises(InvalidParameterValue, match="'0/abc/artifacts/d' is a folder"):
        put(folder, "d")
    assert read(folder, f"{RUN}/a") == b"1"
    assert read(folder, f"{RUN}/d/x") == b"1"


def test_readers_see_a_whole_file_or_none(folder: FolderArtifacts) -> None:
    """A reader that opened the old file goes on reading it while the new one comes."""
    put(folder, "a", b"old" * 1_000_000)
    chunks, length = folder.open(f"{RUN}/a")
    put(folder, "a", b"new")
    assert b"".join(chunks) == b"old" * 1_000_000
    assert length == 3_000_000
    assert read(folder, f"{RUN}/a") == b"new"


def test_savers_and_deleters_side_by_side_lose_nothing(folder: FolderArtifacts) -> None:
    """Each thread deletes its own file, which takes the folders of the others' next files away."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(150):
                put(folder, f"deep/er/{name}", name.encode())
                assert read(folder, f"{RUN}/deep/er/{name}") == name.encode()
                folder.delete(f"{RUN}/deep/er/{name}")
        except BaseException as error:  # noqa: BLE001 -- shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert folder.list("mlflow-artifacts:/") == []


def test_what_a_killed_process_left_is_swept(folder: FolderArtifacts, tmp_path: Path) -> None:
    put(folder, "a")
    old, new, other = (tmp_path / "uploads" / name for name in ("artifact-old", "artifact-new", "other"))
    for path in (old, new, other):
        path.write_bytes(b"half")
    os.utime(old, (1_000, 1_000))
    os.utime(other, (1_000, 1_000))
    assert folder.sweep(2_000) == 1
    assert not old.exists()
    assert new.exists()
    assert other.exists()
    assert [entry.path for entry in folder.list(RUN)] == ["a"]


def test_parts_and_presigned_urls_are_refused_in_mlflows_words(folder: FolderArtifacts) -> None:
    tail = "is not supported for the current artifact repository"
    with pytest.raises(NotImplementedHere, match=f"^Multipart upload {tail}$"):
        folder.begin_upload(f"{RUN}/a", 1)
    with pytest.raises(NotImplementedHere, match=f"^Multipart upload {tail}$"):
        folder.complete_upload(f"{RUN}/a", "id", [])
    with pytest.raises(NotImplementedHere, match=f"^Multipart upload {tail}$"):
        folder.abort_upload(f"{RUN}/a", "id")
    with pytest.raises(NotImplementedHere, match=f"^Multipart download {tail}$"):
        folder.sign_download(f"{RUN}/a", 1)
    with pytest.raises(NotImplementedHere, match=f"^Presigned upload {tail}$"):
        folder.sign_upload(f"{RUN}/a", 1)
