"""Who hears events, who delivers and what that may, and what becomes of what fails."""

import json
from typing import Any

from cairn.events.catalogue import CATALOGUE
from cairn.settings import Settings as CoreSettings
from cairn.webhooks.hear import HEARD
from cairn.webhooks.post import SECONDS
from cairn.webhooks.queue import MAX_PAUSE_S, PAUSES_S
from infra.constructs.webhooks import DELIVER_TIMEOUT_S, MAX_RECEIVES
from infra.stacks.api import REQUEST_TIMEOUT_S
from tests.infra.synthesis import Assembly
from tests.infra.test_permissions import as_list, statements


def only(assembly: Assembly, kind: str, name: str) -> dict[str, Any]:
    """The properties of the resource whose logical id begins so."""
    found = assembly.resources("Api", kind).items()
    (one,) = [resource["Properties"] for key, resource in found if key.startswith(name)]
    return dict(one)


def queue(assembly: Assembly, name: str) -> dict[str, Any]:
    found = assembly.resources("Api", "AWS::SQS::Queue").items()
    (one,) = [resource["Properties"] for key, resource in found if key[:-8] == f"Webhooks{name}"]
    return dict(one)


def test_who_delivers_reaches_neither_table_nor_bucket(default: Assembly, everything: Assembly) -> None:
    for assembly in (default, everything):
        held = [statement for owner, statement in statements(assembly) if owner == "WebhooksDeliver"]
        actions = {action for statement in held for action in as_list(statement["Action"])}
        services = {action.partition(":")[0] for action in actions}
        assert services - {"kms"} == {"logs", "sqs", "ssm", "xray"}
        for statement in held:
            text = json.dumps(statement["Resource"])
            assert "Table" not in text
            assert "Artifacts" not in text


def test_a_secret_is_written_by_one_and_read_by_another(default: Assembly) -> None:
    holders = {
        action: (owner, json.dumps(statement["Resource"]))
        for owner, statement in statements(default)
        for action in as_list(statement["Action"])
        if action.startswith("ssm:") and "/shares/" not in json.dumps(statement["Resource"])
    }
    assert {action: owner for action, (owner, _) in holders.items()} == {
        "ssm:GetParameter": "WebhooksDeliver",
        "ssm:PutParameter": "Tracking",
        "ssm:DeleteParameter": "Tracking",
    }
    assert all(":parameter/cairn/prod/webhooks/*" in resource for _, resource in holders.values())
    for name in ("Tracking", "WebhooksDeliver"):
        told = only(default, "AWS::Lambda::Function", name)["Environment"]["Variables"]
        assert told["CAIRN_SECRETS_PATH"] == "/cairn/prod/webhooks"


def test_a_customers_key_encrypts_secrets(default: Assembly, everything: Assembly) -> None:
    told = only(everything, "AWS::Lambda::Function", "Tracking")["Environment"]["Variables"]
    assert "Key" in json.dumps(told["CAIRN_SECRETS_KEY"])
    told = only(default, "AWS::Lambda::Function", "Tracking")["Environment"]["Variables"]
    assert told["CAIRN_SECRETS_KEY"] == ""
    uses = {
        (owner, tuple(as_list(statement["Action"])))
        for owner, statement in statements(everything)
        if "ssm." in json.dumps(statement.get("Condition"))
    }
    assert uses == {("Tracking", ("kms:Encrypt",)), ("WebhooksDeliver", ("kms:Decrypt",))}


def test_the_dispatcher_reads_webhooks_alone(default: Assembly) -> None:
    (statement,) = [
        one
        for owner, one in statements(default)
        if owner == "WebhooksDispatch" and "dynamodb:Query" in as_list(one["Action"])
    ]
    assert statement["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["W#H"]}}


def test_the_rule_hears_what_mlflow_has_webhooks_for(default: Assembly) -> None:
    rule = only(default, "AWS::Events::Rule", "WebhooksHeard")
    assert rule["EventPattern"] == {"source": ["cairn"], "detail-type": list(HEARD)}
    assert set(HEARD) <= {happening.type for happening in CATALOGUE}
    (bus,) = default.resources("Api", "AWS::Events::EventBus")
    assert rule["EventBusName"] == {"Ref": bus}
    assert "WebhooksDispatch" in json.dumps(rule["Targets"])


def test_an_event_that_is_not_heard_is_kept(default: Assembly) -> None:
    config = only(default, "AWS::Lambda::EventInvokeConfig", "WebhooksRepeats")
    assert config["MaximumRetryAttempts"] == 2
    assert "WebhooksUnheard" in json.dumps(config["DestinationConfig"]["OnFailure"])


def test_deliveries_are_repeated_and_end_in_the_dead_letters(default: Assembly) -> None:
    deliveries = queue(default, "Deliveries")
    assert deliveries["RedrivePolicy"]["maxReceiveCount"] == MAX_RECEIVES == len(PAUSES_S) + 1
    assert "WebhooksFailed" in json.dumps(deliveries["RedrivePolicy"]["deadLetterTargetArn"])
    assert deliveries["VisibilityTimeout"] == 6 * DELIVER_TIMEOUT_S
    assert max(*PAUSES_S, MAX_PAUSE_S) <= 12 * 3600 - 6 * DELIVER_TIMEOUT_S, "SQS hides no longer"
    mapping = only(default, "AWS::Lambda::EventSourceMapping", "WebhooksDeliveries")
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 10}


def test_a_test_is_over_before_its_caller(default: Assembly) -> None:
    assert SECONDS < DELIVER_TIMEOUT_S < REQUEST_TIMEOUT_S
    told = only(default, "AWS::Lambda::Function", "Tracking")["Environment"]["Variables"]
    assert "WebhooksDeliver" in json.dumps(told["CAIRN_DELIVER_FUNCTION"])
    names = {field.alias for field in CoreSettings.model_fields.values()}
    assert {name for name in told if name.startswith("CAIRN_")} <= names
