"""What DynamoDB refuses, refused here first: sizes of items and keys, counts of batches and transactions.

Pure functions; every engine is asked through them, so that neither SQLite nor an emulator takes what the
real table would not. What a client can cause (an item that has grown too large, a key that is too long, a
string that is no Unicode) is an ``ItemRefused`` and answers 400; what only a mistake in Cairn's own code
can cause is a ``MalformedRequest`` and answers 500. Figures: "Quotas in Amazon DynamoDB" and "DynamoDB
item sizes and formats" of the DynamoDB Developer Guide. Rendered expressions are checked in ``render``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, assert_never

from cairn.errors import InternalError, InvalidParameterValue
from cairn.storage.expr import Absent, Action, And, Compare, Condition, Exists, Not, Or, SetIfAbsent
from cairn.storage.table import Delete, Item, Key, Put, Query, TransactWrite, Update

MAX_ITEM = 400 * 1024
MAX_PK = 2048
MAX_SK = 1024
MAX_DEPTH = 32
MAX_PAGE = 1024 * 1024
MAX_BATCH_GET = 100
MAX_BATCH_GET_BYTES = 16 * 1024 * 1024
MAX_BATCH_WRITE = 25
MAX_TRANSACT = 100
MAX_TRANSACT_BYTES = 4 * 1024 * 1024
MAX_DIGITS = 38
MAX_TOKEN = 36
MAX_OPERATORS = 300

_SMALL_NUMBER = 10**MAX_DIGITS
_LARGEST_NUMBER = 10**126
_KEYS = frozenset({"pk", "sk"})


class ItemRefused(InvalidParameterValue):
    """An item, a key or a value that DynamoDB does not hold."""


class MalformedRequest(InternalError):
    """A request that DynamoDB answers with a ValidationException: a mistake in the code that made it."""


def item_size(item: Item) -> int:
    """Bytes of an item as DynamoDB counts them: UTF-8 names and values, a number a byte per two digits.

    Raises ItemRefused for strings that are no Unicode (lone surrogates), for empty names, numbers of
    more than 38 digits, nesting past 32 levels; MalformedRequest for types that an item does not hold.
    """
    if "" in item:
        raise ItemRefused("An item has an attribute with an empty name.")
    total = 0
    try:
        for name, value in item.items():
            total += len(name) if name.isascii() else len(name.encode())
            kind = type(value)
            if kind is str:
                total += len(value) if value.isascii() else len(value.encode())
            elif kind is bytes:
                total += len(value)
            else:
                total += _value_size(value, 1)
    except UnicodeEncodeError:
        raise ItemRefused("A string holds a lone surrogate, which is no valid Unicode text.") from None
    return total


def _value_size(value: Any, depth: int) -> int:
    match value:
        case str():
            return len(value) if value.isascii() else len(value.encode())
        case bytes():
            return len(value)
        case bool():
            return 1
        case int():
            return _number_size(value)
        case list():
            _check_depth(depth)
            return 3 + sum(1 + _value_size(element, depth + 1) for element in value)
        case dict():
            _check_depth(depth)
            if "" in value:
                raise ItemRefused("A map has an empty name.")
            names = sum(1 + len(name.encode()) for name in value)
            return 3 + names + sum(_value_size(element, depth + 1) for element in value.values())
    raise MalformedRequest(f"an item holds no {type(value).__name__}")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ItemRefused(f"A value is nested deeper than {MAX_DEPTH} levels.")


def _number_size(number: int) -> int:
    if -_SMALL_NUMBER < number < _SMALL_NUMBER:
        digits = len(str(abs(number)).rstrip("0"))
    elif abs(number) >= _LARGEST_NUMBER or (digits := len(str(abs(number)).rstrip("0"))) > MAX_DIGITS:
        raise ItemRefused(f"A number has more than {MAX_DIGITS} significant digits.")
    return (digits + 1) // 2 + 1 + (number < 0)


def check_key(key: Key) -> None:
    """A key has two strings, neither empty: at most 2,048 bytes of pk and 1,024 of sk, in UTF-8."""
    for name, value, most in (("pk", key.pk, MAX_PK), ("sk", key.sk, MAX_SK)):
        if not isinstance(value, str):
            raise MalformedRequest(f"the key attribute {name} is no string")
        if not value:
            raise MalformedRequest(f"the key attribute {name} is empty")
        if text_size(value) > most:
            raise ItemRefused(f"The key attribute {name} is longer than {most} bytes.")


def text_size(text: str) -> int:
    """UTF-8 bytes of a text; ItemRefused for lone surrogates."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ItemRefused("A string holds a lone surrogate, which is no valid Unicode text.") from None


