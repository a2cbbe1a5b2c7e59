"""Files of web pages: read once, sent with what a browser needs to know of them."""

import hashlib
import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cairn.local.events import Environ, StartResponse, respond

_TYPES = {
    "js": "text/javascript",  # modules run as JavaScript or not at all
    "mjs": "text/javascript",
    "cjs": "text/javascript",
    "css": "text/css",
    "html": "text/html",
    "txt": "text/plain",
    "json": "application/json",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
"""Where a machine's own table may be wrong."""


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    headers: Mapping[str, str]


def read(path: Path, cache: str, policy: str) -> File:
    """A file of the disk, by the type that its name says."""
    return file_of(path.read_bytes(), type_of(path.name), cache, policy)


def file_of(content: bytes, content_type: str, cache: str, policy: str) -> File:
    """``cache`` is its Cache-Control, ``policy`` its Content-Security-Policy."""
    return File(
        content,
        {
            "Content-Type": content_type,
            "Cache-Control": cache,
            "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        },
    )


def send(file: File, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """For GET and HEAD; 304 where the browser has it."""
    known = [tag.strip() for tag in environ.get("HTTP_IF_NONE_MATCH", "").split(",")]
    if file.headers["ETag"] in known:
        headers = {name: file.headers[name] for name in ("ETag", "Cache-Control")}
        return respond(304, headers, (), start_response, with_body=True)
    with_body = environ["REQUEST_METHOD"] == "GET"
    return respond(200, file.headers, file.content, start_response, with_body=with_body)


def type_of(name: str) -> str:
    found = _TYPES.get(name.rpartition(".")[2])
    found = found or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{found}; charset=utf-8" if found.startswith("text/") else found
