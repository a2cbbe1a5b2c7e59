"""The bus, the second consumer of the stream, and what becomes of events that are not published."""

import json
from typing import Any

from cairn.settings import Settings as CoreSettings
from cairn.storage.stream import FOLLOWED, WATCHED
from infra.constructs.events import PUBLISHER_TIMEOUT_S, WINDOW_S
from tests.infra.synthesis import Assembly


def publisher(assembly: Assembly) -> dict[str, Any]:
    found = assembly.resources("Api", "AWS::Lambda::Function").items()
    (one,) = [resource["Properties"] for name, resource in found if name.startswith("EventsPublisher")]
    return dict(one)


def consumer(assembly: Assembly) -> dict[str, Any]:
    found = assembly.resources("Api", "AWS::Lambda::EventSourceMapping").items()
    (one,) = [resource["Properties"] for name, resource in found if name.startswith("EventsStream")]
    return dict(one)


def test_a_bus_of_a_name_that_rules_can_say(default: Assembly, everything: Assembly) -> None:
    for assembly, name in ((default, "cairn-prod"), (everything, "cairn-lab")):
        assert assembly.only("Api", "AWS::Events::EventBus")["Properties"]["Name"] == name


def test_where_the_bus_is_is_an_output(default: Assembly) -> None:
    outputs = default.templates["Api"]["Outputs"]
    (bus,) = default.resources("Api", "AWS::Events::EventBus")
    assert outputs["EventBusName"]["Value"] == {"Ref": bus}
    assert outputs["EventBusArn"]["Value"] == {"Fn::GetAtt": [bus, "Arn"]}


def test_the_consumer_is_told_of_what_it_understands(default: Assembly) -> None:
    filters = consumer(default)["FilterCriteria"]["Filters"]
    assert [json.loads(one["Pattern"]) for one in filters] == [json.loads(json.dumps(p)) for p in WATCHED]
    assert len(filters) <= 5, "a mapping takes five (Lambda quotas)"


def test_order_is_kept_and_a_record_that_fails_does_not_hold_its_shard_up(default: Assembly) -> None:
    stream = consumer(default)
    assert "ParallelizationFactor" not in stream, "one batch of a shard at a time"
    assert stream["StartingPosition"] == "TRIM_HORIZON"
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["MaximumRetryAttempts"] == 5
    assert stream["MaximumBatchingWindowInSeconds"] == WINDOW_S
    assert "EventsLost" in json.dumps(stream["DestinationConfig"]["OnFailure"])


def test_the_stream_has_two_consumers_and_no_third(default: Assembly) -> None:
    """DynamoDB throttles more ("Reading and processing a stream")."""
    mappings = default.resources("Api", "AWS::Lambda::EventSourceMapping").values()
    sources = [json.dumps(one["Properties"]["EventSourceArn"]) for one in mappings]
    assert len([source for source in sources if "StreamArn" in source]) == 2
    assert WATCHED != FOLLOWED


def test_the_publisher_is_told_where_to(default: Assembly) -> None:
    function = publisher(default)
    told = function["Environment"]["Variables"]
    (bus,) = default.resources("Api", "AWS::Events::EventBus")
    assert told["CAIRN_EVENT_BUS"] == {"Ref": bus}
    assert "EventsLost" in told["CAIRN_DEAD_LETTERS"]["Ref"]
    names = {field.alias for field in CoreSettings.model_fields.values()}
    assert {"CAIRN_EVENT_BUS", "CAIRN_DEAD_LETTERS"} <= names
    assert function["Timeout"] == PUBLISHER_TIMEOUT_S
