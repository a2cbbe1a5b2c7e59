"""The stream's consumer, the queue of tasks, and what becomes of what fails."""

import json
from typing import Any

from cairn.settings import Settings as CoreSettings
from cairn.storage.dirty import QUIET
from cairn.storage.stream import FOLLOWED
from cairn.upkeep.overdue import BUDGET_MS
from cairn.upkeep.queue import MAX_DELAY_S
from cairn.upkeep.work import LEAST_MS
from infra.constructs.upkeep import INDEXER_TIMEOUT_S, MARKS_TIMEOUT_S, OVERDUE_TIMEOUT_S
from tests.infra.synthesis import Assembly

MAPPING = "AWS::Lambda::EventSourceMapping"


def mapping(assembly: Assembly, name: str) -> dict[str, Any]:
    """The properties of the mapping of this name in the construct."""
    found = assembly.resources("Api", MAPPING).items()
    (one,) = [resource["Properties"] for key, resource in found if key[:-8] == f"Upkeep{name}Mapping"]
    return dict(one)


def queue(assembly: Assembly, name: str) -> dict[str, Any]:
    """The properties of a queue; CloudFormation's name ends with eight digits of a hash."""
    found = assembly.resources("Api", "AWS::SQS::Queue").items()
    (one,) = [resource["Properties"] for key, resource in found if key[:-8] == f"Upkeep{name}"]
    return dict(one)


def test_the_consumer_is_told_of_what_it_understands(default: Assembly) -> None:
    filters = mapping(default, "Stream")["FilterCriteria"]["Filters"]
    assert [json.loads(one["Pattern"]) for one in filters] == [json.loads(json.dumps(p)) for p in FOLLOWED]


def test_a_record_that_fails_does_not_hold_its_shard_up_for_ever(default: Assembly) -> None:
    stream = mapping(default, "Stream")
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["MaximumRetryAttempts"] == 5
    assert stream["MaximumRecordAgeInSeconds"] == 6 * 3600
    assert "MarksFailed" in json.dumps(stream["DestinationConfig"]["OnFailure"])


def test_what_was_written_before_the_first_deployment_is_followed(default: Assembly) -> None:
    assert mapping(default, "Stream")["StartingPosition"] == "TRIM_HORIZON"


def test_mappings_wait_for_the_rights_of_their_functions(default: Assembly) -> None:
    for resource in default.resources("Api", MAPPING).values():
        assert any("RoleDefaultPolicy" in name for name in resource["DependsOn"])


def test_one_task_fails_alone_and_ends_in_the_dead_letters(default: Assembly) -> None:
    tasks = mapping(default, "Tasks")
    assert tasks["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert tasks["ScalingConfig"] == {"MaximumConcurrency": 20}
    redrive = queue(default, "Tasks")["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == 5
    assert "TasksFailed" in json.dumps(redrive["deadLetterTargetArn"])


def test_a_task_is_hidden_for_longer_than_a_function_may_take(default: Assembly) -> None:
    assert queue(default, "Tasks")["VisibilityTimeout"] == 6 * INDEXER_TIMEOUT_S


def test_functions_end_before_a_run_has_been_quiet_and_begin_what_they_can_end() -> None:
    assert max(INDEXER_TIMEOUT_S, MARKS_TIMEOUT_S) * 1000 < QUIET
    assert LEAST_MS * 2 < INDEXER_TIMEOUT_S * 1000
    assert BUDGET_MS + 15_000 < OVERDUE_TIMEOUT_S * 1000
    assert QUIET / 1000 < MAX_DELAY_S
    assert CoreSettings.model_fields["quiet_ms"].default == QUIET


def test_queues_are_encrypted_and_ask_for_tls(default: Assembly, everything: Assembly) -> None:
    for assembly in (default, everything):
        queues = assembly.resources("Api", "AWS::SQS::Queue")
        policies = assembly.resources("Api", "AWS::SQS::QueuePolicy").values()
        guarded = {p["Properties"]["Queues"][0]["Ref"] for p in policies}
        assert guarded == queues.keys()
        for policy in policies:
            (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
            assert statement["Effect"] == "Deny"
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for resource in default.resources("Api", "AWS::SQS::Queue").values():
        assert resource["Properties"]["SqsManagedSseEnabled"] is True
    for resource in everything.resources("Api", "AWS::SQS::Queue").values():
        assert "Key" in json.dumps(resource["Properties"]["KmsMasterKeyId"])


def test_what_failed_is_kept_for_two_weeks(default: Assembly) -> None:
    for resource in default.resources("Api", "AWS::SQS::Queue").values():
        assert resource["Properties"]["MessageRetentionPeriod"] == 14 * 86_400


def test_overdue_runs_are_looked_for_once_an_hour(default: Assembly) -> None:
    rules = [one["Properties"] for one in default.resources("Api", "AWS::Events::Rule").values()]
    (rule,) = [one for one in rules if one.get("ScheduleExpression") == "rate(1 hour)"]
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert "Overdue" in json.dumps(rule["Targets"])


def test_production_is_as_quiet_as_the_core_says(default: Assembly) -> None:
    functions = default.resources("Api", "AWS::Lambda::Function").values()
    assert not [f for f in functions if "CAIRN_QUIET_MS" in f["Properties"]["Environment"]["Variables"]]
