"""Webhooks: who finds those that listen to an event, the queue of deliveries, and who delivers.

The function ``deliver`` opens connections to strangers. It may read the secrets of webhooks, take from its
queue and write to the queue of what it gave up; of table and bucket it may do nothing.
"""

from aws_cdk import Aws
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cairn.events.catalogue import SOURCE
from cairn.webhooks.hear import HEARD
from cairn.webhooks.queue import PAUSES_S
from infra import permissions
from infra.constructs.function import Function
from infra.constructs.queues import last_queue, queue
from infra.constructs.upkeep import MakeFunction
from infra.nag import accept_names
from infra.settings import Settings

DELIVER_TIMEOUT_S = 15
"""Five seconds for the receiver, the rest for a cold start and the secret."""
DISPATCH_TIMEOUT_S = 30
MAX_RECEIVES = len(PAUSES_S) + 1
AT_ONCE = 10
"""Deliveries at once at most: MLflow's threads (MLFLOW_WEBHOOK_DELIVERY_MAX_WORKERS)."""


class Webhooks(Construct):
    """``failed`` and ``unheard``: deliveries, and events, that were given up."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        table: dynamodb.ITable,
        key: kms.IKey | None,
        bus: events.IEventBus,
        tracking: Function,
        make: MakeFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        self.failed = last_queue(self, "Failed", settings, key)
        self.unheard = last_queue(self, "Unheard", settings, key)
        self.deliveries = queue(
            self,
            "Deliveries",
            settings,
            key,
            timeout_s=DELIVER_TIMEOUT_S,
            dead_letters=sqs.DeadLetterQueue(queue=self.failed, max_receive_count=MAX_RECEIVES),
        )
        path = f"/cairn/{settings.stage}/webhooks"
        secrets = f"arn:{Aws.PARTITION}:ssm:{Aws.REGION}:{Aws.ACCOUNT_ID}:parameter{path}/*"
        told = {"CAIRN_SECRETS_PATH": path}
        self._deliver(key, secrets, told, make)
        self._dispatch(table, key, bus, make)
        self._let_test(tracking, key, secrets, told)

    def _deliver(
        self, key: kms.IKey | None, secrets: str, told: dict[str, str], make: MakeFunction
    ) -> None:
        self.deliver = make(
            self,
            "Deliver",
            "deliver",
            "Delivers webhooks; reaches no table and no bucket",
            [
                permissions.on_secrets(secrets, permissions.READ_SECRETS),
                permissions.on_queues([self.deliveries], permissions.RECEIVE + permissions.HIDE),
                permissions.on_queues([self.failed], permissions.SEND),
                *permissions.on_key(key, "secrets-read"),
                *permissions.on_key(key, "sqs"),
            ],
            timeout_s=DELIVER_TIMEOUT_S,
            environment={
                **told,
                "CAIRN_DELIVERIES": self.deliveries.queue_url,
                "CAIRN_DELIVERIES_FAILED": self.failed.queue_url,
            },
        )
        accept_names(self.deliver.role, secrets, _SECRETS)
        mapping = lambda_.CfnEventSourceMapping(
            self,
            "DeliveriesMapping",
            function_name=self.deliver.resource.function_name,
            event_source_arn=self.deliveries.queue_arn,
            # A receiver that takes its five seconds holds up its own delivery alone.
            batch_size=1,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=AT_ONCE),
        )
        mapping.node.add_dependency(self.deliver.role)

    def _dispatch(
        self, table: dynamodb.ITable, key: kms.IKey | None, bus: events.IEventBus, make: MakeFunction
    ) -> None:
        self.dispatch = make(
            self,
            "Dispatch",
            "webhooks",
            "Finds the webhooks that listen to an event",
            [
                permissions.on_webhooks(table),
                permissions.on_queues([self.deliveries, self.unheard], permissions.SEND),
                *permissions.on_key(key, "dynamodb"),
                *permissions.on_key(key, "sqs"),
            ],
            timeout_s=DISPATCH_TIMEOUT_S,
            environment={"CAIRN_DELIVERIES": self.deliveries.queue_url},
        )
        function = self.dispatch.resource
        on_failure = lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=self.unheard.queue_arn)
        config = lambda_.CfnEventInvokeConfig(
            self,
            "Repeats",
            function_name=function.function_name,
            qualifier="$LATEST",
            maximum_event_age_in_seconds=6 * 3600,
            maximum_retry_attempts=2,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=on_failure
            ),
        )
        config.node.add_dependency(self.dispatch.role)  # Lambda tries what the role may
        events.Rule(
            self,
            "Heard",
            description="Events that MLflow has webhooks for",
            event_bus=bus,
            event_pattern=events.EventPattern(source=[SOURCE], detail_type=list(HEARD)),
            targets=[targets.LambdaFunction(function)],
        )

    def _let_test(
        self, tracking: Function, key: kms.IKey | None, secrets: str, told: dict[str, str]
    ) -> None:
        """The API writes secrets, and asks for a test."""
        for statement in (
            permissions.on_secrets(secrets, permissions.WRITE_SECRETS),
            permissions.on_function(self.deliver.resource),
            *permissions.on_key(key, "secrets-write"),
        ):
            tracking.role.add_to_policy(statement)
        accept_names(tracking.role, secrets, _SECRETS)
        for name, value in {
            **told,
            "CAIRN_SECRETS_KEY": "" if key is None else key.key_arn,
            "CAIRN_DELIVER_FUNCTION": self.deliver.resource.function_name,
        }.items():
            tracking.resource.add_environment(name, value)


_SECRETS = "A parameter for each webhook, under ids that are known at run time only."
