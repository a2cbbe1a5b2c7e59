"""``cairn token`` and ``cairn whoami``, and what MLflow's own client does with a token."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_cairn import cli
from mlflow_cairn.provider import CairnAuthProvider
from tests.client.deployed import Deployed, deployed
from tests.client.front import front
from tests.client.shell import enter_shell


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("deployed")) as server:
        yield server


@pytest.fixture
def server(started: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """A shell on a machine with AWS credentials: the tracking URI is the signed front's."""
    enter_shell(monkeypatch, started, MLFLOW_TRACKING_URI=started.uri)
    return started


def cairn(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert cli.main(arguments) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """One line on standard error, nothing on standard output, status 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    said = capsys.readouterr()
    assert (left.value.code, said.out, len(said.err.splitlines())) == (2, "", 1), said.err
    return said.err


def exported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *more: str) -> str:
    """``eval "$(cairn token --export)"``, on a machine that then has no credentials."""
    lines = cairn(capsys, "token", "--export", *more).splitlines()
    for name, _, value in (line.removeprefix("export ").partition("=") for line in lines):
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    return os.environ["MLFLOW_TRACKING_TOKEN"]


def test_whoami_says_what_the_server_takes_one_for(
    server: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    said = cairn(capsys, "whoami")
    assert "arn:aws:iam::123456789012:role/Train" in said
    assert "job-7 (decides nothing)" in said
    assert server.uri in said
    assert server.refused == []


def test_a_token_is_all_that_is_printed(server: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.main(["token"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("cairn_")
    assert len(said.out.split()) == 1
    assert f"{server.uri}/t" in said.err
    assert said.out.strip() not in said.err
    assert json.loads(server.seen[-1].body) == {"permission": "READ", "hours": 1}
    told = json.loads(cairn(capsys, "token", "--json", "--permission", "WRITE", "--hours", "12"))
    assert (told["permission"], told["tracking_uri"]) == ("WRITE", f"{server.uri}/t")


def test_the_stock_client_reads_by_a_token_and_changes_nothing_by_it(
    server: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(capsys, monkeypatch)
    client = MlflowClient()
    assert client.get_experiment("0").name == "Default"
    assert client.search_runs(["0"]) == []
    with pytest.raises(MlflowException, match="READ"):
        client.create_run("0")
    assert server.refused == []
    assert all(seen.path.startswith("/t/") for seen in server.seen[1:])


def test_the_stock_client_trains_by_a_token_that_writes(
    server: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exported(capsys, monkeypatch, "--permission", "WRITE")
    client = MlflowClient()
    experiment = client.create_experiment("by token", tags={"a b": "c d"})
    run = client.create_run(experiment).info
    client.log_metric(run.run_id, "loss", 0.5)
    (tmp_path / "notes.txt").write_text("kept")
    client.log_artifact(run.run_id, str(tmp_path / "notes.txt"))
    assert client.get_run(run.run_id).data.metrics == {"loss": 0.5}
    assert [file.path for file in client.list_artifacts(run.run_id)] == ["notes.txt"]
    (tmp_path / "down").mkdir()
    assert (
        Path(client.download_artifacts(run.run_id, "notes.txt", str(tmp_path / "down"))).read_text()
        == "kept"
    )
    with pytest.raises(MlflowException, match="MANAGE"):
        client.delete_run(run.run_id)


def test_the_plugin_leaves_a_token_as_it_is_and_files_to_the_api(
    server: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MLFLOW_TRACKING_AUTH=cairn beside it creates have keys, and S3's denials lead to the API."""
    from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories

    token = exported(capsys, monkeypatch, "--permission", "WRITE")
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "cairn")
    monkeypatch.setitem(get_registered_artifact_repositories(), "s3", _stock_s3())
    client = MlflowClient()
    assert client.create_run("0").info.run_id
    (create,) = [seen for seen in server.seen if seen.path.endswith("/runs/create")]
    assert create.headers["authorization"] == f"Bearer {token}"
    assert create.headers["idempotency-key"]
    assert not [name for name in create.headers if name.startswith("x-amz")]
    assert issubclass(get_registered_artifact_repositories()["s3"], _detour())


def test_the_plugin_lets_no_token_go_to_a_strangers_host(
    server: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = exported(capsys, monkeypatch)
    bearer = {"Authorization": f"Bearer {token}"}
    auth = CairnAuthProvider().get_auth()
    for url in ("https://stranger.example.org/x", "http://stranger.example.org/x"):
        with pytest.raises(MlflowException):
            requests.Request("GET", url, headers=bearer, auth=auth).prepare()
    with front(None) as stranger:
        server.redirects = {}
        prepared = requests.Request("GET", f"{stranger.uri}/x", headers=bearer, auth=auth).prepare()
        assert prepared.headers["Authorization"], "this machine's own server, over http"


def test_a_revoked_token_is_refused_in_words(
    server: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = cairn(capsys, "token").strip()
    assert "until" in cairn(capsys, "token", "--list")
    said = cairn(capsys, "token", "--revoke")
    assert "arn:aws:iam::123456789012:role/Train" in said
    assert cairn(capsys, "token", "--list") == "No token is good.\n"
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    with pytest.raises(MlflowException, match="unknown, expired or revoked"):
        MlflowClient(f"{server.uri}/t").get_experiment("0")


def test_a_token_is_minted_from_the_token_fronts_uri_too(
    server: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a signature: the URI in the environment may be that of the token before."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{server.uri}/t/")
    assert cairn(capsys, "token").startswith("cairn_")
    assert server.seen[-1].path == "/api/3.0/cairn/tokens/create"


def test_what_is_wrong_is_one_line(
    server: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "READ" in refused(capsys, "token", "--permission", "MANAGE")
    assert "1 to 12" in refused(capsys, "token", "--hours", "13")
    assert "INVALID_PARAMETER_VALUE" in refused(capsys, "token", "--revoke", "--principal", "Train")
    assert "https" in refused(capsys, "whoami", "--server", "http://stranger.example.org")
    assert "no https URL" in refused(capsys, "whoami", "--server", "sqlite:///mlflow.db")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDUNKNOWN")
    assert "UNAUTHENTICATED" in refused(capsys, "whoami")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "MLFLOW_TRACKING_URI" in refused(capsys, "token")
    assert "COMMAND" in refused(capsys)


def _stock_s3() -> type:
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    return S3ArtifactRepository


def _detour() -> type:
    from mlflow_cairn.artifacts import Detour

    return Detour
