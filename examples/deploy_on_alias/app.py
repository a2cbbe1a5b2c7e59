"""A stack beside Cairn's: when an alias of a model is set, a function deploys the version that it names.

cd examples/deploy_on_alias
npx aws-cdk deploy --app "python app.py" -c model=fraud -c bus=cairn-prod -c alias=champion
"""

import re
from pathlib import Path
from typing import Any

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

FUNCTION = Path(__file__).resolve().parent / "function"


class DeployOnAlias(Stack):
    """The rule on Cairn's bus, the function, the parameter that it writes, and a queue of what failed."""

    def __init__(
        self, scope: Construct, construct_id: str, *, bus: str, model: str, alias: str, **stack: Any
    ) -> None:
        super().__init__(scope, construct_id, **stack)
        parameter = ssm.StringParameter(
            self,
            "Deployed",
            parameter_name=f"/models/{model}/{alias}",
            description=f"What is deployed of {model}@{alias}, by examples/deploy_on_alias of Cairn",
            string_value="{}",  # until the first event; a later `deploy` leaves alone what is there then
        )
        failed = sqs.Queue(self, "Failed", enforce_ssl=True, retention_period=Duration.days(14))
        function = lambda_.Function(
            self,
            "Deploy",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="handler.handler",
            code=lambda_.Code.from_asset(str(FUNCTION), exclude=["**/__pycache__"]),
            environment={"PARAMETER": parameter.parameter_name},
            timeout=Duration.seconds(30),
            reserved_concurrent_executions=1,  # two at once could write the older event last
            dead_letter_queue=failed,
            log_group=logs.LogGroup(
                self,
                "Logs",
                retention=logs.RetentionDays.ONE_MONTH,
                removal_policy=RemovalPolicy.DESTROY,
            ),
        )
        parameter.grant_read(function)
        parameter.grant_write(function)
        events.Rule(
            self,
            "AliasSet",
            description=f"Cairn: {model}@{alias} names another version",
            event_bus=events.EventBus.from_event_bus_name(self, "Bus", bus),
            event_pattern=events.EventPattern(
                source=["cairn"],
                detail_type=["Model Alias Set"],
                detail={"version": [1], "name": [model], "alias": [alias]},
            ),
            targets=[targets.LambdaFunction(function, dead_letter_queue=failed)],
        )
        CfnOutput(self, "Parameter", value=parameter.parameter_name)


def build(app: App) -> DeployOnAlias:
    """The stack, of the context ``model``, ``bus`` and ``alias``."""
    model = app.node.try_get_context("model")
    if not model:
        raise SystemExit("Say which model: -c model=NAME")
    alias = app.node.try_get_context("alias") or "champion"
    return DeployOnAlias(
        app,
        re.sub("[^A-Za-z0-9]+", "-", f"DeployOnAlias-{model}-{alias}"),
        bus=app.node.try_get_context("bus") or "cairn-prod",
        model=model,
        alias=alias,
    )


if __name__ == "__main__":
    app = App()
    build(app)
    app.synth()