def check_item(item: Item) -> int:
    """The item's size in bytes; ItemRefused past 400 KB or where its key is too long."""
    if "pk" not in item or "sk" not in item:
        raise MalformedRequest("an item without its key")
    check_key(Key(item["pk"], item["sk"]))
    size = item_size(item)
    if size > MAX_ITEM:
        raise ItemRefused(f"An item of {size} bytes exceeds the largest that the table holds, {MAX_ITEM}.")
    return size


def check_query(query: Query) -> None:
    """One condition on the sort key (bounds or a prefix), a positive limit."""
    check_key(Key(query.pk, "-"))
    if query.prefix is not None and (query.low is not None or query.high is not None):
        raise MalformedRequest("a query takes bounds or a prefix, not both")
    if query.limit is not None and query.limit < 1:
        raise MalformedRequest("a query's limit is at least 1")
    if query.after is not None:
        check_key(Key(query.pk, query.after))
    for bound in (query.low, query.high, query.prefix):
        if bound:
            check_key(Key(query.pk, bound))


def check_actions(actions: Sequence[Action]) -> None:
    """At least one; no attribute twice, none of the key ("document paths overlap", "part of the key")."""
    if not actions:
        raise MalformedRequest("an update changes nothing")
    names = {action.name for action in actions}
    if len(names) != len(actions):
        raise MalformedRequest("an update names an attribute twice")
    if names & _KEYS:
        raise MalformedRequest("an update changes a key attribute")
    if sum(isinstance(action, SetIfAbsent) for action in actions) > MAX_OPERATORS:
        raise MalformedRequest(f"an update has more than {MAX_OPERATORS} functions")


def check_condition(condition: Condition) -> None:
    """At most 300 operators and functions; ``<`` and its kin compare strings, numbers and bytes only."""
    if count_operators(condition) > MAX_OPERATORS:
        raise MalformedRequest(f"a condition has more than {MAX_OPERATORS} operators")


def count_operators(condition: Condition) -> int:
    match condition:
        case And(parts) | Or(parts):
            if not parts:
                raise MalformedRequest("an empty And or Or")
            return len(parts) - 1 + sum(count_operators(part) for part in parts)
        case Not(part):
            return 1 + count_operators(part)
        case Compare(_, op, value):
            if op not in ("=", "<>", "<", "<=", ">", ">="):
                raise MalformedRequest(f"no comparison {op}")
            if op not in ("=", "<>") and type(value) not in (str, int, bytes):
                raise MalformedRequest(f"{op} does not compare a {type(value).__name__}")
            # ``<>`` is rendered with attribute_exists and AND beside it: see render.
            return 3 if op == "<>" else 1
        case Exists() | Absent():
            return 1
    assert_never(condition)


def check_write(write: TransactWrite) -> int:
    """Item-level limits of one write; the bytes of the item that it puts, else of its key and values."""
    if write.condition is not None:
        check_condition(write.condition)
    if isinstance(write, Put):
        return check_item(write.item)
    check_key(write.key)
    size = text_size(write.key.pk) + text_size(write.key.sk)
    if isinstance(write, Update):
        check_actions(write.actions)
        size += item_size(_values(write.actions))
        if size > MAX_ITEM:
            raise ItemRefused(f"An update of {size} bytes exceeds the largest item, {MAX_ITEM} bytes.")
    return size


def _values(actions: Iterable[Action]) -> Mapping[str, Any]:
    return {action.name: getattr(action, "value", "") for action in actions}


def check_transaction(writes: Sequence[TransactWrite], token: str | None) -> None:
    """1 to 100 writes on distinct keys, 4 MB together; a token of 1 to 36 characters."""
    if not 1 <= len(writes) <= MAX_TRANSACT:
        raise MalformedRequest(f"a transaction of {len(writes)} writes")
    if token is not None and not 1 <= len(token) <= MAX_TOKEN:
        raise MalformedRequest(f"a transaction's token has 1 to {MAX_TOKEN} characters")
    check_distinct([write.key for write in writes])
    if sum(check_write(write) for write in writes) > MAX_TRANSACT_BYTES:
        raise ItemRefused(f"A transaction of more than {MAX_TRANSACT_BYTES} bytes.")


def check_batch_write(writes: Sequence[Put | Delete]) -> None:
    """Distinct keys and no conditions, in the whole batch: its requests have no order among them."""
    check_distinct([write.key for write in writes])
    for write in writes:
        if write.condition is not None:
            raise MalformedRequest("a batch write takes no conditions")
        check_write(write)


def check_distinct(keys: Collection[Key]) -> None:
    if len(set(keys)) != len(keys):
        raise MalformedRequest("a request names a key twice")
