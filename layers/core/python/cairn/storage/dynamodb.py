"""The table in DynamoDB: single requests through a ``wire.Wire``, which is an argument.

Nothing below repeats a request: ``EngineTable`` does, so that counts are exact. With an observer every
request reports its cost: from the sizes of what it returns where these say
all, else from DynamoDB's own ConsumedCapacity. Against an emulator, whose ConsumedCapacity is made up,
``preread`` has each write read its items first, unmetered, and computes the cost from their sizes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from cairn.storage.attributes import marshal_item, marshal_key, unmarshal_item, unmarshal_key
from cairn.storage.engine import EngineTable
from cairn.storage.evaluate import holds, updated
from cairn.storage.faults import Foreign, translated
from cairn.storage.limits import MAX_PAGE, check_item, item_size
from cairn.storage.meter import Observer, batch_read_cost, read_cost, write_cost
from cairn.storage.render import Expressions
from cairn.storage.retry import Retry
from cairn.storage.table import (
    Check,
    ConditionFailed,
    Cost,
    Delete,
    Item,
    Key,
    KeyPage,
    Page,
    Put,
    Query,
    Scan,
    TransactWrite,
    Update,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TTL_ATTRIBUTE = "ttl"


def create_table(client: "DynamoDBClient", name: str) -> None:
    """Make the table where it is missing, for emulators: on demand, with stream and TTL. In AWS the
    templates make it. 1 CreateTable, DescribeTable until it is there, 1 UpdateTimeToLive."""
    try:
        client.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
    except client.exceptions.ResourceInUseException:
        return
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
    )


class Calls(Protocol):
    """How requests get to DynamoDB and back: ``wire.Wire``."""

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The content of an answer; raises one of ``faults.Foreign``."""

    def close(self) -> None:
        """Close what is open."""


class DynamoDBTable(EngineTable):
    """The table port on a DynamoDB table with string keys ``pk`` and ``sk``."""

    def __init__(
        self,
        wire: Calls,
        name: str,
        *,
        observer: Observer | None = None,
        preread: bool = False,
        retry: Retry | None = None,
    ) -> None:
        super().__init__(DynamoDBEngine(wire, name, observer=observer, preread=preread), retry)


