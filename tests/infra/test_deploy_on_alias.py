"""examples/deploy_on_alias: its stack, its rule against the catalogue's events, its function against SSM.

The judge of the rule's pattern is moto's EventBridge: a bus with this rule and a queue for a target.
"""

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import boto3
import pytest
from aws_cdk import App
from moto import mock_aws

from cairn.events.catalogue import CATALOGUE, SOURCE, AliasSet, Event, Happening
from examples.deploy_on_alias.app import FUNCTION, build

SET = AliasSet(name="fraud", prompt=False, model_version=4, alias="champion", previous_version=3)
PARAMETER = "/models/fraud/champion"
SAMPLES: Mapping[Any, Any] = {bool: False, int: 4, str: "x", Mapping[str, str]: {"team": "risk"}}


def told(
    happening: Happening, sequence: int = 30_000, *, entity: str = "models/a", time: int = 5_000
) -> Event:
    return Event(happening, entity, sequence, time)


def samples() -> list[Event]:
    """One of each type in the catalogue: of the model, and with the alias, where it has such a field."""
    known = {"name": "fraud", "alias": "champion", "key": "alias", "value": "champion"}
    found = []
    for type_ in CATALOGUE:
        hints = get_type_hints(type_)
        values = {}
        for field in fields(type_):
            (plain,) = [kind for kind in SAMPLES if hints[field.name] in (kind, kind | None)]
            values[field.name] = known.get(field.name, SAMPLES[plain])
        found.append(told(type_(**values)))
    return found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    outdir = str(tmp_path_factory.mktemp("deploy") / "cdk.out")
    app = App(outdir=outdir, context={"model": "fraud", "bus": "cairn-lab"})
    name = build(app).stack_name
    found: dict[str, Any] = app.synth().get_stack_by_name(name).template
    return found


def only(template: dict[str, Any], kind: str) -> tuple[str, dict[str, Any]]:
    """The one resource of a type: its logical id and its properties."""
    (found,) = [
        (name, resource["Properties"])
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    ]
    return found


def delivered(template: dict[str, Any], events: Sequence[Event]) -> list[dict[str, Any]]:
    """What the template's rule passes on of the events, as its target gets it."""
    _, rule = only(template, "AWS::Events::Rule")
    with mock_aws():
        bus = boto3.client("events", region_name="us-east-1")
        queues = boto3.client("sqs", region_name="us-east-1")
        queue = queues.create_queue(QueueName="target")["QueueUrl"]
        known = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        where = {"EventBusName": rule["EventBusName"]}
        bus.create_event_bus(Name=rule["EventBusName"])
        pattern = json.dumps(rule["EventPattern"])
        bus.put_rule(Name="rule", EventPattern=pattern, State=rule["State"], **where)
        bus.put_targets(Rule="rule", Targets=[{"Id": "queue", "Arn": known["QueueArn"]}], **where)
        for event in events:
            entry = {"Source": SOURCE, "DetailType": event.type, "Detail": json.dumps(event.detail())}
            bus.put_events(Entries=[entry | where])
        found = []
        while messages := queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
    return found


def test_the_rule_passes_the_alias_set_and_no_other_type(template: dict[str, Any]) -> None:
    assert len(samples()) == len(CATALOGUE)
    (passed,) = delivered(template, samples())
    assert passed["detail-type"] == "Model Alias Set"


def test_the_rule_passes_the_first_champion_and_a_later_one(template: dict[str, Any]) -> None:
    events = [told(replace(SET, previous_version=None)), told(SET, 40_000)]
    assert [one["detail"] for one in delivered(template, events)] == [one.detail() for one in events]


def test_the_rule_passes_no_other_model_or_alias(template: dict[str, Any]) -> None:
    others = [replace(SET, alias="challenger"), replace(SET, name="fraud-eu")]
    assert delivered(template, [told(other) for other in others]) == []


def test_a_rule_that_is_for_another_alias_passes_that_one(tmp_path: Path) -> None:
    context = {"model": "fraud_detector", "alias": "challenger"}
    app = App(outdir=str(tmp_path / "cdk.out"), context=context)
    name = build(app).stack_name
    assert name == "DeployOnAlias-fraud-detector-challenger"
    other = app.synth().get_stack_by_name(name).template
    _, rule = only(other, "AWS::Events::Rule")
    assert rule["EventBusName"] == "cairn-prod"
    mine = replace(SET, name="fraud_detector")
    (passed,) = delivered(other, [told(mine), told(replace(mine, alias="challenger"))])
    assert passed["detail"]["alias"] == "challenger"


