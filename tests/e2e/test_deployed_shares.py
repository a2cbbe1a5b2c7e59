"""A share on the deployed template, from the command line to a decision: `cairn share`, the record, the
reconciler's function, the grant, a caller who sees. The emulator has no RAM: the share is with roles of the
own account, in which RAM has no part; tests/sharing has the rest on a fake."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aws_cdk import App, CfnOutput, Stack
from aws_cdk.assertions import Template

from infra.constructs.experiment_share import ExperimentShare
from infra.settings import Settings
from tests.e2e.deployment import ACCOUNT
from tests.e2e.stage import Deployment, deployment

GET = "/api/2.0/mlflow/experiments/get-by-name?experiment_name="
PATIENCE_S = 60


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(
        tmp_path_factory.mktemp("shares"), Settings(stage="shares", owner_roles="Owner")
    ) as made:
        for role in ("Owner", "Reader", "Other"):
            made.add_role(role, made.invoke)
        for name in ("fraud/a", "churn"):
            made.post("experiments/create", {"name": name}, user="Owner")
        yield made


def share(deployed: Deployment, user: str, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = deployed.environment(user) | {"MLFLOW_CAIRN_HOSTS": deployed.emulator.url}
    cairn = str(Path(sys.executable).parent / "cairn")
    return subprocess.run(
        [cairn, "share", *words], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def sees(deployed: Deployment, user: str, name: str) -> bool:
    answer = deployed.send(user, "GET", GET + name.replace("/", "%2F"))
    assert answer.status_code in (200, 404), answer.text
    return answer.status_code == 200


def within(seconds: int, true: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(1)
    return False


def test_a_share_from_its_command_to_its_end(deployed: Deployment) -> None:
    words = ("fraud", "--experiments", "fraud/*", "--principal", ACCOUNT, "--role", "Read*")
    refused = share(deployed, "Reader", "create", *words)
    assert (refused.returncode, "PERMISSION_DENIED" in refused.stderr) == (2, True), refused.stderr
    assert not sees(deployed, "Reader", "fraud/a")

    made = share(deployed, "Owner", "create", *words)
    assert made.returncode == 0, made.stderr
    assert f":{ACCOUNT}:parameter/cairn/shares/shares/fraud" in made.stdout
    assert within(PATIENCE_S, lambda: sees(deployed, "Reader", "fraud/a")), "the API called the reconciler"
    assert not sees(deployed, "Reader", "churn")
    assert not sees(deployed, "Other", "fraud/a")
    status = share(deployed, "Owner", "status", "fraud", "--json")
    (found,) = json.loads(status.stdout)["shares"]
    assert (status.returncode, found["state"], found["problems"]) == (0, "SHARED", [])

    ended = share(deployed, "Owner", "delete", "fraud")
    assert ended.returncode == 0, ended.stderr
    assert within(PATIENCE_S, lambda: not sees(deployed, "Reader", "fraud/a"))


def test_a_share_that_a_stack_declares(deployed: Deployment, tmp_path: Path) -> None:
    stack = Stack(App(outdir=str(tmp_path)), "Declared")
    declared = ExperimentShare(
        stack,
        "Churn",
        deployment="shares",
        share_name="churn",
        experiments=["churn"],
        principals=[ACCOUNT],
        roles=["Other"],
    )
    CfnOutput(stack, "Parameter", value=declared.parameter_arn)
    whole = Template.from_stack(stack).to_json()
    # Without what asks for the CDK's bootstrap: there is no asset.
    template = {name: whole[name] for name in ("Resources", "Outputs")}
    cloudformation = deployed.emulator.client("cloudformation")
    cloudformation.create_stack(StackName="Declared", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="Declared", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    (output,) = cloudformation.describe_stacks(StackName="Declared")["Stacks"][0]["Outputs"]
    assert output["OutputValue"].endswith(":parameter/cairn/shares/shares/churn")
    assert within(PATIENCE_S, lambda: sees(deployed, "Other", "churn"))
    assert not sees(deployed, "Reader", "churn")
    shown = json.loads(share(deployed, "Owner", "show", "churn", "--json").stdout)["share"]
    assert ":stack/Declared/" in shown["declared_by"]

    cloudformation.delete_stack(StackName="Declared")
    assert within(PATIENCE_S, lambda: not sees(deployed, "Other", "churn"))
