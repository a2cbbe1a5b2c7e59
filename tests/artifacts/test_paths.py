"""No path that a client can send leaves its root, and what MLflow refuses is refused."""

import io
import posixpath
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.utils.uri import validate_path_is_safe

from cairn.artifacts.folder import FolderArtifacts
from cairn.artifacts.paths import place_of
from cairn.artifacts.s3 import S3Artifacts
from cairn.domain.paths import file_path, join, local_name, safe_path, scheme_of
from cairn.errors import CairnError, InvalidParameterValue
from tests.artifacts.stores import BUCKET, PREFIX, ROOT

_PIECES = st.sampled_from(
    [
        *(
            "..",
            ".",
            "...",
            "/",
            "//",
            "\\",
            "a",
            "b.txt",
            "~",
            "C:",
            "c:/",
            "file:",
            "file://",
            "http://h/",
            "s3://b/",
        ),
        *(
            "%2e",
            "%2E%2e",
            "%252e%252e",
            "%25252e",
            "%2f",
            "%5c",
            "%00",
            "%c0%ae",
            "%",
            "%2",
            "%zz",
            "%23",
            "%3f",
        ),
        *(
            "\0",
            "\n",
            "\x7f",
            "#",
            "?",
            ";",
            ":",
            "&",
            " ",
            "ü",
            "．．",
            "\u2215",
            "\ud800",
            "\u202e",
            "é" * 200,
            "*",
        ),
    ]
)
NASTY = st.one_of(
    st.lists(_PIECES, min_size=1, max_size=8).map("".join),
    st.lists(_PIECES, min_size=1, max_size=6).map("/".join),
    st.text(max_size=30),
    st.text("./%25eEfFcC\\\0ab", max_size=20),
)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "..",
            "../x",
            "a/../b",
            "a/..",
            "%2e%2e/x",
            "a/%2E%2e/b",
            "%252e%252e/x",
            "%25252e%25252e/x",
            "a/%2e%2e%2fb",
        ),
        *("/", "/etc/passwd", "//a", "%2fetc", "a//b", "a//", "http://h/x", "s3://b/k"),
        *(
            "a\\b",
            "a%5cb",
            "..\\x",
            "a%255c..%255cb",
            "C:x",
            "C:/x",
            "c:\\x",
            "file:a",
            "FILE:a",
            "file:///etc/passwd",
        ),
        *(
            "a#b",
            "a%23b",
            "a%2523b",
            "a\0b",
            "a%00b",
            "a%2500b",
            "a\nb",
            "a%0ab",
            "a%7f",
            "%C0%AE",
            "..?",
            "a/..;",
            "?",
            "\ud800",
        ),
    ],
)
def test_bad_paths_are_refused(path: str) -> None:
    with pytest.raises(InvalidParameterValue, match=r"^Invalid path$"):
        safe_path(path)
    with pytest.raises(InvalidParameterValue, match=r"^Invalid path$"):
        file_path(path)


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        *(("", ""), (".", ""), ("./", ""), ("a/", "a"), ("./a/./b", "a/b"), ("a%2fb", "a/b")),
        *(
            ("...", "..."),
            ("..a/b..", "..a/b.."),
            ("a%20b", "a b"),
            ("a%2520b", "a b"),
            ("100%", "100%"),
            ("a%zz", "a%zz"),
        ),
        *(("what?.txt", "what?.txt"), ("a;b=c", "a;b=c"), ("~root", "~root"), ("x y:z", "x y:z")),
    ],
)
def test_good_paths_are_normalised(path: str, safe: str) -> None:
    assert safe_path(path) == safe


@pytest.mark.parametrize("path", ["", ".", "a/", "./a", "a/./b", "a/."])
def test_a_file_to_write_has_one_spelling(path: str) -> None:
    with pytest.raises(InvalidParameterValue, match=r"^Invalid path$"):
        file_path(path)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/home/u/a.txt", "a.txt"), ("C:\\Users\\u\\a.txt", "a.txt"), ("a.txt", "a.txt"), ("d/", "")],
)
def test_the_name_of_a_file_on_the_client(path: str, name: str) -> None:
    assert local_name(path) == name


