"""The servers as processes of their own, each in a new folder, with their defaults."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.client import Client

HOST = "127.0.0.1"
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers; ``started`` is the seconds that took."""

    name: str
    pid: int
    port: int
    started: float
    database: str
    """URI of MLflow's, folder of Cairn's: where rows can be put straight in."""

    def connect(self, timeout: float = 300.0) -> Client:
        """``timeout`` in seconds is what one answer may take."""
        return Client(HOST, self.port, timeout)

    @contextmanager
    def connection(self) -> Iterator[Client]:
        """A connection for a few requests."""
        client = self.connect()
        try:
            yield client
        finally:
            client.close()

    def kill(self) -> None:
        """End it with what it is computing, which goes on when only the client leaves."""
        os.killpg(self.pid, signal.SIGKILL)


@contextmanager
def both(folder: Path, workers: int | None = None) -> Iterator[tuple[Server, Server]]:
    """MLflow's server and Cairn, side by side on SQLite; stopped and waited for at the end."""
    with ExitStack() as stack:
        mlflow_server = stack.enter_context(mlflow(folder / "mlflow", workers=workers))
        cairn_server = stack.enter_context(cairn(folder / "cairn"))
        yield mlflow_server, cairn_server


@contextmanager
def mlflow(
    folder: Path, uri: str | None = None, name: str = "MLflow", workers: int | None = None
) -> Iterator[Server]:
    """MLflow's server on the database ``uri``, or on a SQLite file in its folder.

    ``workers`` are its processes, by default as many as it starts itself. One alone starts soonest, and
    on a busy machine: of several, those that do not answer their parent for 5 s are ended while they start.
    """
    uri = uri or f"sqlite:///{folder / 'mlflow.db'}"
    command = (
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST),
        *("--backend-store-uri", uri),
        *("--artifacts-destination", str(folder / "artifacts")),
        *(("--workers", str(workers)) if workers else ()),
    )
    with _serving(name, command, folder, uri) as server:
        yield server


@contextmanager
def cairn(folder: Path) -> Iterator[Server]:
    """``cairn local`` on a new data folder."""
    data = str(folder / "data")
    command = str(Path(sys.executable).with_name("cairn"))
    with _serving("Cairn", (command, "local", "--host", HOST, "--data", data), folder, data) as server:
        yield server


@contextmanager
def _serving(name: str, command: Sequence[str], folder: Path, database: str) -> Iterator[Server]:
    folder.mkdir(parents=True)
    port = free_port()
    log = folder / "server.log"
    begun = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(name, process, port, log)
        yield Server(name, process.pid, port, time.perf_counter() - begun, database)
    finally:
        _stop(process)


def _environment() -> dict[str, str]:
    """Ours, without what would slow a server down: MLflow's search tries an optional import at each call
    and compiles it anew where byte code may not be kept."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "MLFLOW_DISABLE_TELEMETRY": "true"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urlopen(f"http://{HOST}:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.02)
    raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The server and the workers that it started: they are one process group."""
    try:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except ProcessLookupError:
        process.wait()
