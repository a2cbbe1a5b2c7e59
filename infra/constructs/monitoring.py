"""What tells when something is wrong: alarms, their mail, and one dashboard.

It lives in the API's stack: between stacks, the names of functions would be exports, and CloudFormation
lets nobody rename what another stack imports.
"""

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.constructs.events import Events
from infra.constructs.sharing import Sharing
from infra.constructs.upkeep import Upkeep
from infra.constructs.webhooks import Webhooks
from infra.settings import Settings

LATE_MS = 600_000
"""Ten minutes: the stream's consumer has usually seen a record after some seconds."""
OVERDUE_S = 1_800
"""A task is done two minutes after its mark, or given up after half an hour."""

PERIOD = Duration.minutes(5)
_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD


class Monitoring(Construct):
    """Metrics of ``rest_api``, of ``functions`` by name, of the background work, and of ``table``."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        rest_api: apigateway.RestApi,
        functions: dict[str, lambda_.IFunction],
        upkeep: Upkeep,
        events: Events,
        webhooks: Webhooks,
        sharing: Sharing,
        table: dynamodb.ITable,
    ) -> None:
        super().__init__(scope, construct_id)
        self._topic = self._mail(settings.alarm_email) if settings.alarm_email else None
        stage = rest_api.deployment_stage
        faults = stage.metric_server_error(period=PERIOD, statistic="Sum")
        latency = stage.metric_latency(period=PERIOD, statistic="p99")
        self._alarm("ServerErrors", faults, 5, "API Gateway answers 5xx: clients are repeating requests.")
        self._alarm(
            "Latency", latency, settings.latency_alarm_ms, "The slowest 1% of requests are too slow.", 3
        )
        errors, throttles = {}, {}
        for name, function in functions.items():
            errors[name] = function.metric_errors(period=PERIOD)
            throttles[name] = function.metric_throttles(period=PERIOD)
            self._alarm(f"{name}Errors", errors[name], 0, f"The {name} function fails or times out.")
            self._alarm(
                f"{name}Throttles", throttles[name], 0, "Lambda's concurrency of the account is used up."
            )
        table_throttles = [_throttled(table, kind) for kind in ("Read", "Write")]
        for metric in table_throttles:
            self._alarm(metric.metric_name, metric, 0, "DynamoDB throttles: a key or the table is hot.")
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=f"cairn-{settings.stage}")
        dashboard.add_widgets(
            _graph(
                "Requests",
                stage.metric_count(period=PERIOD),
                stage.metric_client_error(period=PERIOD),
                faults,
            ),
            _graph("Latency, ms", stage.metric_latency(period=PERIOD, statistic="p50"), latency),
        )
        dashboard.add_widgets(
            _graph("Function errors", *errors.values()),
            _graph("Function throttles", *throttles.values()),
            _graph(
                "Function duration, ms", *(f.metric_duration(period=PERIOD) for f in functions.values())
            ),
        )
        dashboard.add_widgets(
            _graph(
                "Table units",
                table.metric_consumed_read_capacity_units(period=PERIOD),
                table.metric_consumed_write_capacity_units(period=PERIOD),
            ),
            _graph("Table throttles", *table_throttles),
        )
        dashboard.add_widgets(*self._watch(upkeep))
        dashboard.add_widgets(*self._watch_events(events), *self._watch_webhooks(webhooks))
        dashboard.add_widgets(self._watch_sharing(sharing))

    def _watch(self, upkeep: Upkeep) -> list[cloudwatch.GraphWidget]:
        """Alarms and graphs of the background work. Functions that fail there repeat: what is lost, and
        what is late, is what counts."""
        late = upkeep.functions["Marks"].metric("IteratorAge", period=PERIOD, statistic="Maximum")
        oldest = upkeep.tasks.metric_approximate_age_of_oldest_message(period=PERIOD)
        lost = [
            queue.metric_approximate_number_of_messages_visible(period=PERIOD)
            for queue in (upkeep.tasks_failed, upkeep.marks_failed)
        ]
        errors = [function.metric_errors(period=PERIOD) for function in upkeep.functions.values()]
        self._alarm("StreamLate", late, LATE_MS, "Runs are indexed late: the stream's consumer is behind.")
        self._alarm("TasksLate", oldest, OVERDUE_S, "Runs are indexed late: tasks wait in the queue.")
        self._alarm("TasksLost", lost[0], 0, "Runs could not be indexed: docs/deploy.md says what to do.")
        self._alarm("MarksLost", lost[1], 0, "Records of the stream were given up; runs are indexed late.")
        self._alarm("OverdueErrors", errors[2], 0, "Nobody looks for runs whose index is overdue.")
        return [
            _graph("Stream's consumer behind by, ms", late),
            _graph("Oldest task, s", oldest),
            _graph("Background: lost, errors", *lost, *errors),
        ]

    def _watch_events(self, events: Events) -> list[cloudwatch.GraphWidget]:
        late = events.function.metric("IteratorAge", period=PERIOD, statistic="Maximum")
        lost = events.lost.metric_approximate_number_of_messages_visible(period=PERIOD)
        self._alarm("EventsLate", late, LATE_MS, "Events come late: their publisher is behind the stream.")
        self._alarm("EventsLost", lost, 0, "Events were not published: docs/deploy.md says what to do.")
        return [
            _graph("Events' publisher behind by, ms", late),
            _graph("Events: lost, errors", lost, events.function.metric_errors(period=PERIOD)),
        ]

    def _watch_webhooks(self, webhooks: Webhooks) -> list[cloudwatch.GraphWidget]:
        failed, unheard = (
            queue.metric_approximate_number_of_messages_visible(period=PERIOD)
            for queue in (webhooks.failed, webhooks.unheard)
        )
        self._alarm(
            "WebhooksFailed", failed, 0, "Webhooks were given up: docs/webhooks.md says what to do."
        )
        self._alarm("WebhooksUnheard", unheard, 0, "Events reached no webhook: see docs/webhooks.md.")
        errors = [
            one.resource.metric_errors(period=PERIOD) for one in (webhooks.deliver, webhooks.dispatch)
        ]
        return [_graph("Webhooks: given up, unheard, errors", failed, unheard, *errors)]

    def _watch_sharing(self, sharing: Sharing) -> cloudwatch.GraphWidget:
        """A run that fails is repeated, and comes again after five minutes; three in a row are told."""
        errors = sharing.reconciler.resource.metric_errors(period=PERIOD)
        problems, unmatched = (_of_reconciler(name) for name in ("ShareProblems", "UnmatchedShares"))
        self._alarm(
            "ReconcilerErrors", errors, 0, "RAM is not followed: no share is granted, none is revoked.", 3
        )
        self._alarm("ShareProblems", problems, 0, "Shares want somebody: `cairn share status` says why.", 3)
        self._alarm(
            "UnmatchedShares",
            unmatched,
            0,
            "RAM has shares of Cairn's without a record: see their status.",
            3,
        )
        return _graph("Shares: problems, unmatched, errors", problems, unmatched, errors)

    def _mail(self, address: str) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", enforce_ssl=True)
        topic.add_subscription(subscriptions.EmailSubscription(address))
        return topic

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
        periods: int = 1,
    ) -> None:
        """Above ``threshold`` in each of ``periods`` periods of 5 minutes. No traffic is no alarm."""
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=_ABOVE,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        if self._topic:
            alarm.add_alarm_action(actions.SnsAction(self._topic))


def _throttled(table: dynamodb.ITable, kind: str) -> cloudwatch.Metric:
    """Requests that DynamoDB refused; ``kind`` is Read or Write. Counted for the table as a whole."""
    return cloudwatch.Metric(
        namespace="AWS/DynamoDB",
        metric_name=f"{kind}ThrottleEvents",
        dimensions_map={"TableName": table.table_name},
        period=PERIOD,
        statistic="Sum",
    )


def _of_reconciler(name: str) -> cloudwatch.Metric:
    """Counted by the function itself, only where there is something to count."""
    return cloudwatch.Metric(
        namespace="Cairn",
        metric_name=name,
        dimensions_map={"service": "cairn-reconciler"},
        period=PERIOD,
        statistic="Maximum",
    )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)
