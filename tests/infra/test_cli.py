"""``python -m infra.app`` and ``python -m infra.cdk``: the pinned tools, and what a wrong setting says."""

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.node import node_binary


def test_a_wrong_setting_is_one_line_and_status_2(root: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=root,
        env={**os.environ, "CAIRN_LOG_DAYS": "31"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("log_days: Value error, CloudWatch Logs keeps 1, 3")
    assert "Traceback" not in ended.stderr


def test_the_lock_pins_the_cdk_and_names_no_registry(root: Path) -> None:
    wanted = json.loads((root / "package.json").read_text())["devDependencies"]
    text = (root / "package-lock.json").read_text()
    locked = json.loads(text)["packages"]
    assert wanted == {"aws-cdk": locked["node_modules/aws-cdk"]["version"]}
    assert "sha512-" in locked["node_modules/aws-cdk"]["integrity"]
    assert "http" not in text


def test_node_comes_from_the_projects_own_wheels() -> None:
    said = subprocess.run([node_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    assert int(said.removeprefix("v").partition(".")[0]) >= 22
    assert os.environ["JSII_NODE"] == str(node_binary())
