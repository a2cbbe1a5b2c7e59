"""What kind of tracking URI one is. Nothing is imported: MLflow asks in the middle of its own start."""

_PREFIX = "arn:"


def is_arn(uri: str) -> bool:
    return uri.startswith(_PREFIX)


def is_parameter(uri: str) -> bool:
    """Whether an ARN is one of the Systems Manager's, as those of shares are."""
    return is_arn(uri) and uri.split(":", 3)[2:3] == ["ssm"]
