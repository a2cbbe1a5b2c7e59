"""The errors of S3 as Cairn's: one table of its codes, by what MLflow's S3 repository makes of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError

from cairn.errors import (
    CairnError,
    InternalError,
    InvalidParameterValue,
    PermissionDenied,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
)

ERRORS: Mapping[str, Callable[[str], CairnError]] = {
    # Nothing there. A HEAD has no body: botocore gives its status for a code.
    "404": ResourceDoesNotExist,
    "NoSuchKey": ResourceDoesNotExist,
    "NoSuchBucket": ResourceDoesNotExist,
    "NoSuchUpload": ResourceDoesNotExist,
    "NoSuchVersion": ResourceDoesNotExist,
    # This deployment's role may not: a bucket policy, or a key that is not ours.
    "403": PermissionDenied,
    "AccessDenied": PermissionDenied,
    "KMS.AccessDeniedException": PermissionDenied,
    # The client's parts.
    "EntityTooSmall": InvalidParameterValue,
    "InvalidPart": InvalidParameterValue,
    "InvalidPartOrder": InvalidParameterValue,
    "MalformedXML": InvalidParameterValue,
    # Passing faults, which botocore has repeated already.
    "500": TemporarilyUnavailable,
    "503": TemporarilyUnavailable,
    "InternalError": TemporarilyUnavailable,
    "OperationAborted": TemporarilyUnavailable,
    "RequestTimeout": TemporarilyUnavailable,
    "ServiceUnavailable": TemporarilyUnavailable,
    "SlowDown": TemporarilyUnavailable,
}


def fault(code: str, message: str, where: str) -> CairnError:
    """What a code of S3 means to a client; one that the table lacks is this deployment's own mistake."""
    return ERRORS.get(code, InternalError)(f"S3 refused {where!r}: {message or code} ({code})")


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raises S3's and the network's errors as Cairn's; ``where`` is the artifact they are about."""
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        raise fault(details.get("Code", ""), details.get("Message", ""), where) from error
    except (BotoConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise TemporarilyUnavailable(f"S3 could not be reached for {where!r}: {error}") from error
