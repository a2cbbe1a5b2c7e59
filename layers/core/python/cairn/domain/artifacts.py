"""What is told about artifacts: entries of a folder, parts of an upload, URLs that let somebody in once."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileInfo:
    """``path`` is relative to the listed root; ``file_size`` in bytes, None for a directory."""

    path: str
    is_dir: bool
    file_size: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """An uploaded part, by the number (from 1) and the ETag that the store answered with."""

    part_number: int
    etag: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A URL that is good for one request: its headers must be sent as given."""

    url: str
    headers: Mapping[str, str]
    file_size: int | None = None
