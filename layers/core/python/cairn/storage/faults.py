"""DynamoDB's errors and botocore's as Cairn's: a table of error codes, one of cancellation reasons.

Nothing of the wire's or botocore's leaves the engine. What passes becomes a ``PassingFault``, which is
repeated; a test fails when botocore's model of DynamoDB names an error that is not in the table.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from cairn.errors import InternalError, InvalidParameterValue
from cairn.storage.attributes import unmarshal_item
from cairn.storage.limits import ItemRefused, MalformedRequest
from cairn.storage.retry import Conflicted, PassingFault, Throttled, Unreachable
from cairn.storage.table import ConditionFailed, Item, Key
from cairn.storage.wire import Garbled, Refused

Foreign = (Refused, Garbled, BotoCoreError, ClientError)
"""What a request may raise; ClientError where credentials are asked for (STS, SSO) and refused."""


def _refused(message: str) -> Exception:
    if "item size" in message.lower():
        return ItemRefused("An item exceeds the largest that the table holds, 409600 bytes.")
    return MalformedRequest(f"The table refused a request as malformed: {message}")


def _unexpected(message: str) -> Exception:
    return InternalError(f"The table failed: {message}")


def _mismatch(_: str) -> Exception:
    return InvalidParameterValue("The request repeats an idempotency key with other parameters.")


ERRORS: Mapping[str, Callable[[str], Exception]] = {
    # Too fast: the same request succeeds later.
    "ProvisionedThroughputExceededException": Throttled,
    "ThrottlingException": Throttled,
    "RequestLimitExceeded": Throttled,
    # Somebody else's transaction is on the item.
    "TransactionConflictException": Conflicted,
    "TransactionInProgressException": Conflicted,
    "ReplicatedWriteConflictException": Conflicted,
    # The service's own trouble.
    "InternalServerError": Unreachable,
    "ServiceUnavailable": Unreachable,
    # What was asked cannot be.
    "ValidationException": _refused,
    "IdempotentParameterMismatchException": _mismatch,
    "ItemCollectionSizeLimitExceededException": _unexpected,
    # The table is not there, or is not ours to use: an operator's concern.
    "AccessDeniedException": _unexpected,
    "ResourceNotFoundException": _unexpected,
    "TableNotFoundException": _unexpected,
    "UnrecognizedClientException": _unexpected,
    # Answers of operations that Cairn does not use: administration, backups, exports, PartiQL.
    "BackupInUseException": _unexpected,
    "BackupNotFoundException": _unexpected,
    "ContinuousBackupsUnavailableException": _unexpected,
    "DuplicateItemException": _unexpected,
    "ExportConflictException": _unexpected,
    "ExportNotFoundException": _unexpected,
    "GlobalTableAlreadyExistsException": _unexpected,
    "GlobalTableNotFoundException": _unexpected,
    "ImportConflictException": _unexpected,
    "ImportNotFoundException": _unexpected,
    "IndexNotFoundException": _unexpected,
    "InvalidExportTimeException": _unexpected,
    "InvalidRestoreTimeException": _unexpected,
    "LimitExceededException": _unexpected,
    "PointInTimeRecoveryUnavailableException": _unexpected,
    "PolicyNotFoundException": _unexpected,
    "ReplicaAlreadyExistsException": _unexpected,
    "ReplicaNotFoundException": _unexpected,
    "ResourceInUseException": _unexpected,
    "TableAlreadyExistsException": _unexpected,
    "TableInUseException": _unexpected,
}

ANSWERED = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})
"""Errors that carry an answer: see ``translated``."""

_REASONS: Mapping[str, Callable[[str], Exception]] = {
    "TransactionConflict": Conflicted,
    "ProvisionedThroughputExceeded": Throttled,
    "ThrottlingError": Throttled,
    "ValidationError": _refused,
    "ItemCollectionSizeLimitExceeded": _unexpected,
}


def translated(error: Exception, keys: Sequence[Key]) -> Exception:
    """Cairn's exception for a foreign one; ``keys`` are those of the request's writes, in order.

    ConditionFailed names the first write whose condition did not hold, with the item as it stood.
    """
    if isinstance(error, Refused):
        return _answer(error.code, error.message, error.status, error.content, keys)
    if isinstance(error, ClientError):
        told: Mapping[str, Any] = error.response["Error"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _answer(told.get("Code", ""), told.get("Message", ""), status, {}, keys)
    if isinstance(error, Garbled | BotoConnectionError | HTTPClientError):
        return Unreachable(str(error))
    return _unexpected(str(error))


def _answer(
    code: str, message: str, status: int, content: Mapping[str, Any], keys: Sequence[Key]
) -> Exception:
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(keys[0], _item(content))
    if code == "TransactionCanceledException":
        return _cancelled(content.get("CancellationReasons", ()), keys, message)
    if code in ERRORS:
        return ERRORS[code](message)
    if status == 429:
        return Throttled(message)
    return Unreachable(message) if status >= 500 else _unexpected(f"{code}: {message}")


def _cancelled(reasons: Sequence[Mapping[str, Any]], keys: Sequence[Key], message: str) -> Exception:
    """A condition that failed is final, whatever else went wrong; then what is wrong, then what passes."""
    for key, reason in zip(keys, reasons, strict=False):
        if reason.get("Code") == "ConditionalCheckFailed":
            return ConditionFailed(key, _item(reason))
    causes = [
        _REASONS.get(reason["Code"], _unexpected)(reason.get("Message") or reason["Code"])
        for reason in reasons
        if reason.get("Code", "None") != "None"
    ]
    final = [cause for cause in causes if not isinstance(cause, PassingFault)]
    return (final or causes or [_unexpected(message)])[0]


def _item(holder: Mapping[str, Any]) -> Item | None:
    attributes = holder.get("Item")
    return unmarshal_item(attributes) if attributes else None
