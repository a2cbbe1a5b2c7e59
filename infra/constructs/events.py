"""Events: the bus that pipelines listen to, and the function that publishes what the table's stream says.

It is the second consumer of the stream. Lambda's filter passes the heads of experiments, runs, logged
models, registered models and versions. A run's head changes with each log call, and a filter cannot compare
images: such records come in batches of up to a thousand or two seconds, and end after one comparison.
"""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from constructs import Construct

from cairn.storage.stream import WATCHED
from infra import permissions
from infra.constructs.queues import last_queue
from infra.constructs.upkeep import Consumer, MakeFunction
from infra.settings import Settings

PUBLISHER_TIMEOUT_S = 60
WINDOW_S = 2
"""What an event waits at most. A run that logs once a second makes 1.3 million invocations a month."""


class Events(Construct):
    """``bus``, ``function``, and ``lost``: the queue of what could not be published."""

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
        # Under a name of its own, which rules of other stacks can say. Its key is AWS's: the customer's,
        # in the other stack, would need a policy that names this bus, and the stacks a circle.
        self.bus = events.EventBus(
            self,
            "Bus",
            event_bus_name=f"cairn-{settings.stage}",
            description="Cairn: what happened to experiments, runs and models (docs/events.md)",
        )
        self.lost = last_queue(self, "Lost", settings, key)
        publisher = make(
            self,
            "Publisher",
            "events",
            "Publishes events: what the table's stream says of experiments, runs and models",
            [
                *permissions.on_stream(table),
                permissions.on_bus(self.bus),
                permissions.on_queues([self.lost], permissions.SEND),
                *permissions.on_key(key, "stream"),
                *permissions.on_key(key, "sqs"),
            ],
            timeout_s=PUBLISHER_TIMEOUT_S,
            environment={
                "CAIRN_EVENT_BUS": self.bus.event_bus_name,
                "CAIRN_DEAD_LETTERS": self.lost.queue_url,
            },
        )
        self.function = publisher.resource
        Consumer(
            self,
            "Stream",
            table=table,
            function=publisher.resource,
            role=publisher.role,
            patterns=WATCHED,
            failures=self.lost,
            window_s=WINDOW_S,
        )
