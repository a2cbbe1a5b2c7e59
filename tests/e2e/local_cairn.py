"""A real ``cairn local`` process for the tests: start it, talk to it, stop it in several ways."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CAIRN = Path(sys.executable).with_name("cairn")

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a 5xx is a failure here, not something to wait out
}


class LocalCairn:
    """``uri`` once it is started; ``output`` collects standard output and error."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [CAIRN, "local", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.output: list[str] = []
        try:
            self.uri = self._await_uri()
            assert self.request("GET", "/health")[0] == 200
        except BaseException:
            self.kill()
            raise
        self.seconds_to_health = time.perf_counter() - began

    @property
    def port(self) -> int:
        port = urlsplit(self.uri).port
        assert port is not None
        return port

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()

    def peak_memory(self) -> int:
        """The most that the process ever held, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(number)
        return self._wait()

    def kill(self) -> None:
        self.process.kill()
        self._wait()

    def _wait(self) -> int:
        rest, _ = self.process.communicate(timeout=30)
        self.output += (rest or "").splitlines()
        return self.process.returncode

    def _await_uri(self) -> str:
        assert self.process.stdout is not None
        uri = None
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))
            found = re.search(r"MLFLOW_TRACKING_URI=(\S+)", line)
            uri = found[1] if found else uri
            if "Ctrl-C" in line and uri:
                return uri
        raise AssertionError(f"cairn local did not start: {self.output}")


@contextmanager
def local_cairn(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[LocalCairn]:
    """A server for the context, ended at its end if it is not already; it must not have complained."""
    server = LocalCairn(*arguments, environment=environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()
        elif server.process.stdout is not None:
            server.process.stdout.close()
    assert not [line for line in server.output if "Traceback" in line or "ERROR" in line], server.output
