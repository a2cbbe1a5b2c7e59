"""The pinned CDK command line: ``python -m infra.cdk deploy --all``.

It runs on the project's own Node, so that a machine needs no Node, npm or global CDK; node_modules is made
from package-lock.json when it is missing or older than the lock.
"""

import os
import subprocess
import sys

from infra.node import node_binary, node_root
from infra.packages import ROOT

CLI = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
NPM = node_root() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def install() -> None:
    """``npm ci``, unless node_modules is as the lock says. Raises CalledProcessError."""
    lock, marker = ROOT / "package-lock.json", ROOT / "node_modules" / ".package-lock.json"
    if marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = [str(node_binary()), str(NPM), "ci", "--silent", "--no-fund", "--no-audit"]
    subprocess.run(command, cwd=ROOT, env=_environment(), check=True)  # noqa: S603 -- our own Node and npm


def run(arguments: list[str]) -> int:
    """The CLI's exit status. The app runs in this interpreter's virtual environment."""
    install()
    app = ["--app", f"{sys.executable} -m infra.app"]
    return subprocess.run(  # noqa: S603 -- our own Node and CLI
        [str(node_binary()), str(CLI), *arguments, *app], cwd=ROOT, env=_environment(), check=False
    ).returncode


def _environment() -> dict[str, str]:
    """With our Node first on the path: npm's own scripts look for ``node`` there."""
    path = os.pathsep.join((str(node_binary().parent), os.environ.get("PATH", os.defpath)))
    return {**os.environ, "PATH": path}


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
