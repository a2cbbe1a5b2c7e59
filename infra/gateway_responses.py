"""What API Gateway answers by itself, in MLflow's error shape: one table.

The client takes any JSON object for an MLflow error and reads ``error_code`` from it, so the gateway's own
``{"message": ...}`` would surface as INTERNAL_ERROR (mlflow.utils.rest_utils.verify_rest_response). An
unsigned call and a path without a resource share MISSING_AUTHENTICATION_TOKEN; every path has a resource
here, so that type means unsigned. UNAUTHORIZED is that of tokens and of browsers' sessions, before or by
their authorizer. 429 and 504 are passing faults, which the client repeats.
"""

from dataclasses import dataclass

GATEWAY_TEXT = "$context.error.messageString"
"""The gateway's own sentence, as a quoted JSON string."""


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """``status`` None keeps the fault's own; ``message`` is a JSON string or a $context variable."""

    error_code: str
    status: int | None = None
    message: str = GATEWAY_TEXT

    def template(self) -> str:
        return f'{{"error_code": "{self.error_code}", "message": {self.message}}}'


_UNSIGNED = (
    '"The request is not signed. Set MLFLOW_TRACKING_AWS_SIGV4=true and have AWS credentials '
    '(pip install requests-auth-aws-sigv4)."'
)
_VOID = (
    '"The request bears no valid token or session: it is unknown, expired or revoked. Sign a browser in by '
    '`cairn ui`. For a script get a token by `cairn token`, and set MLFLOW_TRACKING_TOKEN to it."'
)
_TOO_LARGE = (
    '"The request is larger than 10 MB. Upload artifacts to S3 directly or in parts, and log in batches."'
)
_SLOW = '"The function did not answer in time. The request may be repeated."'

GATEWAY_ANSWERS: dict[str, GatewayAnswer] = {
    "ACCESS_DENIED": GatewayAnswer("PERMISSION_DENIED", 403),
    "API_CONFIGURATION_ERROR": GatewayAnswer("INTERNAL_ERROR", 500),
    "BAD_REQUEST_BODY": GatewayAnswer("BAD_REQUEST", 400),
    "BAD_REQUEST_PARAMETERS": GatewayAnswer("BAD_REQUEST", 400),
    "DEFAULT_4XX": GatewayAnswer("BAD_REQUEST"),
    "DEFAULT_5XX": GatewayAnswer("INTERNAL_ERROR"),
    "EXPIRED_TOKEN": GatewayAnswer("UNAUTHENTICATED", 401),
    "INTEGRATION_FAILURE": GatewayAnswer("TEMPORARILY_UNAVAILABLE", 503),
    "INTEGRATION_TIMEOUT": GatewayAnswer("TEMPORARILY_UNAVAILABLE", 504, _SLOW),
    "INVALID_SIGNATURE": GatewayAnswer("UNAUTHENTICATED", 401),
    "MISSING_AUTHENTICATION_TOKEN": GatewayAnswer("UNAUTHENTICATED", 401, _UNSIGNED),
    "QUOTA_EXCEEDED": GatewayAnswer("REQUEST_LIMIT_EXCEEDED", 429),
    "REQUEST_TOO_LARGE": GatewayAnswer("BAD_REQUEST", 413, _TOO_LARGE),
    "RESOURCE_NOT_FOUND": GatewayAnswer("ENDPOINT_NOT_FOUND", 404),
    "THROTTLED": GatewayAnswer("REQUEST_LIMIT_EXCEEDED", 429),
    "UNAUTHORIZED": GatewayAnswer("UNAUTHENTICATED", 401, _VOID),
    "UNSUPPORTED_MEDIA_TYPE": GatewayAnswer("BAD_REQUEST", 400),
    "WAF_FILTERED": GatewayAnswer("PERMISSION_DENIED", 403),
}
