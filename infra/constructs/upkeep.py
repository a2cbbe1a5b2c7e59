"""Background work on what was written: the table's stream, a queue of tasks, and the functions at both.

A run's dirty mark passes the stream's filter; the function ``marks`` sends a task that comes out of the
queue when the run has been quiet; ``indexer`` does it. What fails on the way ends in a queue of its own,
and ``overdue`` looks once an hour for marks that stand though they should not, and for deleted models. The
other consumer of the stream (DynamoDB bears two) is that of events, a ``Consumer`` with patterns of its
own.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cairn.storage.stream import FOLLOWED
from infra import permissions
from infra.constructs.function import Function
from infra.constructs.queues import last_queue, queue
from infra.settings import Settings

INDEXER_TIMEOUT_S = 60
"""Less than a run is quiet (90 s); the largest run that the tests know takes a fraction of it."""
MARKS_TIMEOUT_S = 30
OVERDUE_TIMEOUT_S = 90
OVERDUE_EVERY = Duration.hours(1)
MAX_RECEIVES = 5
"""Attempts at a task, each a visibility timeout after the other: half an hour together."""
AT_ONCE = 20
"""Indexers that run at once at most, so that a backlog leaves the account's concurrency to the API."""

MakeFunction = Callable[..., Function]
"""(scope, id, name, description, statements, timeout_s=, environment=): as the functions of a stack are."""


class Consumer(Construct):
    """A function that is invoked for the records of ``table``'s stream that one of ``patterns`` matches.

    A batch that fails is repeated, then halved, until the record that is wrong is alone; after
    five repeats, or when it is 6 hours old, where it lay is told to ``failures`` and the shard goes on.
    Records wait for ``window_s``, which spares invocations: five seconds are nothing to a run that must be
    quiet for 90.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        function: lambda_.IFunction,
        role: iam.Role,
        patterns: Sequence[Mapping[str, Any]],
        failures: sqs.IQueue,
        window_s: int = 5,
    ) -> None:
        super().__init__(scope, construct_id)
        assert table.table_stream_arn is not None
        mapping = lambda_.CfnEventSourceMapping(
            self,
            "Mapping",
            function_name=function.function_name,
            event_source_arn=table.table_stream_arn,
            # What was written in the last 24 hours, before there was a consumer, is followed too.
            starting_position="TRIM_HORIZON",
            batch_size=1000,
            maximum_batching_window_in_seconds=window_s,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=5,
            maximum_record_age_in_seconds=6 * 3600,
            filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
                filters=[
                    lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(pattern))
                    for pattern in patterns
                ]
            ),
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=failures.queue_arn)
            ),
        )
        # CreateEventSourceMapping tries what the role may: its policy is a resource of its own.
        mapping.node.add_dependency(role)


class Upkeep(Construct):
    """``functions`` by name: Marks, Indexer, Overdue."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        table: dynamodb.ITable,
        key: kms.IKey | None,
        make: MakeFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        self.tasks_failed = queue(self, "TasksFailed", settings, key, timeout_s=INDEXER_TIMEOUT_S)
        self.marks_failed = last_queue(self, "MarksFailed", settings, key)
        self.tasks = queue(
            self,
            "Tasks",
            settings,
            key,
            timeout_s=INDEXER_TIMEOUT_S,
            dead_letters=sqs.DeadLetterQueue(queue=self.tasks_failed, max_receive_count=MAX_RECEIVES),
        )
        send = permissions.on_queues([self.tasks], permissions.SEND)
        environment = {"CAIRN_QUEUE": self.tasks.queue_url}
        marks = make(
            self,
            "Marks",
            "marks",
            "Follows the table's stream: a task for each run that was written",
            [
                *permissions.on_stream(table),
                permissions.on_queues([self.tasks, self.marks_failed], permissions.SEND),
                *permissions.on_key(key, "stream"),
                *permissions.on_key(key, "sqs"),
            ],
            timeout_s=MARKS_TIMEOUT_S,
            environment=environment,
        )
        Consumer(
            self,
            "Stream",
            table=table,
            function=marks.resource,
            role=marks.role,
            patterns=FOLLOWED,
            failures=self.marks_failed,
        )
        indexer = make(
            self,
            "Indexer",
            "indexer",
            "Indexes runs that have gone quiet, folds long metric logs",
            [
                permissions.on_table(table, permissions.INDEX_TABLE),
                permissions.on_queues([self.tasks], permissions.RECEIVE),
                *permissions.on_key(key, "dynamodb"),
                *permissions.on_key(key, "sqs"),
            ],
            timeout_s=INDEXER_TIMEOUT_S,
        )
        self._consume_tasks(indexer)
        overdue = make(
            self,
            "Overdue",
            "overdue",
            "Sends tasks again that were lost, removes what deleted models left",
            [
                permissions.on_table(table, (*permissions.LOOK_FOR_MARKS, *permissions.SWEEP_MODELS)),
                send,
                *permissions.on_key(key, "dynamodb"),
                *permissions.on_key(key, "sqs"),
            ],
            timeout_s=OVERDUE_TIMEOUT_S,
            environment=environment,
        )
        events.Rule(
            self,
            "Hourly",
            description="Looks for runs whose index is overdue",
            schedule=events.Schedule.rate(OVERDUE_EVERY),
            targets=[targets.LambdaFunction(overdue.resource)],
        )
        self.functions = {
            "Marks": marks.resource,
            "Indexer": indexer.resource,
            "Overdue": overdue.resource,
        }

    def _consume_tasks(self, indexer: Function) -> None:
        mapping = lambda_.CfnEventSourceMapping(
            self,
            "TasksMapping",
            function_name=indexer.resource.function_name,
            event_source_arn=self.tasks.queue_arn,
            batch_size=10,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=AT_ONCE),
        )
        mapping.node.add_dependency(indexer.role)
