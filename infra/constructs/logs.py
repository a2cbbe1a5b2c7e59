"""Log groups that end (CloudWatch keeps logs forever unless told otherwise), and what to ask of them."""

from collections.abc import Sequence

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


class AuditQueries(Construct):
    """Saved queries of CloudWatch Logs Insights over the audit trail (``cairn.audit``)."""

    def __init__(
        self, scope: Construct, construct_id: str, stage: str, groups: Sequence[logs.ILogGroup]
    ) -> None:
        super().__init__(scope, construct_id)
        asked = {"Trail": "ispresent(audit.who)", "Refusals": "audit.decision = 'refused'"}
        for name, condition in asked.items():
            logs.CfnQueryDefinition(
                self,
                name,
                name=f"cairn-{stage}/{name.lower()}",
                query_string=f"fields {_SHOWN}\n| filter {condition}\n| sort @timestamp desc\n| limit 1000",
                log_group_names=[group.log_group_name for group in groups],
            )


_SHOWN = "@timestamp, " + ", ".join(
    f"audit.{field}"
    for field in ("who", "session", "front", "action", "resource", "decision", "code", "request_id")
)
