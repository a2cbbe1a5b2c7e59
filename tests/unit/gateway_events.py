"""What API Gateway puts into the event of a proxy integration for each kind of caller.

The shapes are those of AWS's documentation ("Input format of a Lambda function for proxy integration",
"Output from an API Gateway Lambda authorizer") and of public recordings; account ids, names and keys are
made up. ``principalOrgId`` is there for callers whose account is in an organisation.
"""

from collections.abc import Mapping
from typing import Any

IDENTITY: Mapping[str, object] = {
    "cognitoIdentityPoolId": None,
    "cognitoIdentityId": None,
    "cognitoAuthenticationType": None,
    "cognitoAuthenticationProvider": None,
    "apiKey": None,
    "apiKeyId": None,
    "clientCert": None,
    "sourceIp": "203.0.113.9",
    "userAgent": "mlflow-python-client/3.17.2",
    "vpceId": None,
    "vpcId": None,
}


def signed(
    arn: str, user: str, organisation: str | None = None, account: str | None = None
) -> dict[str, object]:
    """``identity`` of an AWS_IAM method."""
    return {
        **IDENTITY,
        "accountId": account or arn.split(":")[4],
        "accessKey": "AKIAIOSFODNN7EXAMPLE",
        "caller": user,
        "user": user,
        "userArn": arn,
        **({"principalOrgId": organisation} if organisation else {}),
    }


OPEN: Mapping[str, object] = {
    **IDENTITY,
    "accountId": None,
    "accessKey": None,
    "caller": None,
    "user": None,
    "userArn": None,
    "principalOrgId": None,
}
"""``identity`` of a method that a Lambda authorizer guards, or nobody."""

CALLERS: Mapping[str, tuple[dict[str, object], tuple[str, str, str, str, str]]] = {
    "user": (
        signed("arn:aws:iam::123456789012:user/ada", "AIDACKCEVSQ6C2EXAMPLE"),
        ("aws", "123456789012", "user", "ada", ""),
    ),
    "user with a path": (
        signed("arn:aws:iam::123456789012:user/team/ml/ada", "AIDACKCEVSQ6C2EXAMPLE", "o-a1b2c3d4e5"),
        ("aws", "123456789012", "user", "ada", "o-a1b2c3d4e5"),
    ),
    "role": (
        signed("arn:aws:sts::123456789012:assumed-role/Train/job-7", "AROACKCEVSQ6C2EXAMPLE:job-7"),
        ("aws", "123456789012", "role", "Train", ""),
    ),
    "role made with a path, which the event has lost": (
        signed("arn:aws:sts::123456789012:assumed-role/SageMaker/i-0abc", "AROACKCEVSQ6C2EXAMPLE:i-0abc"),
        ("aws", "123456789012", "role", "SageMaker", ""),
    ),
    "role of IAM Identity Center": (
        signed(
            "arn:aws:sts::123456789012:assumed-role/"
            "AWSReservedSSO_DataScience_0123456789abcdef/ada@example.org",
            "AROACKCEVSQ6C2EXAMPLE:ada@example.org",
            "o-a1b2c3d4e5",
        ),
        ("aws", "123456789012", "role", "AWSReservedSSO_DataScience_0123456789abcdef", "o-a1b2c3d4e5"),
    ),
    "role of another account in the organisation": (
        signed(
            "arn:aws:sts::444455556666:assumed-role/Train/job", "AROACKCEVSQ6C2EXAMPLE:job", "o-a1b2c3d4e5"
        ),
        ("aws", "444455556666", "role", "Train", "o-a1b2c3d4e5"),
    ),
    "federated user": (
        signed("arn:aws:sts::123456789012:federated-user/bob", "123456789012:bob"),
        ("aws", "123456789012", "federated", "bob", ""),
    ),
    "root": (
        signed("arn:aws:iam::123456789012:root", "123456789012"),
        ("aws", "123456789012", "root", "root", ""),
    ),
    "GovCloud": (
        signed("arn:aws-us-gov:sts::123456789012:assumed-role/Train/j", "AROACKCEVSQ6C2EXAMPLE:j"),
        ("aws-us-gov", "123456789012", "role", "Train", ""),
    ),
    "China": (
        signed("arn:aws-cn:iam::123456789012:user/ada", "AIDACKCEVSQ6C2EXAMPLE"),
        ("aws-cn", "123456789012", "user", "ada", ""),
    ),
}
"""Identity, and the principal that it is: partition, account, kind, name, organisation."""


def authorized(**said: object) -> dict[str, object]:
    """``authorizer``: what ours returned, and what API Gateway adds to it."""
    fields = {
        "partition": "aws",
        "account": "123456789012",
        "kind": "role",
        "name": "Train",
        "organisation": "",
        "session": "job-7",
        "ceiling": "READ",
    }
    return {"principalId": "arn:aws:iam::123456789012:role/Train", "integrationLatency": 35} | fields | said


def event(
    resource: str | None,
    path: str,
    *,
    identity: Mapping[str, object] = OPEN,
    authorizer: Mapping[str, object] | None = None,
    method: str = "GET",
    query: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, list[str]] | None = None,
    body: str | None = None,
) -> dict[str, Any]:
    """A REST API's event, payload version 1."""
    context: dict[str, Any] = {
        "resourceId": "a1b2c3",
        "resourcePath": resource,
        "httpMethod": method,
        "extendedRequestId": "JKL=",
        "requestTime": "21/Nov/2026:12:00:00 +0000",
        "path": f"/prod{path}",
        "accountId": "123456789012",
        "protocol": "HTTP/1.1",
        "stage": "prod",
        "domainPrefix": "abc123",
        "requestTimeEpoch": 1_795_262_400_000,
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "identity": dict(identity),
        "domainName": "abc123.execute-api.eu-west-1.amazonaws.com",
        "apiId": "abc123",
    }
    if authorizer is not None:
        context["authorizer"] = dict(authorizer)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in (headers or {}).items()},
        "multiValueHeaders": dict(headers or {}),
        "queryStringParameters": {name: values[-1] for name, values in (query or {}).items()} or None,
        "multiValueQueryStringParameters": dict(query or {}) or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": context,
        "body": body,
        "isBase64Encoded": False,
    }