class DynamoDBEngine:
    """Single requests to DynamoDB: ``engine.Engine`` says what each does, ``EngineTable`` its price."""

    ambiguous = True

    def __init__(
        self,
        wire: Calls,
        name: str,
        *,
        observer: Observer | None = None,
        preread: bool = False,
    ) -> None:
        self._wire = wire
        self._name = name
        self._observer = observer
        self._preread = preread and observer is not None
        # INDEXES would be dearer to parse and says no more: the table has none.
        self._billed = {"ReturnConsumedCapacity": "TOTAL"} if observer and not preread else {}

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def get(self, key: Key, consistent: bool) -> Item | None:
        answer = self._call("GetItem", Key=marshal_key(key), ConsistentRead=consistent)
        item = unmarshal_item(answer["Item"]) if answer.get("Item") else None
        self._observe(lambda: read_cost("GetItem", key.pk, _size(item), consistent))
        return item

    def batch_get(self, keys: Sequence[Key], consistent: bool) -> tuple[dict[Key, Item], list[Key]]:
        wanted = {"Keys": [marshal_key(key) for key in keys], "ConsistentRead": consistent}
        answer = self._request("BatchGetItem", [], RequestItems={self._name: wanted})
        items = [unmarshal_item(attributes) for attributes in answer["Responses"].get(self._name, ())]
        found: dict[Key, Item] = {Key(item["pk"], item["sk"]): item for item in items}
        unprocessed = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", ())
        rest = [unmarshal_key(attributes) for attributes in unprocessed]
        self._observe(lambda: batch_read_cost(_sizes(keys, rest, found), consistent))
        return found, rest

    def query(self, query: Query) -> Page:
        answer = self._call("Query", **Expressions().keys(query).parameters())
        items = [unmarshal_item(attributes) for attributes in answer["Items"]]
        last = answer.get("LastEvaluatedKey")
        self._observe(lambda: read_cost("Query", query.pk, sum(map(item_size, items)), query.consistent))
        return Page(items, unmarshal_key(last).sk if last else None)

    def scan(self, scan: Scan) -> KeyPage:
        values: dict[str, Any] = {}
        parts: list[str] = []
        for number, prefix in enumerate(scan.prefixes):
            values[f":p{number}"] = {"S": prefix}
            part = f"begins_with(pk, :p{number})"
            if prefix in scan.heads:
                values[f":h{number}"] = {"S": scan.heads[prefix]}
                part = f"({part} AND sk = :h{number})"
            parts.append(part)
        answer = self._call(
            "Scan",
            ProjectionExpression="pk, sk",
            FilterExpression=" OR ".join(parts),
            ExpressionAttributeValues=values,
            **({} if scan.after is None else {"ExclusiveStartKey": marshal_key(scan.after)}),
        )
        last = answer.get("LastEvaluatedKey")
        # A page is 1 MB of what lies there, whatever of it was asked for.
        size = MAX_PAGE if last else sum(len(str(item)) for item in answer["Items"])
        self._observe(lambda: read_cost("Scan", "", size, consistent=False))
        return KeyPage(
            [unmarshal_key(item) for item in answer["Items"]], unmarshal_key(last) if last else None
        )

    def put(self, put: Put) -> None:
        expressions = Expressions().condition(put.condition).parameters()
        # Only the meter wants the old item: without it DynamoDB need not send it.
        returned = {"ReturnValues": "ALL_OLD"} if self._observer else {}
        answer = self._write("PutItem", put, Item=marshal_item(put.item), **expressions, **returned)
        before = _returned(answer)
        self._observe(lambda: write_cost("PutItem", [(put.key, _size(before), item_size(put.item))]))

    def update(self, update: Update) -> Item:
        before = self._read([update])
        expressions = Expressions().update(update.actions).condition(update.condition).parameters()
        answer = self._write(
            "UpdateItem", update, Key=marshal_key(update.key), ReturnValues="ALL_NEW", **expressions
        )
        after = _returned(answer)
        sizes = [(update.key, _size(before.get(update.key)), _size(after))]
        self._observe(lambda: self._as_billed(write_cost("UpdateItem", sizes), answer))
        return after or {}

    def delete(self, delete: Delete) -> Item | None:
        expressions = Expressions().condition(delete.condition).parameters()
        answer = self._write(
            "DeleteItem", delete, Key=marshal_key(delete.key), ReturnValues="ALL_OLD", **expressions
        )
        before = _returned(answer)
        self._observe(lambda: write_cost("DeleteItem", [(delete.key, _size(before), 0)]))
        return before

    def transact(self, writes: Sequence[TransactWrite], token: str | None) -> None:
        before = self._read(writes)
        parameters: dict[str, Any] = {"TransactItems": [self._transact_item(write) for write in writes]}
        if token is not None:
            parameters["ClientRequestToken"] = token
        sizes = [(write.key, *_sizes_around(write, before.get(write.key))) for write in writes]
        try:
            answer = self._request("TransactWriteItems", [write.key for write in writes], **parameters)
        except ConditionFailed:
            self._observe(lambda: write_cost("TransactWriteItems", sizes, factor=2))
            raise
        self._observe(lambda: self._as_billed(write_cost("TransactWriteItems", sizes, factor=2), answer))

    def batch_write(self, writes: Sequence[Put | Delete]) -> list[Put | Delete]:
        before = self._read(writes)
        requests = [
            {"PutRequest": {"Item": marshal_item(write.item)}}
            if isinstance(write, Put)
            else {"DeleteRequest": {"Key": marshal_key(write.key)}}
            for write in writes
        ]
        answer = self._request("BatchWriteItem", [], RequestItems={self._name: requests})
        left = {_requested(request) for request in answer.get("UnprocessedItems", {}).get(self._name, ())}
        sizes = [
            (write.key, *_sizes_around(write, before.get(write.key)))
            for write in writes
            if write.key not in left
        ]
        self._observe(lambda: self._as_billed(write_cost("BatchWriteItem", sizes), answer))
        return [write for write in writes if write.key in left]

    # -- requests ------------------------------------------------------------------------------------

    def _write(self, operation: str, write: Put | Update | Delete, **parameters: Any) -> Mapping[str, Any]:
        """A single write; a failed condition is billed by the item that stands."""
        try:
            return self._call(
                operation, write.key, ReturnValuesOnConditionCheckFailure="ALL_OLD", **parameters
            )
        except ConditionFailed as failed:
            size = _size(failed.item)
            self._observe(lambda: write_cost(operation, [(write.key, size, 0)]))
            raise

    def _transact_item(self, write: TransactWrite) -> dict[str, Any]:
        common = {"TableName": self._name, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        expressions = Expressions()
        match write:
            case Put(item, condition):
                rendered = expressions.condition(condition).parameters()
                return {"Put": {"Item": marshal_item(item), **common, **rendered}}
            case Update(key, actions, condition):
                rendered = expressions.update(actions).condition(condition).parameters()
                return {"Update": {"Key": marshal_key(key), **common, **rendered}}
            case Delete(key, condition):
                rendered = expressions.condition(condition).parameters()
                return {"Delete": {"Key": marshal_key(key), **common, **rendered}}
            case Check(key, condition):
                rendered = expressions.condition(condition).parameters()
                return {"ConditionCheck": {"Key": marshal_key(key), **common, **rendered}}

    def _call(self, operation: str, *keys: Key, **parameters: Any) -> Mapping[str, Any]:
        return self._request(operation, keys, TableName=self._name, **parameters)

    def _request(self, operation: str, keys: Sequence[Key], **parameters: Any) -> Mapping[str, Any]:
        """One request; every exception of the wire's becomes one of Cairn's."""
        try:
            return self._wire.call(operation, {**parameters, **self._billed})
        except Foreign as error:
            raise translated(error, keys) from error

    # -- cost ----------------------------------------------------------------------------------------

    def _read(self, writes: Sequence[TransactWrite]) -> dict[Key, Item]:
        """The items before a write, where costs are computed from them; refuses what would grow too large,
        which emulators let pass. Not metered."""
        if not self._preread:
            return {}
        before: dict[Key, Item] = {}
        for write in writes:
            answer = self._call("GetItem", Key=marshal_key(write.key), ConsistentRead=True)
            if answer.get("Item"):
                before[write.key] = unmarshal_item(answer["Item"])
        if all(holds(write.condition, before.get(write.key)) for write in writes):
            for write in writes:
                if isinstance(write, Update):
                    after = updated(write.key, before.get(write.key), write.actions)
                    if after is not None:
                        check_item(after)
        return before

    def _as_billed(self, cost: Cost, answer: Mapping[str, Any]) -> Cost:
        """The cost with the write units that DynamoDB says it billed, where it was asked."""
        consumed = answer.get("ConsumedCapacity")
        if not self._billed or not consumed:
            return cost
        tables = consumed if isinstance(consumed, list) else [consumed]
        units = sum(table["CapacityUnits"] for table in tables)
        share = units / cost.write_units if cost.write_units else 1
        partitions = {pk: unit * share for pk, unit in cost.partitions.items()}
        return replace(cost, write_units=units, partitions=partitions)

    def _observe(self, cost: Callable[[], Cost]) -> None:
        if self._observer is not None:
            self._observer(cost())


def _returned(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    attributes = answer.get("Attributes")
    return unmarshal_item(attributes) if attributes else None


def _size(item: Item | None) -> int:
    return 0 if item is None else item_size(item)


def _sizes(keys: Sequence[Key], rest: Sequence[Key], found: Mapping[Key, Item]) -> dict[Key, int]:
    """Bytes of each key that was processed, 0 for what is not there."""
    unprocessed = set(rest)
    return {key: _size(found.get(key)) for key in keys if key not in unprocessed}


def _sizes_around(write: TransactWrite, before: Item | None) -> tuple[int, int]:
    """Bytes before and after a write, 0 after where its condition does not hold of the item before."""
    if not holds(write.condition, before):
        return _size(before), 0
    match write:
        case Put(item):
            return _size(before), item_size(item)
        case Update(key, actions):
            return _size(before), _size(updated(key, before, actions))
        case Delete():
            return _size(before), 0
        case Check():
            return _size(before), _size(before)


def _requested(request: Mapping[str, Any]) -> Key:
    """The key of an unprocessed request of a batch."""
    put = request.get("PutRequest")
    return unmarshal_key(put["Item"] if put else request["DeleteRequest"]["Key"])
