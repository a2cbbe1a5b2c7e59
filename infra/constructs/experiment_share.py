"""``ExperimentShare``: a share that a stack of yours declares, as ``cairn share`` makes one.

A stack of its own, in the account and region of the deployment:

    ExperimentShare(
        self, "Fraud", deployment="prod", share_name="fraud",
        experiments=["fraud/*"], permission="READ", principals=["444455556666"],
    )
"""

from collections.abc import Sequence
from typing import Literal

from aws_cdk import CustomResource, Duration, Fn
from constructs import Construct

TYPE = "Custom::CairnExperimentShare"


def export_of(deployment: str) -> str:
    """The name under which a deployment exports the function that keeps declared shares."""
    return f"cairn-{deployment}-declare-shares"


class ExperimentShare(Construct):
    """``parameter_arn`` is what its consumers set MLFLOW_TRACKING_URI to. What cannot be shared fails the
    deployment, with the message that ``cairn share create`` would give. RAM follows the record after the
    deployment: ``cairn share status`` says how far it is."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: str,
        share_name: str,
        principals: Sequence[str],
        permission: Literal["READ", "WRITE", "MANAGE"] = "READ",
        experiments: Sequence[str] = (),
        experiment_ids: Sequence[str] = (),
        models: Sequence[str] = (),
        prompts: Sequence[str] = (),
        roles: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        resource = CustomResource(
            self,
            "Resource",
            resource_type=TYPE,
            service_token=Fn.import_value(export_of(deployment)),
            properties={
                "Name": share_name,
                "Permission": permission,
                "Experiments": list(experiments),
                "ExperimentIds": list(experiment_ids),
                "Models": list(models),
                "Prompts": list(prompts),
                "Principals": list(principals),
                "Roles": list(roles),
            },
            service_timeout=Duration.minutes(2),
        )
        self.parameter_arn = resource.get_att_string("ParameterArn")
