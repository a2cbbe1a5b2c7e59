"""The UI's files: the wheel's own bytes, how each is sent, and how they come into their bucket."""

import gzip
import json
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from cairn.artifacts.site import LIST, SiteBucket
from cairn.domain.pages import OWN_POLICY
from cairn.sharing.pages import stock_policy
from infra import site
from infra.site import Site
from tests.infra.synthesis import Assembly

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WHEEL = Path(str(distribution("mlflow").locate_file("mlflow/server/js/build")))
POLICIES = {"stock": stock_policy(["b.s3.eu-west-1.amazonaws.com"]), "own": OWN_POLICY}


@pytest.fixture(scope="module")
def built() -> Site:
    return site.build()


@pytest.fixture(scope="module")
def files(built: Site) -> dict[str, tuple[bytes, dict[str, str]]]:
    """By path: what a browser reads, and how it is sent."""
    with zipfile.ZipFile(built.archive) as archive:
        listed = json.loads(archive.read(LIST))
        assert sorted(archive.namelist()) == sorted([*listed, LIST])
        return {name: (_decoded(archive.read(name), sent), sent) for name, sent in listed.items()}


def _decoded(content: bytes, sent: dict[str, str]) -> bytes:
    return gzip.decompress(content) if sent.get("encoding") == "gzip" else content


def test_the_ui_is_the_wheels_unchanged(built: Site, files: dict[str, tuple[bytes, Any]]) -> None:
    stock = {p.relative_to(WHEEL).as_posix(): p.read_bytes() for p in WHEEL.rglob("*") if p.is_file()}
    assert (built.doors / "index.html").read_bytes() == stock.pop("index.html")
    for name, content in stock.items():
        assert files[f"static-files/{name}"][0] == content, name
    licence = files["static-files/LICENSE.txt"][0].decode()
    assert "Apache License" in licence


def test_what_never_changes_is_kept_for_long_and_the_rest_is_asked_for_again(
    files: dict[str, tuple[bytes, dict[str, str]]],
) -> None:
    for name, (_, sent) in files.items():
        kept = "immutable" in sent["cache"]
        assert kept == bool(re.search(r"\.[0-9a-f]{8,}\.", name)), name
        assert kept or sent["cache"] == "no-cache"
    assert sum("immutable" in sent["cache"] for _, sent in files.values()) > 350


def test_types_are_those_that_browsers_run(files: dict[str, tuple[bytes, dict[str, str]]]) -> None:
    for name, (_, sent) in files.items():
        if name.endswith((".js", ".mjs", ".cjs")):
            assert sent["type"] == "text/javascript; charset=utf-8"
        assert sent["policy"] == ("stock" if name.startswith("static-files/") else "own")
    assert files["sign-in/index.html"][1]["type"] == "text/html; charset=utf-8"


def test_no_file_is_larger_than_api_gateway_sends(built: Site) -> None:
    with zipfile.ZipFile(built.archive) as archive:
        assert max(entry.file_size for entry in archive.infolist()) < 10_000_000


@pytest.mark.parametrize("name", ["cairn/index.html", "sign-in/index.html"])
def test_our_pages_have_nothing_inline(name: str, files: dict[str, tuple[bytes, Any]]) -> None:
    page = files[name][0].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page)
    for address in re.findall(r'(?:src|href)="([^"#]+)"', page):
        below = address.removeprefix("./")
        assert address.startswith("https://") or below in {*files, "", "index.html", "cairn", "sign-in"}, (
            address
        )


@pytest.fixture
def s3() -> "Iterator[S3Client]":
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        for bucket in ("archives", "ui-files"):
            client.create_bucket(Bucket=bucket)
        yield client


def test_files_come_into_their_bucket_as_they_are_to_be_sent(built: Site, s3: "S3Client") -> None:
    s3.put_object(Bucket="archives", Key="a.zip", Body=built.archive.read_bytes())
    bucket = SiteBucket(s3, "ui-files")
    count = bucket.publish("archives", "a.zip", "one", POLICIES)
    main = next(WHEEL.glob("static/js/main.*.js"))
    found = s3.get_object(Bucket="ui-files", Key=f"one/static-files/static/js/{main.name}")
    assert gzip.decompress(found["Body"].read()) == main.read_bytes()
    assert (found["ContentEncoding"], found["ContentType"]) == ("gzip", "text/javascript; charset=utf-8")
    assert found["CacheControl"] == "public, max-age=31536000, immutable"
    assert found["Metadata"] == {"policy": POLICIES["stock"]}
    page = s3.get_object(Bucket="ui-files", Key="one/sign-in/index.html")
    assert (page["CacheControl"], page["Metadata"]) == ("no-cache", {"policy": OWN_POLICY})
    s3.put_object(Bucket="ui-files", Key="two/index.html", Body=b"another build")
    bucket.remove("one")
    bucket.remove("one")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="ui-files")["Contents"]] == ["two/index.html"]
    assert count > 400


def test_pages_of_this_region_may_read_artifacts_by_presigned_url(
    default: Assembly, everything: Assembly
) -> None:
    (rule,) = everything.only("Data", "AWS::S3::Bucket")["Properties"]["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedMethods"] == ["GET", "HEAD"]
    origin, named = rule["AllowedOrigins"]
    assert origin["Fn::Join"][1][0] == "https://*.execute-api."
    assert named == "https://mlflow.example.org"
    assert "CorsConfiguration" not in default.only("Data", "AWS::S3::Bucket")["Properties"]