@pytest.mark.parametrize(
    ("root", "path", "uri"),
    [
        ("s3://b/0/r/artifacts", "d/a.txt", "s3://b/0/r/artifacts/d/a.txt"),
        ("s3://b/0/r/artifacts/", "", "s3://b/0/r/artifacts"),
        ("s3://b/p/r/artifacts?x=1", "what?.txt", "s3://b/p/r/artifacts/what?.txt"),
        ("mlflow-artifacts:/", "a", "mlflow-artifacts:/a"),
        ("mlflow-artifacts:/0/r/artifacts", "a", "mlflow-artifacts:/0/r/artifacts/a"),
        ("mlflow-artifacts://h:5000/0", "a", "mlflow-artifacts://h:5000/0/a"),
    ],
)
def test_a_path_is_joined_to_its_root(root: str, path: str, uri: str) -> None:
    assert join(root, path) == uri


def test_schemes() -> None:
    assert [scheme_of(uri) for uri in ("S3://b", "mlflow-artifacts:/", "/a:b", "a/b:c", "")] == [
        "s3",
        "mlflow-artifacts",
        "",
        "",
        "",
    ]


@given(NASTY)
@settings(max_examples=1_000)
@example("a/" * 500 + "..")
@example("%25" * 40 + "2e")
def test_a_safe_path_stays_below_any_root(path: str) -> None:
    try:
        safe = safe_path(path)
    except InvalidParameterValue:
        return
    assert safe in ("", posixpath.normpath(safe))
    assert not safe.startswith("/")
    assert ".." not in safe.split("/")
    assert safe_path(safe) == safe
    for root in ("mlflow-artifacts:/0/r/artifacts", f"s3://{BUCKET}/{PREFIX}/0/r/artifacts"):
        inside, place = place_of(root), place_of(join(root, safe))
        assert (place.scheme, place.authority) == (inside.scheme, inside.authority)
        assert place.key == inside.key or place.key.startswith(f"{inside.key}/")


@given(NASTY)
@settings(max_examples=1_000)
def test_what_mlflow_refuses_is_refused(path: str) -> None:
    try:
        safe = safe_path(path)
    except InvalidParameterValue:
        return
    if safe.startswith(
        " "
    ):  # Python's URL parser, which MLflow decodes with, strips it; the name keeps it here
        return
    said = validate_path_is_safe(path)  # raises where MLflow refuses
    if not any(mark in path for mark in ":;?%"):  # the parser loses or folds what is near these
        assert (safe or ".") == posixpath.normpath(said)


@given(NASTY, st.sampled_from(["plain", "quoted", "twice"]))
@settings(max_examples=200, deadline=None)
def test_nothing_is_written_or_deleted_outside_of_a_folder(path: str, encoding: str) -> None:
    sent = path.encode("utf-8", "replace").decode()
    for _ in range(("plain", "quoted", "twice").index(encoding)):
        sent = quote(sent, safe="")
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name)
        (outside / "canary").write_bytes(b"alive")
        (outside / "artifacts-canary").mkdir()
        (outside / "artifacts" / "0" / "other").mkdir(parents=True)
        (outside / "artifacts" / "0" / "other" / "canary").write_bytes(b"alive")
        store = FolderArtifacts(outside / "artifacts", outside / "uploads")
        before = _files(outside)
        for tries in (sent, path):  # through the rule, and past it: the engine holds by itself
            try:
                uri = join(f"{ROOT}0/run/artifacts", safe_path(tries) if tries is sent else tries)
                store.save(uri, io.BytesIO(b"evil"), 4)
            except CairnError:
                continue
            written = _files(outside) - before
            assert len(written) == 1
            assert all(f"{file}/".startswith("artifacts/0/run/artifacts/") for file in written)
            store.delete(uri)
            assert _files(outside) == before


@given(NASTY)
@settings(max_examples=500)
def test_no_key_is_outside_of_a_prefix(path: str) -> None:
    for root in (f"s3://{BUCKET}/{PREFIX}/", f"s3://{BUCKET}/", ROOT, f"s3://{BUCKET}/{PREFIX}/../"):
        client = _Recorder()
        try:
            S3Artifacts(client, BUCKET, PREFIX).save(root + path, io.BytesIO(b"x"), 1)  # type: ignore[arg-type]
        except CairnError:
            continue
        assert client.bucket == BUCKET
        assert client.key.startswith(f"{PREFIX}/")
        assert ".." not in client.key.split("/")


class _Recorder:
    bucket = ""
    key = ""

    def put_object(self, *, Bucket: str, Key: str, **_: object) -> None:  # noqa: N803
        self.bucket, self.key = Bucket, Key


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
