"""What Lambda gets: small, pinned, built for its platform, and renamed when it changes."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest

from infra import packages
from tests.infra.synthesis import Assembly

MAX_ZIPPED = 25_000_000
"""Bytes of everything that a function loads, zipped (the project's budget; Lambda's own limit is 50 MB)."""


def test_packages_are_within_the_budget() -> None:
    layers = [packages.dependencies(), packages.core()]
    sizes = [packages.zipped_size(packages.files_of(layer), layer.path) for layer in layers]
    functions = packages.zipped_size(sorted(packages.FUNCTIONS.glob("*/handler.py")), packages.FUNCTIONS)
    assert 1_000_000 < sum(sizes) + functions <= MAX_ZIPPED, (sizes, functions)


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
    monkeypatch.setattr(packages, "_install", lambda platform, target: target.mkdir(parents=True))
    monkeypatch.setattr(packages, "BUILD", tmp_path)
    assert packages.dependencies().content_hash != before


def test_a_changed_core_is_another_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = tmp_path / "core"
    shutil.copytree(packages.CORE, core, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(packages, "CORE", core)
    monkeypatch.setattr(packages, "BUILD", tmp_path / "build")
    before = packages.core().content_hash
    (core / "python" / "cairn" / "errors.py").write_text("# changed\n")
    assert packages.core().content_hash != before


def test_an_interrupted_build_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(platform: packages.Platform, target: Path) -> None:
        target.mkdir(parents=True)
        raise SystemExit("no network")

    monkeypatch.setattr(packages, "BUILD", tmp_path)
    monkeypatch.setattr(packages, "_install", interrupted)
    with pytest.raises(SystemExit, match="no network"):
        packages.dependencies()
    assert not list(tmp_path.iterdir())


def test_layers_are_compiled_for_the_python_that_runs_them() -> None:
    """This machine stands for Lambda: the same path, with a Python that is surely here."""
    layer = packages.core(packages.HOST).path
    sources = [path for path in layer.rglob("*.py") if "__pycache__" not in path.parts]
    assert sources
    for source in sources:
        assert Path(importlib.util.cache_from_source(str(source))).exists(), source


def test_without_the_runtimes_python_the_deployer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "BUILD", tmp_path)
    monkeypatch.setenv(packages.LAMBDA_PYTHON, "/bin/false")
    layer = packages.core()
    assert "goes uncompiled" in capsys.readouterr().err
    assert not list(layer.path.rglob("*.pyc"))


def test_the_layers_of_the_stack_are_these_builds(default: Assembly) -> None:
    manifest = json.loads((default.folder / "Cairn-prod-Api.assets.json").read_text())["files"]
    assets = {asset["displayName"]: default.folder / asset["source"]["path"] for asset in manifest.values()}
    wheels, built = assets["Layers/Dependencies/Code"], packages.dependencies()
    assert {p.relative_to(wheels) for p in wheels.rglob("*") if p.is_file()} == {
        path.relative_to(built.path) for path in packages.files_of(built)
    }
    assert (assets["Layers/Core/Code"] / "python" / "cairn" / "http.py").is_file()


def test_the_core_layer_is_the_package_without_the_local_server() -> None:
    layer = packages.core()
    files = {path.relative_to(layer.path) for path in packages.files_of(layer)}
    assert Path("python/cairn/errors.py") in files
    assert not [path for path in files if "local" in path.parts]
