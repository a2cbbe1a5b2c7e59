"""What reconciles shares: what calls for it, what it may touch, what it is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from cairn.settings import Settings as CoreSettings
from cairn.sharing.reconcile import GRACE_MS
from cairn.sharing.shares import Here
from cairn.storage import keys
from infra import permissions
from infra.constructs.experiment_share import ExperimentShare, export_of
from infra.constructs.sharing import RAM_CALLS, TIMEOUT_S
from infra.settings import Settings
from tests.infra.synthesis import Assembly, synthesise
from tests.infra.test_permissions import as_list, statements
from tests.sharing.test_declared import PROPERTIES


def only(assembly: Assembly, kind: str, name: str) -> dict[str, Any]:
    found = assembly.resources("Api", kind).items()
    (one,) = [resource["Properties"] for key, resource in found if key.startswith(name)]
    return dict(one)


def told(assembly: Assembly, name: str) -> dict[str, Any]:
    return dict(only(assembly, "AWS::Lambda::Function", name)["Environment"]["Variables"])


def held(assembly: Assembly, action: str, owner: str = "SharingReconciler") -> dict[str, Any]:
    (statement,) = [
        one for who, one in statements(assembly) if who == owner and action in as_list(one["Action"])
    ]
    return statement


def test_it_comes_every_five_minutes_and_after_each_change_of_a_share(default: Assembly) -> None:
    assert only(default, "AWS::Events::Rule", "SharingSchedule")["ScheduleExpression"] == "rate(5 minutes)"
    changed = only(default, "AWS::Events::Rule", "SharingRamChanged")["EventPattern"]
    assert changed == {"source": ["aws.ram"], "detail-type": ["Resource Sharing State Change"]}
    called = only(default, "AWS::Events::Rule", "SharingRamCalled")["EventPattern"]
    assert called["detail"]["eventSource"] == ["ram.amazonaws.com"]
    assert set(called["detail"]["eventName"]) == set(RAM_CALLS)
    for name in ("Schedule", "RamChanged", "RamCalled"):
        rule = only(default, "AWS::Events::Rule", f"Sharing{name}")
        assert rule["State"] == "ENABLED"
        assert "SharingReconciler" in json.dumps(rule["Targets"])


def test_trails_tell_of_calls_that_ram_has() -> None:
    import botocore.session

    model = botocore.session.get_session().get_service_model("ram")
    assert set(RAM_CALLS) <= set(model.operation_names)


def test_a_run_that_failed_is_repeated_and_an_old_event_forgotten(default: Assembly) -> None:
    config = only(default, "AWS::Lambda::EventInvokeConfig", "SharingRepeats")
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 300)


def test_the_alarms_watch_what_the_function_counts(default: Assembly) -> None:
    service = told(default, "SharingReconciler")["POWERTOOLS_SERVICE_NAME"]
    for name in ("ShareProblems", "UnmatchedShares"):
        alarm = only(default, "AWS::CloudWatch::Alarm", f"Monitoring{name}")
        assert alarm["Dimensions"] == [{"Name": "service", "Value": service}]
        assert (alarm["Namespace"], alarm["EvaluationPeriods"]) == ("Cairn", 3)


def test_a_run_ends_long_before_the_record_forgets_who_it_may_be_writing_for(default: Assembly) -> None:
    function = only(default, "AWS::Lambda::Function", "SharingReconciler")
    assert function["Timeout"] == TIMEOUT_S
    assert GRACE_MS >= 3 * TIMEOUT_S * 1000


def test_of_the_table_it_reaches_grants_and_shares(default: Assembly) -> None:
    statement = held(default, "dynamodb:PutItem")
    leading = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert leading == ["G#*", "W#R"]
    assert set(as_list(statement["Action"])) == set(permissions.RECONCILE)
    assert keys.grants("444455556666").pk.startswith("G#")
    assert keys.share("fraud").pk == "W#R"


def test_it_changes_shares_of_this_deployment_alone(default: Assembly) -> None:
    changed = held(default, "ram:DeleteResourceShare")
    assert changed["Condition"] == {"StringEquals": {"aws:ResourceTag/cairn:deployment": "prod"}}
    made = held(default, "ram:CreateResourceShare")["Condition"]["StringEquals"]
    assert made == {"aws:RequestTag/cairn:deployment": "prod", "ram:RequestedResourceType": "ssm:Parameter"}
    path = held(default, "ssm:PutParameter")["Resource"]
    assert ":parameter/cairn/prod/shares/*" in json.dumps(path)


def test_units_are_read_by_the_role_that_was_named(default: Assembly, everything: Assembly) -> None:
    role = "arn:aws:iam::999999999999:role/CairnReadsOrganization"
    assert held(everything, "sts:AssumeRole")["Resource"] == role
    for name in ("SharingReconciler", "Tracking"):
        assert told(everything, name)["CAIRN_ORGANIZATIONS_ROLE"] == role
        assert told(default, name)["CAIRN_ORGANIZATIONS_ROLE"] == ""


def test_who_writes_shares_knows_whom_the_gate_lets_in(default: Assembly, everything: Assembly) -> None:
    for name in ("Tracking", "SharingDeclarer"):
        assert told(default, name)["CAIRN_GATE"] == "own-account"
        assert told(everything, name)["CAIRN_GATE"] == "organisation:o-a1b2c3d4e5"


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(Settings(direct_s3=True), tmp_path_factory.mktemp("direct") / "cdk.out")


def test_the_buckets_policy_is_changed_where_the_deployer_says_so(
    default: Assembly, direct: Assembly
) -> None:
    """By the reconciler alone, that bucket's, by the two calls that it makes."""
    statement = held(direct, "s3:PutBucketPolicy")
    assert set(as_list(statement["Action"])) == {"s3:GetBucketPolicy", "s3:PutBucketPolicy"}
    assert list(statement["Resource"]) == ["Fn::ImportValue"]
    assert "Artifacts" in json.dumps(statement["Resource"])
    holders = {owner for owner, one in statements(direct) if "BucketPolicy" in json.dumps(one["Action"])}
    assert holders == {"SharingReconciler"}
    assert "BucketPolicy" not in json.dumps([one["Action"] for _, one in statements(default)])
    assert direct.findings == ()
    for name in ("SharingReconciler", "SharingDeclarer", "Tracking"):
        assert told(direct, name)["CAIRN_DIRECT_S3"] == "true"
        assert "CAIRN_DIRECT_S3" not in told(default, name)


