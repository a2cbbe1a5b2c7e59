"""Alarms, the dashboard, and saved queries."""

import json
import re

from cairn.audit import Entry
from cairn.protocol.actions import ACTIONS
from tests.infra.synthesis import Assembly


def test_alarms_watch_errors_latency_and_throttles(default: Assembly) -> None:
    alarms = [a["Properties"] for a in default.resources("Api", "AWS::CloudWatch::Alarm").values()]
    watched = sorted((alarm["Namespace"], alarm["MetricName"], alarm["Threshold"]) for alarm in alarms)
    assert watched == [
        ("AWS/ApiGateway", "5XXError", 5),
        ("AWS/ApiGateway", "Latency", 3000),
        ("AWS/DynamoDB", "ReadThrottleEvents", 0),
        ("AWS/DynamoDB", "WriteThrottleEvents", 0),
        ("AWS/Lambda", "Errors", 0),
        ("AWS/Lambda", "Errors", 0),
        ("AWS/Lambda", "Errors", 0),
        ("AWS/Lambda", "Errors", 0),
        ("AWS/Lambda", "IteratorAge", 600_000),
        ("AWS/Lambda", "IteratorAge", 600_000),
        ("AWS/Lambda", "Throttles", 0),
        ("AWS/Lambda", "Throttles", 0),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", 1_800),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0),
        ("Cairn", "ShareProblems", 0),
        ("Cairn", "UnmatchedShares", 0),
    ]
    assert all(alarm["TreatMissingData"] == "notBreaching" for alarm in alarms), "idle is no alarm"
    assert all(alarm["AlarmDescription"] for alarm in alarms)


def test_the_audit_trail_can_be_asked_for(default: Assembly) -> None:
    queries = [q["Properties"] for q in default.resources("Api", "AWS::Logs::QueryDefinition").values()]
    assert sorted(query["Name"] for query in queries) == ["cairn-prod/refusals", "cairn-prod/trail"]
    line = Entry(ACTIONS["runs:log"], "1", "signed").line("allowed", "")
    for query in queries:
        assert set(re.findall(r"audit\.(\w+)", query["QueryString"])) == set(line)
        assert len(query["LogGroupNames"]) == 2


def test_alarms_are_mailed_where_there_is_an_address(default: Assembly, everything: Assembly) -> None:
    assert not list(default.all("AWS::SNS::Topic"))
    subscription = everything.only("Api", "AWS::SNS::Subscription")["Properties"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.org")
    for alarm in everything.resources("Api", "AWS::CloudWatch::Alarm").values():
        assert len(alarm["Properties"]["AlarmActions"]) == 1


def test_one_dashboard_shows_requests_functions_and_the_table(default: Assembly) -> None:
    dashboard = default.only("Api", "AWS::CloudWatch::Dashboard")["Properties"]
    assert dashboard["DashboardName"] == "cairn-prod"
    body = json.dumps(dashboard["DashboardBody"])
    assert all(space in body for space in ("AWS/ApiGateway", "AWS/Lambda", "AWS/DynamoDB", "AWS/SQS"))
