"""What Lambda gets: small, pinned, built for its platform, and renamed when it changes."""

import json
import re
from pathlib import Path

import pytest

from infra import packages
from tests.infra.synthesis import Assembly, synthesise

MAX_ZIPPED = 25_000_000
"""Bytes of everything that a function loads, zipped (the project's budget; Lambda's own limit is 50 MB)."""


def test_packages_are_within_the_budget() -> None:
    layer = packages.dependencies().path
    wheels = packages.zipped_size([p for p in layer.rglob("*") if p.is_file()], layer)
    core = packages.zipped_size(packages.core_files(), packages.CORE)
    functions = packages.zipped_size(sorted(packages.FUNCTIONS.glob("*/handler.py")), packages.FUNCTIONS)
    total = wheels + core + functions
    assert 1_000_000 < total <= MAX_ZIPPED, (wheels, core, functions)


def test_wheels_are_lambdas_platform() -> None:
    native = [p.name for p in packages.dependencies().path.rglob("*.so")]
    assert native
    assert all("cpython-313-aarch64-linux-gnu" in name for name in native), native


def test_wheels_are_those_that_the_project_is_tested_with(root: Path) -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", path.read_text(), re.MULTILINE))

    layer, project = pins(packages.REQUIREMENTS), pins(root / "requirements.lock")
    assert "pydantic" in layer
    assert layer == {name: project[name] for name in layer}


def test_every_wheel_is_pinned_by_hash() -> None:
    blocks = re.split(r"\n(?=[a-z])", packages.REQUIREMENTS.read_text().strip())
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


def test_boto3_is_the_runtimes() -> None:
    names = {p.name for p in (packages.dependencies().path / "python").iterdir()}
    assert "pydantic" in names
    assert not names & {"boto3", "botocore", "s3transfer", "mlflow", "waitress"}


def test_other_requirements_or_another_platform_are_another_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = packages.dependencies().content_hash
    assert packages.dependencies(packages.HOST).content_hash != before
    changed = tmp_path / "requirements.txt"
    changed.write_text(packages.REQUIREMENTS.read_text() + "# changed\n")
    monkeypatch.setattr(packages, "REQUIREMENTS", changed)
    monkeypatch.setattr(packages, "_install", lambda platform, path: path.mkdir(parents=True))
    monkeypatch.setattr(packages, "BUILD", tmp_path)
    assert packages.dependencies().content_hash != before


def core_files_of(assembly: Assembly) -> list[Path]:
    """The core layer's asset as it would be uploaded."""
    manifest = json.loads((assembly.folder / "Cairn-prod-Api.assets.json").read_text())
    for asset in manifest["files"].values():
        folder = assembly.folder / asset["source"]["path"]
        if (folder / "python" / "cairn").is_dir():
            return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    raise AssertionError("no core layer among the assets")


def test_the_core_layer_is_the_package_without_the_local_server(default: Assembly) -> None:
    files = core_files_of(default)
    assert Path("python/cairn/errors.py") in files
    assert not [f for f in files if "local" in f.parts or "__pycache__" in f.parts]
    assert {p.relative_to(packages.CORE) for p in packages.core_files()} >= set(files)


def test_a_changed_core_is_a_changed_layer(
    default: Assembly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from infra.settings import Settings

    core = tmp_path / "core"
    shutil.copytree(packages.CORE, core, ignore=shutil.ignore_patterns("__pycache__"))
    (core / "python" / "cairn" / "errors.py").write_text("# changed\n")
    monkeypatch.setattr(packages, "CORE", core)
    changed = synthesise(Settings(), tmp_path / "cdk.out")
    assert changed.resources("Api", "AWS::Lambda::LayerVersion") != default.resources(
        "Api", "AWS::Lambda::LayerVersion"
    )
