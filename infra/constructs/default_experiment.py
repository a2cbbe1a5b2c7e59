"""Experiment ``0``, "Default": made at deploy by a function that CloudFormation calls."""

from aws_cdk import CustomResource, Duration
from constructs import Construct

from infra.constructs.function import Function

FORMAT = "1"
"""A change makes CloudFormation call the function again at the next deploy."""


class DefaultExperiment(Construct):
    """MLflow's clients log there when no experiment is named, so it must be there before the first call."""

    def __init__(self, scope: Construct, construct_id: str, bootstrap: Function) -> None:
        super().__init__(scope, construct_id)
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::CairnDefaultExperiment",
            # The function itself answers CloudFormation: CDK's provider framework would be two more
            # functions and a state machine for one conditional write.
            service_token=bootstrap.resource.function_arn,
            properties={"Format": FORMAT},
            # CloudFormation would wait an hour for a function that cannot answer.
            service_timeout=Duration.minutes(2),
        )
        # Not before the role may write: its policy is a resource of its own.
        resource.node.add_dependency(bootstrap)
