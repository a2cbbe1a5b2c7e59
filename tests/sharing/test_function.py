"""The reconciler's function: events that lie, what it counts, its clients, and how the API calls it."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cairn import app, shares
from cairn.services.declared import Declarer
from cairn.settings import Settings
from cairn.sharing import connect
from cairn.sharing.direct import Folder
from cairn.sharing.ram import Unavailable
from cairn.sharing.shares import Here
from cairn.storage.sqlite import SqliteTable
from tests.sharing.ram_fake import (
    OWNER,
    FakeOrganizations,
    FakeRam,
    FakeSsm,
    refusal,
    unit_arn,
)
from tests.sharing.stage import ALICE, BOB, FOLDER, HERE, URI, Stage
from tests.upkeep.test_handlers import Context, function

SHARES = f"arn:aws:ssm:eu-central-1:{OWNER}:parameter/cairn/prod/shares"
SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
FORGED: dict[str, Any] = {
    "a share that nobody made": {
        "source": "aws.ram",
        "detail-type": "Resource Sharing State Change",
        "resources": ["arn:aws:ram:eu-central-1:666666666666:resource-share/evil"],
        "detail": {"event": "Resource Share Association", "status": "associated", "principal": BOB},
    },
    "a call that nobody sent": {
        "source": "aws.ram",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventName": "AssociateResourceShare",
            "requestParameters": {"principals": [BOB], "resourceShareArn": "arn"},
        },
    },
    "a deletion that nobody sent": {
        "source": "aws.ram",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventName": "DeleteResourceShare", "requestParameters": {"resourceShareArn": "arn"}},
    },
    "grants": {"grants": [{"holder": BOB, "permission": "MANAGE"}], "shares": [], "report": {"changed": 9}},
    "nothing": {},
}


@pytest.fixture
def handler(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CAIRN_SHARES", SHARES)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Cairn")
    module = function("reconciler", monkeypatch)
    monkeypatch.setattr(module, "reconciler", stage.reconciler())
    return module.handler


@pytest.mark.parametrize("event", FORGED.values(), ids=FORGED)
def test_an_event_says_when_and_nothing_else_of_it_is_believed(
    stage: Stage, handler: Any, event: dict[str, Any]
) -> None:
    share = stage.settled()
    text = json.dumps(event).replace('"arn"', json.dumps(share.ram_arn))
    held = stage.held(ALICE)
    handler(json.loads(text), Context())
    assert stage.holders() == {ALICE}
    assert stage.held(ALICE) == held


def test_events_may_be_lost_doubled_and_out_of_order(stage: Stage, handler: Any) -> None:
    """The deletion comes before the association that it follows on, twice, and the last one never."""
    share = stage.settled(principals=(ALICE, BOB))
    stage.world.revoke(share.ram_arn, BOB)
    for name in ("a deletion that nobody sent", "a call that nobody sent", "a call that nobody sent"):
        handler(FORGED[name], Context())
        assert stage.holders() == {ALICE}
    stage.world.revoke(share.ram_arn, ALICE)
    handler(SCHEDULE, Context())
    assert stage.holders() == set()


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return dict(json.loads(lines[-1])) if lines else {}


def test_what_a_person_has_to_look_at_is_counted_and_nothing_else(
    stage: Stage, handler: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    share = stage.settled()
    handler(SCHEDULE, Context())
    assert metrics(capsys) == {}, "a metric that is there every hour costs money every month"
    stage.world.revoke(share.ram_arn, ALICE)
    stray = stage.world.shares[share.ram_arn]
    stage.shares.remove(stage.shares.get("fraud"))
    stage.share("churn", (BOB,))
    handler(SCHEDULE, Context())
    found = metrics(capsys)
    assert (found["UnmatchedShares"], stray.status) == ([1.0], "ACTIVE")


def test_a_reading_that_fails_fails_the_run_so_that_lambda_repeats_it(stage: Stage, handler: Any) -> None:
    stage.settled()

    def throttle(operation: str) -> None:
        raise refusal(operation, "ThrottlingException")

    stage.world.before_call = throttle
    with pytest.raises(Unavailable):
        handler(SCHEDULE, Context())


class Clients:
    """``boto3.client``: the fakes of a stage, and what each was made with."""

    def __init__(self, stage: Stage, *, role: bool = True) -> None:
        self.stage, self.role = stage, role
        self.made: dict[str, dict[str, Any]] = {}
        self.invoked: list[dict[str, Any]] = []

    def __call__(self, service: str, **arguments: Any) -> Any:
        self.made[service] = arguments
        world = self.stage.world
        others = {"sts": self, "lambda": self}
        return {
            "ram": FakeRam(world),
            "ssm": FakeSsm(world),
            "s3": self.stage.s3,
            "organizations": FakeOrganizations(world),
        }.get(service) or others[service]

    def assume_role(self, **arguments: Any) -> Any:
        if not self.role:
            raise refusal("AssumeRole", "AccessDenied")
        assert arguments == {"RoleArn": "role", "RoleSessionName": "cairn-reconciler"}
        return {"Credentials": {"AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t"}}

    def invoke(self, **arguments: Any) -> Any:
        self.invoked.append(arguments)
        if not self.role:
            raise ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")


@pytest.mark.parametrize("role", [True, False])
def test_organizations_is_asked_by_the_role_that_may(stage: Stage, role: bool) -> None:
    unit = stage.world.add_unit("ou-ab12-aaaaaaaa", {ALICE})
    stage.share("fraud", (unit,))
    clients = Clients(stage, role=role)
    for _ in range(3):
        given = (clients, None, stage.shares, stage.grants, HERE, "role", lambda: stage.now)
        report = connect.reconciler(*given).run()
        stage.world.settle()
    assert stage.holders() == ({ALICE} if role else set())
    assert report.problems == (0 if role else 1)
    if role:
        assert clients.made["organizations"]["aws_session_token"] == "t"
    assert {one["region_name"] for one in clients.made.values()} == {"eu-central-1"}


def test_without_a_role_no_unit_is_read(stage: Stage) -> None:
    unit = stage.world.add_unit("ou-ab12-aaaaaaaa", {ALICE})
    share = stage.settled("fraud", (BOB,))
    stage.world.put_in(share.ram_arn, unit)
    clients = Clients(stage)
    connect.reconciler(clients, None, stage.shares, stage.grants, HERE, "", lambda: stage.now).run()
    assert stage.holders() == {BOB}
    assert "organizations_role" in stage.shares.get("fraud").found.problems[0]
    assert unit == unit_arn("ou-ab12-aaaaaaaa")


@pytest.mark.parametrize("folder", [FOLDER, None])
def test_the_bucket_is_asked_where_the_deployer_says_so(stage: Stage, folder: Folder | None) -> None:
    stage.share("fraud", (ALICE,), direct=("12",))
    clients = Clients(stage)
    given = (clients, None, stage.shares, stage.grants, HERE, "", lambda: stage.now, folder)
    for _ in range(3):
        connect.reconciler(*given).run()
        stage.world.settle()
        stage.world.accept(ALICE)
    assert ("s3" in clients.made) == (folder is not None)
    assert ("artifacts/12/*" in (stage.world.policy or "")) == (folder is not None)


def test_the_api_calls_without_waiting_and_without_fear(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    clients = Clients(stage)
    connect.nudge(clients, None, "eu-central-1", "reconciler")
    assert clients.invoked == [{"FunctionName": "reconciler", "InvocationType": "Event", "Payload": b"{}"}]
    with caplog.at_level(logging.WARNING):
        connect.nudge(Clients(stage, role=False), None, "eu-central-1", "reconciler")
    assert "by the clock alone" in caplog.text


def test_a_deployment_is_wired_by_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = SqliteTable(tmp_path / "table.db")
    stage = Stage()
    clients = Clients(stage)
    for root in (app, shares):
        monkeypatch.setattr(root, "_table", lambda settings: table)
    monkeypatch.setattr("boto3.client", clients)
    settings = Settings(
        CAIRN_TABLE="t",
        CAIRN_BUCKET="b",
        AWS_REGION="eu-central-1",
        CAIRN_ACCOUNT=OWNER,
        CAIRN_SHARES=SHARES,
        CAIRN_RECONCILER="reconciler",
        CAIRN_URI=URI,
        CAIRN_ORGANIZATIONS_ROLE="role",
    )
    wired = app.build(settings).stores.shares
    assert wired is not None
    assert (wired.place.account, wired.place.reads_organizations) == (OWNER, True)
    assert wired.parameter("fraud") == f"{SHARES}/fraud"
    assert Here.of(SHARES, URI) == HERE
    wired.nudge()
    assert clients.invoked[0]["FunctionName"] == "reconciler"
    wired.store.create(stage.share())
    assert shares.build_reconciler(settings).run().shares == 1
    assert list(stage.world.parameters) == ["/cairn/prod/shares/fraud"]
    assert "s3" not in clients.made
    direct = settings.model_copy(update={"direct_s3": True, "bucket": "bucket"})
    place = shares.shares(table, direct).place
    assert (wired.place.direct_s3, place.direct_s3) == (False, True)
    assert shares.build_reconciler(direct).run().shares == 1
    assert "GetBucketPolicy" in stage.world.calls
    assert app.build(settings.model_copy(update={"shares": ""})).stores.shares is None
    assert isinstance(shares.build_declarer(settings), Declarer)
    table.close()
    stage.close()
