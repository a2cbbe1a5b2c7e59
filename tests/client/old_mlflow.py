"""The oldest MLflow that the plugin is for, beside SageMaker's plugin, in an environment of its own.

It is made once under build/ (a few seconds) and kept for what it holds; the plugin in it is the one of this
checkout.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = ("mlflow-skinny==3.5.0", "sagemaker-mlflow==0.5.0", "boto3==1.43.106")


def environment() -> Path:
    """Its Python."""
    what = "\n".join((*PINS, sys.version, (ROOT / "client" / "pyproject.toml").read_text()))
    home = ROOT / "build" / f"mlflow-3.5-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    python = home / "bin" / "python"
    if not python.exists():
        unfinished = home.with_name(f"{home.name}.{os.getpid()}")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(unfinished)], check=True)
        install = [*uv, "pip", "install", "--quiet", "--python", str(unfinished / "bin" / "python")]
        subprocess.run([*install, *PINS, "-e", str(ROOT / "client")], check=True)
        try:
            unfinished.rename(home)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
    return python
