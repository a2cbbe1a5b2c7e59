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

from infra.settings import Settings

PERIOD = Duration.minutes(5)
_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD


class Monitoring(Construct):
    """Metrics of ``rest_api``, of each of ``functions`` by name, and of ``table``."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        rest_api: apigateway.RestApi,
        functions: dict[str, lambda_.IFunction],
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


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)
