"""Artifacts in a folder, for local mode: files of any size, which appear whole or not at all.

A file is written to the staging folder beside, then renamed into place. Folders without files do not exist,
as in S3: a delete takes emptied parents with it. Symbolic links that leave the folder are not followed and
not shown.

Nothing is flushed to the disk on purpose: a killed process loses nothing that it answered for, a power
failure may.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from cairn.artifacts.chunks import CHUNK, Body, Chunks
from cairn.artifacts.paths import MAX_KEY_BYTES, foreign, place_of
from cairn.domain.artifacts import FileInfo, Part, Signed
from cairn.domain.paths import PROXIED_SCHEMES, join
from cairn.errors import InvalidParameterValue, NotImplementedHere, ResourceDoesNotExist

NO_MULTIPART_UPLOAD = "Multipart upload is not supported for the current artifact repository"
NO_MULTIPART_DOWNLOAD = "Multipart download is not supported for the current artifact repository"
NO_PRESIGNED_UPLOAD = "Presigned upload is not supported for the current artifact repository"
"""MLflow's words for a local repository; its client falls back on plain requests at the first."""

_ATTEMPTS = 16
_NAME_BYTES = 255  # of one file or folder, on every common file system
_STAGED = "artifact-"


class FolderArtifacts:
    """The artifacts below ``root`` (``services.ports.ArtifactStore``).

    ``staging`` must be outside of the root and on the same file system. Several processes may share both.
    """

    def __init__(self, root: Path, staging: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._staging = staging

    def path_of(self, uri: str) -> str | None:
        try:
            place = place_of(join(uri))
        except InvalidParameterValue:
            return None
        return place.key if place.scheme in PROXIED_SCHEMES else None

    def list(self, uri: str) -> Sequence[FileInfo]:
        folder = self._inside(uri)
        entries = []
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
            for entry in found:
                info = self._info(entry)
                if info is not None:
                    entries.append(info)
        return sorted(entries, key=lambda entry: entry.path)

    def open(self, uri: str, version: str | None = None) -> tuple[Chunks, int]:  # noqa: ARG002
        path = self._file(uri)
        try:
            source = path.open("rb", buffering=0)
        except IsADirectoryError:
            raise InvalidParameterValue(
                f"Artifact path refers to a directory, not a file: '{self._shown(path)}'"
            ) from None
        except (FileNotFoundError, NotADirectoryError):
            raise ResourceDoesNotExist(f"No such artifact: '{self._shown(path)}'") from None
        return Chunks(source), os.fstat(source.fileno()).st_size

    def save(self, uri: str, body: BinaryIO, length: int | None) -> None:
        """Holds 1 MiB in memory."""
        path = self._file(uri)
        self._staging.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=self._staging, prefix=_STAGED)
        staged = Path(name)
        try:
            with os.fdopen(number, "wb") as out:
                shutil.copyfileobj(Body(body, length), out, CHUNK)
            self._publish(staged, path)
        finally:
            staged.unlink(missing_ok=True)

    def delete(self, uri: str) -> None:
        path = self._file(uri)
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return
        except NotADirectoryError:
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
        self._prune(path.parent)

    def begin_upload(self, uri: str, parts: int) -> tuple[str, Sequence[Signed]]:  # noqa: ARG002
        raise NotImplementedHere(NO_MULTIPART_UPLOAD)

    def complete_upload(self, uri: str, upload_id: str, parts: Sequence[Part]) -> None:  # noqa: ARG002
        raise NotImplementedHere(NO_MULTIPART_UPLOAD)

    def abort_upload(self, uri: str, upload_id: str) -> None:  # noqa: ARG002
        raise NotImplementedHere(NO_MULTIPART_UPLOAD)

    def versions(self, uri: str, most: int) -> Mapping[str, str]:  # noqa: ARG002
        """A folder keeps no versions."""
        return {}

    def sign_download(self, uri: str, seconds: int, version: str | None = None) -> Signed:  # noqa: ARG002
        raise NotImplementedHere(NO_MULTIPART_DOWNLOAD)

    def sign_upload(self, uri: str, seconds: int) -> Signed:  # noqa: ARG002
        raise NotImplementedHere(NO_PRESIGNED_UPLOAD)

    def sweep(self, before: float) -> int:
        """Remove what killed processes left in staging before a time (seconds since the epoch); returns how
        many."""
        stale = 0
        for staged in self._staging.glob(f"{_STAGED}*"):
            with suppress(FileNotFoundError):
                if staged.stat().st_mtime < before:
                    staged.unlink()
                    stale += 1
        return stale

    def _publish(self, staged: Path, path: Path) -> None:
        """Rename into place. A delete beside may take the folder away in between: make it again."""
        for attempt in range(_ATTEMPTS):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(path)
                return
            except IsADirectoryError:
                raise InvalidParameterValue(f"Invalid path: '{self._shown(path)}' is a folder") from None
            except (FileExistsError, FileNotFoundError, NotADirectoryError):
                if any(parent.is_file() for parent in path.parents):
                    raise InvalidParameterValue(
                        f"Invalid path: a folder of '{self._shown(path)}' is a file"
                    ) from None
                if attempt == _ATTEMPTS - 1:
                    raise

    def _prune(self, folder: Path) -> None:
        """Remove empty folders, from here up to the root."""
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:  # it holds something, or somebody else removed it
                return
            folder = folder.parent

    def _info(self, entry: "os.DirEntry[str]") -> FileInfo | None:
        if entry.is_symlink() and not self._holds(Path(entry.path)):
            return None
        if entry.is_dir():
            return FileInfo(entry.name, is_dir=True)
        try:
            return FileInfo(entry.name, is_dir=False, file_size=entry.stat().st_size)
        except FileNotFoundError:  # deleted while we looked, or a link to nothing
            return None

    def _file(self, uri: str) -> Path:
        path = self._inside(uri)
        if path == self._root:
            raise InvalidParameterValue("Invalid path")
        return path

    def _inside(self, uri: str) -> Path:
        """The path of a URI, below the root even where links are on the way.

        As in MLflow (``validate_path_within_directory``) a link that is planted after this look is not
        seen: who can write into the folder needs no trick to read it.
        """
        place = place_of(uri)
        if place.scheme not in PROXIED_SCHEMES:
            raise foreign(uri)
        longest = max(len(segment.encode()) for segment in place.key.split("/"))
        if longest > _NAME_BYTES or len(place.key.encode()) > MAX_KEY_BYTES:
            raise InvalidParameterValue(
                f"The path is too long: a name has at most {_NAME_BYTES} bytes, a path {MAX_KEY_BYTES}."
            )
        path = self._root / place.key
        if not self._holds(path):
            raise InvalidParameterValue("Invalid path: resolved path is outside the artifact directory")
        return path

    def _holds(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def _shown(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()
