"""Every error that Cairn answers with, one class per MLflow error code.

    CairnError
    ├── InvalidParameterValue   400 INVALID_PARAMETER_VALUE
    ├── BadRequest              400 BAD_REQUEST
    ├── ResourceAlreadyExists   400 RESOURCE_ALREADY_EXISTS
    ├── Unauthenticated         401 UNAUTHENTICATED
    ├── PermissionDenied        403 PERMISSION_DENIED
    ├── ResourceDoesNotExist    404 RESOURCE_DOES_NOT_EXIST
    ├── EndpointNotFound        404 ENDPOINT_NOT_FOUND
    ├── PayloadTooLarge         413 BAD_REQUEST
    ├── RequestLimitExceeded    429 REQUEST_LIMIT_EXCEEDED
    ├── InvalidState            500 INVALID_STATE
    ├── InternalError           500 INTERNAL_ERROR
    ├── NotImplementedHere      501 NOT_IMPLEMENTED
    └── TemporarilyUnavailable  503 TEMPORARILY_UNAVAILABLE

The codes and statuses are MLflow's (``mlflow.exceptions.ERROR_CODE_TO_HTTP_STATUS``). Clients repeat
429 and 5xx (408, 429, 500, 502, 503, 504) seven times: raise those for passing faults alone.
"""

from typing import ClassVar


class CairnError(Exception):
    """An answer that is not a success: MLflow's ``error_code``, its HTTP status, and what to do next."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def as_dict(self) -> dict[str, str]:
        """MLflow's error body."""
        return {"error_code": self.code, "message": self.message}


class InvalidParameterValue(CairnError):
    code, status = "INVALID_PARAMETER_VALUE", 400


class BadRequest(CairnError):
    code, status = "BAD_REQUEST", 400


class ResourceAlreadyExists(CairnError):
    code, status = "RESOURCE_ALREADY_EXISTS", 400


class Unauthenticated(CairnError):
    code, status = "UNAUTHENTICATED", 401


class PermissionDenied(CairnError):
    code, status = "PERMISSION_DENIED", 403


class ResourceDoesNotExist(CairnError):
    code, status = "RESOURCE_DOES_NOT_EXIST", 404


class EndpointNotFound(CairnError):
    code, status = "ENDPOINT_NOT_FOUND", 404


class PayloadTooLarge(CairnError):
    code, status = "BAD_REQUEST", 413


class RequestLimitExceeded(CairnError):
    code, status = "REQUEST_LIMIT_EXCEEDED", 429


class InvalidState(CairnError):
    code, status = "INVALID_STATE", 500


class InternalError(CairnError):
    code, status = "INTERNAL_ERROR", 500


class NotImplementedHere(CairnError):
    code, status = "NOT_IMPLEMENTED", 501


class TemporarilyUnavailable(CairnError):
    code, status = "TEMPORARILY_UNAVAILABLE", 503
