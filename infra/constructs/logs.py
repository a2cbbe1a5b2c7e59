"""Log groups that end: CloudWatch keeps logs forever unless told otherwise."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct


class BoundedLogs(Construct):
    """A log group that is deleted with its stack and keeps ``days`` (one of settings.LOG_DAYS)."""

    def __init__(self, scope: Construct, construct_id: str, days: int) -> None:
        super().__init__(scope, construct_id)
        self.group = logs.LogGroup(self, "Group", removal_policy=RemovalPolicy.DESTROY)
        resource = self.group.node.default_child
        assert isinstance(resource, logs.CfnLogGroup)
        resource.retention_in_days = days
