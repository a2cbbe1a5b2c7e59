"""Who may what on the deployed template: three IAM principals, by the stock client, the plugin and a token.

The grants are put where the reconciler puts them: the emulator has no RAM. Another account's principals are
beyond it as well; tests/unit has their events as API Gateway writes them.
"""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from botocore.session import Session

from cairn.domain.access import Pattern, Permission
from cairn.domain.grants import Grant
from cairn.storage.dynamodb import DynamoDBTable
from cairn.storage.grants import Grants
from cairn.storage.wire import Wire
from infra.settings import Settings
from tests.e2e.deployment import ACCOUNT
from tests.e2e.emulator import ADMIN, REGION
from tests.e2e.stage import Deployment, deployment

FLOW = """
import sys, mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

client, told = MlflowClient(), []

def tell(what, call):
    try:
        told.append((what, call()))
    except MlflowException as error:
        told.append((what, error.error_code))

shared, hidden = sys.argv[1:]
tell("names", lambda: [one.name for one in client.search_experiments()])
tell("get", lambda: client.get_experiment(shared).name)
tell("hidden", lambda: client.get_experiment(hidden).name)
tell("absent", lambda: client.get_experiment("999999").name)
tell("runs", lambda: len(client.search_runs([shared, hidden])))
tell("create", lambda: client.create_run(shared) and "created")
tell("delete", lambda: client.delete_experiment(hidden))
for pair in told:
    print(*pair)
"""
READER = """names ['shared/a']
get shared/a
hidden RESOURCE_DOES_NOT_EXIST
absent RESOURCE_DOES_NOT_EXIST
runs 1
create {create}
delete RESOURCE_DOES_NOT_EXIST
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    settings = Settings(stage="shared", owner_roles="Owner", tokens=True)
    with deployment(tmp_path_factory.mktemp("shared"), settings) as made:
        for role in ("Owner", "Writer"):
            made.add_role(role, made.invoke)
        for user in ("lee", "nobody"):
            made.add_user(user, made.invoke)
        yield made


@pytest.fixture(scope="module")
def places(deployed: Deployment) -> tuple[str, str]:
    """An experiment that is shared, and one that is not."""
    ids = []
    for name in ("hidden", "shared/a"):
        ids.append(deployed.post("experiments/create", {"name": name}, user="Owner")["experiment_id"])
        deployed.post("runs/create", {"experiment_id": ids[-1]}, user="Owner")
    return ids[1], ids[0]


def grant(deployed: Deployment, *grants: Grant) -> None:
    """All that the account holds from now on."""
    session = Session()
    session.set_credentials(*ADMIN)
    session.set_config_variable("ca_bundle", str(deployed.emulator.certificate))
    store = Grants(DynamoDBTable(Wire(session, REGION, deployed.emulator.url), deployed.table))
    assert store.replace(ACCOUNT, grants, store.held([ACCOUNT]))


def flow(deployed: Deployment, user: str, places: tuple[str, str], **settings: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FLOW, *places],
        env=deployed.environment(user) | settings,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_decisions_for_three_principals(deployed: Deployment, places: tuple[str, str]) -> None:
    everything = Pattern("experiments", "prefix", "shared/")
    grant(
        deployed,
        Grant(ACCOUNT, Permission.READ, everything),
        Grant(ACCOUNT, Permission.WRITE, everything, role="Writ*"),
    )
    assert flow(deployed, "lee", places) == READER.format(create="PERMISSION_DENIED")
    plugin = {"MLFLOW_TRACKING_AWS_SIGV4": "false", "MLFLOW_TRACKING_AUTH": "cairn"}
    plugin["MLFLOW_CAIRN_HOSTS"] = deployed.emulator.url
    assert flow(deployed, "lee", places, **plugin) == READER.format(create="PERMISSION_DENIED")
    assert flow(deployed, "Writer", places) == READER.format(create="created")

    minted = deployed.send(
        "Writer", "POST", "/api/3.0/cairn/tokens/create", b'{"permission": "READ"}'
    ).json()
    token = {
        "MLFLOW_TRACKING_URI": f"{deployed.uri}/t",
        "MLFLOW_TRACKING_TOKEN": minted["token"],
        "MLFLOW_TRACKING_AWS_SIGV4": "false",
        "AWS_ACCESS_KEY_ID": "none",
    }
    seen = READER.format(create="PERMISSION_DENIED").replace("runs 1", "runs 2")
    assert flow(deployed, "Writer", places, **token) == seen
    bearer = {"Authorization": f"Bearer {minted['token']}", "Content-Type": "application/json"}
    again = deployed.unsigned("POST", "/t/api/3.0/cairn/tokens/create", b"{}", bearer)
    assert (again.status_code, again.json()["error_code"]) == (403, "PERMISSION_DENIED")

    grant(deployed)
    assert "names []" in flow(deployed, "nobody", places), "who was not asked about before"
    by_owner = flow(deployed, "Owner", places)
    assert "hidden hidden" in by_owner
    assert "delete None" in by_owner
