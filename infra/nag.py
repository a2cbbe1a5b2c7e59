"""Findings of cdk-nag that are accepted, each with its reason beside the construct that it is about."""

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def accept(construct: IConstruct, rule: str, reason: str) -> None:
    """``rule`` is an id, or an id with a finding: ``AwsSolutions-IAM5[Resource::*]``."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def accept_names(construct: IConstruct, resource: str, reason: str) -> None:
    """A role's right on names that begin as ``resource``, an ARN of CDK's tokens, does before its ``*``."""
    found = Stack.of(construct).resolve(resource)
    shown = "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in found["Fn::Join"][1])
    accept(construct, f"AwsSolutions-IAM5[Resource::{shown}]", reason)