def test_direct_s3_changes_nothing_of_what_is_kept(default: Assembly, direct: Assembly) -> None:
    """CloudFormation's policy is the same: it is the reconciler that adds to it."""
    assert direct.templates["Data"]["Resources"] == default.templates["Data"]["Resources"]


def test_what_functions_are_told_is_what_the_core_reads(default: Assembly, direct: Assembly) -> None:
    names = {field.alias for field in CoreSettings.model_fields.values()}
    for name in ("SharingReconciler", "Tracking"):
        assert {key for key in told(direct, name) if key.startswith("CAIRN_")} <= names
        assert {key for key in told(default, name) if key.startswith("CAIRN_")} <= names
    parts = told(default, "SharingReconciler")["CAIRN_SHARES"]["Fn::Join"][1]
    values = {"AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "111122223333"}
    text = "".join(part if isinstance(part, str) else values[part["Ref"]] for part in parts)
    here = Here.of(text, "uri")
    assert here == Here("aws", "111122223333", "eu-central-1", "prod", "uri", "/cairn/prod/shares")


def test_the_parameter_points_to_the_api(default: Assembly) -> None:
    uri = json.dumps(told(default, "SharingReconciler")["CAIRN_URI"])
    (api,) = default.resources("Api", "AWS::ApiGateway::RestApi")
    assert f'{{"Ref": "{api}"}}' in uri
    assert "https://" in uri
    assert '"/prod"' in uri


def test_the_api_calls_for_it_and_may_do_nothing_else_with_it(default: Assembly) -> None:
    assert "SharingReconciler" in json.dumps(told(default, "Tracking")["CAIRN_RECONCILER"])
    calls = [
        json.dumps(one["Resource"])
        for owner, one in statements(default)
        if owner == "Tracking" and "lambda:InvokeFunction" in as_list(one["Action"])
    ]
    assert any("SharingReconciler" in call for call in calls)


def test_who_keeps_declared_shares_writes_records_alone(default: Assembly) -> None:
    statement = held(default, "dynamodb:PutItem", "SharingDeclarer")
    assert statement["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["W#R"]}
    outputs = default.templates["Api"]["Outputs"].values()
    (output,) = [one for one in outputs if one.get("Export", {}).get("Name") == export_of("prod")]
    assert "SharingDeclarer" in json.dumps(output["Value"])


def test_the_construct_asks_for_what_the_function_reads(tmp_path: Path) -> None:
    stack = Stack(App(outdir=str(tmp_path)), "Shares")
    share = ExperimentShare(
        stack,
        "Fraud",
        deployment="prod",
        share_name="fraud",
        permission="WRITE",
        principals=PROPERTIES["Principals"],
        experiments=PROPERTIES["Experiments"],
        models=PROPERTIES["Models"],
        roles=PROPERTIES["Roles"],
    )
    (resource,) = Template.from_stack(stack).to_json()["Resources"].values()
    properties = resource["Properties"]
    assert properties.pop("ServiceToken") == {"Fn::ImportValue": export_of("prod")}
    assert properties.pop("ServiceTimeout") == "120"
    assert properties == PROPERTIES
    assert "ParameterArn" in json.dumps(stack.resolve(share.parameter_arn))