def test_a_model_must_be_named() -> None:
    with pytest.raises(SystemExit, match="-c model=NAME"):
        build(App())


def test_what_fails_is_kept(template: dict[str, Any]) -> None:
    """Both what EventBridge could not hand over and what the function could not do."""
    queue, _ = only(template, "AWS::SQS::Queue")
    function, properties = only(template, "AWS::Lambda::Function")
    _, rule = only(template, "AWS::Events::Rule")
    arn = {"Fn::GetAtt": [queue, "Arn"]}
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [function, "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": arn}
    assert properties["DeadLetterConfig"] == {"TargetArn": arn}
    assert properties["ReservedConcurrentExecutions"] == 1


def test_the_function_may_touch_its_parameter_and_send_to_the_queue(template: dict[str, Any]) -> None:
    queue, _ = only(template, "AWS::SQS::Queue")
    parameter, _ = only(template, "AWS::SSM::Parameter")
    _, policy = only(template, "AWS::IAM::Policy")
    for statement in policy["PolicyDocument"]["Statement"]:
        owner = queue if statement["Action"] == "sqs:SendMessage" else parameter
        assert owner in json.dumps(statement["Resource"])
        assert "*" not in json.dumps(statement["Action"])


class Deployment:
    """The function with the template's parameter, in moto's SSM."""

    def __init__(self, template: dict[str, Any], folder: Path) -> None:
        _, parameter = only(template, "AWS::SSM::Parameter")
        self.client = boto3.client("ssm")
        self.client.put_parameter(Name=parameter["Name"], Value=parameter["Value"], Type=parameter["Type"])
        spec = importlib.util.spec_from_file_location("deploy_handler", folder / "handler.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.handler = module.handler

    def deployed(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.client.get_parameter(Name=PARAMETER)["Parameter"]["Value"])
        return found

    def after(self, *events: Event) -> str:
        """The model's URI that is deployed when these have come, in this order."""
        for event in events:
            assert self.handler(event.envelope(), None) == self.deployed()
        return str(self.deployed()["model_uri"])


@pytest.fixture
def deployment(template: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    _, function = only(template, "AWS::Lambda::Function")
    (name, reference), *_ = function["Environment"]["Variables"].items()
    assert (name, reference) == ("PARAMETER", {"Ref": only(template, "AWS::SSM::Parameter")[0]})
    monkeypatch.setenv(name, PARAMETER)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert function["Handler"] == "handler.handler"
    with mock_aws():
        yield Deployment(template, FUNCTION)


def version(number: int) -> AliasSet:
    return replace(SET, model_version=number)


def test_what_the_rule_passes_is_deployed(deployment: Deployment, template: dict[str, Any]) -> None:
    assert deployment.deployed() == {}
    (passed,) = delivered(template, samples())
    deployment.handler(passed, None)
    assert deployment.deployed()["model_uri"] == "models:/fraud/4"


def test_a_later_event_is_deployed_also_where_it_names_an_earlier_version(deployment: Deployment) -> None:
    assert deployment.after(told(version(4), 10)) == "models:/fraud/4"
    assert deployment.after(told(version(3), 20)) == "models:/fraud/3"


def test_a_repeated_or_late_event_changes_nothing(deployment: Deployment) -> None:
    first, second = told(version(3), 10), told(version(4), 20)
    assert deployment.after(second, first, second) == "models:/fraud/4"
    versions = deployment.client.get_parameter_history(Name=PARAMETER)["Parameters"]
    assert len(versions) == 2  # the empty one and this


def test_a_new_model_of_the_name_begins_anew(deployment: Deployment) -> None:
    """Its sequence does, too: times decide."""
    old = told(version(9), 900, entity="models/a", time=5_000)
    new = told(version(1), 10, entity="models/b", time=6_000)
    assert deployment.after(old, new) == "models:/fraud/1"
    assert deployment.after(old) == "models:/fraud/1"


def test_an_event_of_another_shape_is_an_error(deployment: Deployment) -> None:
    """Which ends in the queue, instead of a guess in the parameter."""
    with pytest.raises(KeyError):
        deployment.handler({"detail": {"name": "fraud"}}, None)
    assert deployment.deployed() == {}
