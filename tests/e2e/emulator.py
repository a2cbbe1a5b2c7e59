"""ministack, an emulator of AWS, in a virtual environment of its own (it pins botocore).

The environment is made once under build/ and kept for the version that it holds. The server listens on
127.0.0.1 alone, on a port that the system chooses, speaks TLS (the bucket refuses anything else), checks
signatures and policies (AUTH=true), and runs the functions in its own Python; boto3, which Lambda's runtime
brings, is therefore installed beside it.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3
from botocore.config import Config

from tests.e2e import certificate

ROOT = Path(__file__).resolve().parents[2]
PINS = ("ministack==1.5.33", "boto3==1.43.106")
REGION = "us-east-1"
ADMIN = ("test", "test")
"""The emulator's root credentials: those of the account that the stacks are deployed to."""
START_S = 60


@dataclass(frozen=True, slots=True)
class Emulator:
    """``certificate`` is the PEM file that clients trust."""

    url: str
    certificate: Path
    log: Path

    def client(self, service: str, credentials: tuple[str, str] = ADMIN) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            verify=str(self.certificate),
            region_name=REGION,
            aws_access_key_id=credentials[0],
            aws_secret_access_key=credentials[1],
            config=Config(retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}),
        )


def environment() -> Path:
    """The Python of ministack's virtual environment, made when it is missing (about 2 s)."""
    name = "-".join(pin.replace("==", "-") for pin in PINS)
    home = ROOT / "build" / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = home / "bin" / "python"
    if not python.exists():
        unfinished = home.with_name(f"{home.name}.{os.getpid()}")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(unfinished)], check=True)
        target = str(unfinished / "bin" / "python")
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", target, *PINS], check=True)
        try:
            unfinished.rename(home)
        except OSError:  # another process was faster, with the same pins
            shutil.rmtree(unfinished)
    return python


@contextmanager
def running(folder: Path) -> Iterator[Emulator]:
    """ministack until the end of the block; its output goes to a file in ``folder``."""
    port = _free_port()
    tls = certificate.make(folder)
    log = folder / "ministack.log"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CAIRN_", "MLFLOW_"))}
    settings = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(tls.certificate),
        "MINISTACK_SSL_KEY": str(tls.key),
        "AWS_CA_BUNDLE": str(tls.certificate),
        "SSL_CERT_FILE": str(tls.certificate),
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(environment()), "-m", "ministack"],
            env={**inherited, **settings},
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            # The functions run as its children: the whole group is ended below.
            start_new_session=True,
        )
        try:
            emulator = Emulator(f"https://127.0.0.1:{port}", tls.certificate, log)
            _await(process, emulator)
            yield emulator
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(process: subprocess.Popen[bytes], emulator: Emulator) -> None:
    trust = ssl.create_default_context(cafile=emulator.certificate)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"ministack ended at once:\n{emulator.log.read_text()[-4000:]}")
        try:
            with urlopen(f"{emulator.url}/_ministack/health", timeout=2, context=trust):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"ministack did not start in {START_S} s:\n{emulator.log.read_text()[-4000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely, then surely; its group holds nothing but ministack and the functions that it started."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
