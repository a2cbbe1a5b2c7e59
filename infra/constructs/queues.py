"""Queues, all of them alike: encrypted as the deployer chose, closed to requests without TLS, patient."""

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.nag import accept
from infra.settings import Settings

_KEYS = {
    "aws-owned": sqs.QueueEncryption.SQS_MANAGED,
    "aws-managed": sqs.QueueEncryption.KMS_MANAGED,
    "customer": sqs.QueueEncryption.KMS,
}


def queue(
    scope: Construct,
    construct_id: str,
    settings: Settings,
    key: kms.IKey | None,
    *,
    timeout_s: int = 60,
    dead_letters: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    """What lies in it waits for two weeks, the most that SQS allows, so that somebody can look. A message
    is hidden for six times ``timeout_s`` of who receives ("Configuring a queue to use with Lambda")."""
    return sqs.Queue(
        scope,
        construct_id,
        encryption=_KEYS[settings.encryption],
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
        visibility_timeout=Duration.seconds(6 * timeout_s),
        dead_letter_queue=dead_letters,
    )


def last_queue(scope: Construct, construct_id: str, settings: Settings, key: kms.IKey | None) -> sqs.Queue:
    """For what nothing but a person takes out again."""
    made = queue(scope, construct_id, settings, key)
    accept(
        made,
        "AwsSolutions-SQS3",
        "It is where failures go: a dead-letter queue of its own would have nobody to send to it.",
    )
    return made
