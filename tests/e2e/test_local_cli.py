"""The command ``cairn``: how it starts, stops, and says what is wrong."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.local_cairn import CAIRN, LocalCairn, local_cairn


def run(
    *arguments: str, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [CAIRN, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env=environment,
    )


def assert_refused(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """One line on standard error with these words, nothing on standard output, status 2."""
    assert (done.returncode, done.stdout) == (2, ""), done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_help_names_the_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert re.search(r"local\s+serve MLflow's tracking API", done.stdout)


def test_help_of_local_names_every_option() -> None:
    done = run("local", "--help")
    assert done.returncode == 0
    options = ("--host", "--port", "--data", "--ephemeral", "--aws-endpoint", "--events")
    for option in (*options, "MLFLOW_TRACKING_URI"):
        assert option in done.stdout


def test_version() -> None:
    assert re.fullmatch(r"cairn \d+\.\d+\.\d+\n", run("--version").stdout)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "COMMAND"),
        (["nonsense"], "nonsense"),
        (["local", "--nonsense"], "--nonsense"),
        (["local", "--port", "http"], "'http' is no port"),
        (["local", "--port", "65536"], "'65536' is no port"),
        (["local", "--port", "-1"], "--port"),
        (["local", "--aws-endpoint", "nonsense"], "'nonsense' is no URL"),
        (["local", "--aws-endpoint", "ftp://127.0.0.1"], "no URL"),
        (["local", "--aws-endpoint", "http://"], "no URL"),
        (["local", "--aws-endpoint", "http://127.0.0.1:99999"], "no URL"),
        (["local", "--data", "x", "--ephemeral"], "--ephemeral"),
        (["local", "--aws-endpoint", "http://127.0.0.1:1", "--data", "x"], "--aws-endpoint"),
        (["local", "--host", "no-such-host.invalid"], "no-such-host.invalid"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], word: str, tmp_path: Path) -> None:
    assert_refused(run(*arguments, cwd=tmp_path), word)
    assert not list(tmp_path.iterdir())


def test_an_endpoint_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        arguments = ("local", "--port", "0", "--aws-endpoint", endpoint)
        assert_refused(run(*arguments, cwd=tmp_path, environment=dict(os.environ) | keys), endpoint)


def test_an_endpoint_without_credentials_is_one_line(tmp_path: Path) -> None:
    without = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    arguments = ("local", "--port", "0", "--aws-endpoint", "http://127.0.0.1:1")
    assert_refused(run(*arguments, environment=without | nowhere), "AWS_ACCESS_KEY_ID")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert_refused(run("local", "--ephemeral", "--port", port), port, "in use")


def test_a_data_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert_refused(run("local", "--port", "0", "--data", str(file)), str(file))
    assert file.read_text() == "mine"


def test_a_data_folder_in_a_place_that_cannot_be_written_is_one_line() -> None:
    assert_refused(run("local", "--port", "0", "--data", "/proc/cairn"), "/proc/cairn")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_data_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert_refused(run("local", "--port", "0", "--data", str(locked)), str(locked))


def test_a_database_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cairn.db").write_bytes(b"this is not a database" * 100)
    assert_refused(run("local", "--port", "0", "--data", str(tmp_path)), "cairn.db")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_clean(number: signal.Signals, tmp_path: Path) -> None:
    server = LocalCairn("--data", str(tmp_path / "data"))
    assert server.end(number) == 0
    assert not [line for line in server.output if "Traceback" in line], server.output
    assert not list((tmp_path / "data" / "uploads").iterdir())


def test_a_terminal_that_is_idle_for_a_client_still_ends_clean(tmp_path: Path) -> None:
    """An open keep-alive connection, and one that sent half a request, do not hold the server up."""
    server = LocalCairn("--ephemeral")
    with (
        closing(socket.create_connection(("127.0.0.1", server.port))) as idle,
        closing(socket.create_connection(("127.0.0.1", server.port))) as half,
    ):
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in idle.recv(4096)
        half.sendall(b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        assert server.end(signal.SIGINT) == 0


def test_ephemeral_data_is_dropped_at_the_end(tmp_path: Path) -> None:
    with local_cairn("--ephemeral", environment={"TMPDIR": str(tmp_path)}) as server:
        assert list(tmp_path.iterdir())
        assert server.end() == 0
    assert not list(tmp_path.iterdir())


def test_the_default_folder_is_hidden_from_git(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [CAIRN, "local", "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert str(tmp_path / ".cairn") in process.stdout.readline()
        assert (tmp_path / ".cairn" / ".gitignore").read_text() == "*\n"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_two_servers_share_a_folder_and_say_so(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with local_cairn("--data", data) as first, local_cairn("--data", data) as second:
        assert not any("Another cairn" in line for line in first.output)
        assert any("Another cairn" in line for line in second.output)
        status, _ = first.request(
            "POST",
            "/api/2.0/mlflow/experiments/create",
            b'{"name": "shared"}',
            {"Content-Type": "application/json"},
        )
        assert status == 200
        status, body = second.request(
            "GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=shared"
        )
        assert (status, b"shared" in body) == (200, True)


def test_what_a_killed_server_had_half_received_is_dropped_by_the_next_that_is_alone(
    tmp_path: Path,
) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    (uploads / "half-a-file").write_bytes(b"x")
    with local_cairn("--data", str(tmp_path)):
        assert not list(uploads.iterdir())
        (uploads / "under-way").write_bytes(b"x")
        with local_cairn("--data", str(tmp_path)):
            assert [path.name for path in uploads.iterdir()] == ["under-way"]


def test_it_warns_when_others_can_reach_it(tmp_path: Path) -> None:
    with local_cairn("--ephemeral", "--host", "0.0.0.0") as server:
        assert any("no access control" in line for line in server.output)


def test_the_time_to_health_is_reported(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The promise is 1.5 s on a laptop; machines differ, so it is printed and not asserted."""
    with local_cairn("--data", str(tmp_path)) as server:
        record_property("report", f"cairn local: healthy {server.seconds_to_health:.2f} s after its start")
        assert server.request("GET", "/health") == (200, b"OK")


def test_other_names_and_pages_are_refused_unless_a_host_is_given() -> None:
    foreign = {"Host": "evil.example"}
    with local_cairn("--ephemeral") as server:
        assert server.request("GET", "/health", headers=foreign)[0] == 403
        assert server.request("GET", "/health", headers={"Origin": "http://evil.example"})[0] == 403
        assert b'id="root"' in server.request("GET", "/")[1]
    with local_cairn("--ephemeral", "--host", "127.0.0.1") as server:
        assert server.request("GET", "/health", headers=foreign)[0] == 200
