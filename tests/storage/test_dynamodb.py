"""What is the DynamoDB engine's own: foreign errors, unprocessed parts, billed units, parameters."""

from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from cairn.errors import (
    CairnError,
    InternalError,
    InvalidParameterValue,
    RequestLimitExceeded,
    TemporarilyUnavailable,
)
from cairn.storage.dynamodb import DynamoDBTable, create_table
from cairn.storage.expr import Absent, Add, Set, eq
from cairn.storage.faults import ANSWERED, ERRORS
from cairn.storage.limits import ItemRefused, MalformedRequest
from cairn.storage.meter import Meter
from cairn.storage.retry import Retry
from cairn.storage.table import Check, ConditionFailed, Cost, Delete, Key, Put, Query, TransactWrite, Update
from cairn.storage.wire import Garbled, Refused
from tests.storage.engines import client, dynamodb_table

ITEM = {"pk": "p", "sk": "s", "n": 1}
KEY = Key("p", "s")
RAW = {"pk": {"S": "p"}, "sk": {"S": "s"}, "n": {"N": "1"}}
ATTEMPTS = 4


class Script:
    """A wire that answers from a script, and keeps what it was asked."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((operation, parameters))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        raise AssertionError("nobody closes the script")


def table_of(
    *answers: dict[str, Any] | Exception, meter: Meter | None = None
) -> tuple[DynamoDBTable, Script]:
    script = Script(*answers)
    retry = Retry(attempts=ATTEMPTS, sleep=lambda _: None)
    return DynamoDBTable(script, "cairn", observer=meter, retry=retry), script


def refused(code: str, status: int = 400, message: str = "", **more: Any) -> Refused:
    return Refused(code, message, status, more)


# -- errors --------------------------------------------------------------------------------------------


def test_every_error_of_the_model_is_mapped() -> None:
    model: Any = botocore.session.get_session().get_service_model("dynamodb")
    named = {shape.error_code for shape in model.error_shapes}
    known = set(ERRORS) | ANSWERED
    assert named - known == set()
    # What the model does not name comes from the gateway before it.
    assert known - named == {
        "AccessDeniedException",
        "ServiceUnavailable",
        "UnrecognizedClientException",
        "ValidationException",
    }


PASSING = [
    ("ProvisionedThroughputExceededException", 400, RequestLimitExceeded),
    ("ThrottlingException", 400, RequestLimitExceeded),
    ("RequestLimitExceeded", 400, RequestLimitExceeded),
    ("Unheard", 429, RequestLimitExceeded),
    ("TransactionConflictException", 400, TemporarilyUnavailable),
    ("TransactionInProgressException", 400, TemporarilyUnavailable),
    ("InternalServerError", 500, TemporarilyUnavailable),
    ("ServiceUnavailable", 503, TemporarilyUnavailable),
    ("Unheard", 502, TemporarilyUnavailable),
]


@pytest.mark.parametrize(("code", "status", "answer"), PASSING)
def test_what_passes_is_repeated(code: str, status: int, answer: type[CairnError]) -> None:
    table, script = table_of(refused(code, status))
    with pytest.raises(answer):
        table.get(KEY)
    assert len(script.asked) == ATTEMPTS
    table, script = table_of(refused(code, status), {"Item": RAW})
    assert table.get(KEY) == ITEM


@pytest.mark.parametrize(
    "fault",
    [
        EndpointConnectionError(endpoint_url="x"),
        ConnectTimeoutError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"),
        ConnectionClosedError(endpoint_url="x"),
        Garbled("cut short"),
        SSLError(endpoint_url="x", error=OSError("closed")),
    ],
)
def test_broken_connections_are_repeated(fault: Exception) -> None:
    table, script = table_of(fault)
    with pytest.raises(TemporarilyUnavailable):
        table.query(Query("p"))
    assert len(script.asked) == ATTEMPTS


def denied() -> ClientError:
    """As STS answers who may not take the role whose credentials the wire uses."""
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (refused("ValidationException", message="Invalid UpdateExpression"), MalformedRequest),
        (refused("ValidationException", message="Item size to update has exceeded"), ItemRefused),
        (refused("ValidationException", message="Item size has exceeded the maximum"), ItemRefused),
        (refused("IdempotentParameterMismatchException"), InvalidParameterValue),
        (refused("ResourceNotFoundException"), InternalError),
        (refused("AccessDeniedException"), InternalError),
        (refused("Unheard"), InternalError),
        (NoCredentialsError(), InternalError),
        (CredentialRetrievalError(provider="x", error_msg="y"), InternalError),
        (denied(), InternalError),
    ],
)
def test_what_does_not_pass_is_told_at_once(fault: Exception, answer: type[CairnError]) -> None:
    table, script = table_of(fault)
    with pytest.raises(answer) as told:
        table.update(Update(KEY, [Set("n", 2)]))
    assert type(told.value) is answer
    assert len(script.asked) == 1


# -- transactions --------------------------------------------------------------------------------------

PUT = Put({**ITEM, "sk": "a"}, Absent())
UPDATE = Update(Key("p", "b"), [Add("n", 1)])
WRITES: list[TransactWrite] = [PUT, UPDATE, Check(KEY, eq("n", 2))]


def cancelled(*codes: str, item: dict[str, Any] | None = None) -> Refused:
    reasons = [{"Code": code, **({"Item": item} if item else {})} for code in codes]
    return refused("TransactionCanceledException", CancellationReasons=reasons)


def test_a_cancellation_names_the_first_condition_that_failed() -> None:
    """Also beside a conflict: repeating could not help."""
    table, script = table_of(cancelled("None", "TransactionConflict", "ConditionalCheckFailed", item=RAW))
    with pytest.raises(ConditionFailed) as failed:
        table.transact(WRITES)
    assert (failed.value.key, failed.value.item) == (KEY, ITEM)
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("codes", "answer", "requests"),
    [
        (("None", "TransactionConflict", "None"), TemporarilyUnavailable, ATTEMPTS),
        (("ThrottlingError", "None", "None"), RequestLimitExceeded, ATTEMPTS),
        (("None", "ProvisionedThroughputExceeded", "None"), RequestLimitExceeded, ATTEMPTS),
        (("TransactionConflict", "ValidationError", "None"), MalformedRequest, 1),
        (("ItemCollectionSizeLimitExceeded", "None", "None"), InternalError, 1),
        (("Unheard", "None", "None"), InternalError, 1),
        ((), InternalError, 1),
    ],
)
def test_other_cancellations(codes: tuple[str, ...], answer: type[CairnError], requests: int) -> None:
    table, script = table_of(cancelled(*codes))
    with pytest.raises(answer):
        table.transact(WRITES)
    assert len(script.asked) == requests


def test_a_repeated_transaction_keeps_its_token() -> None:
    table, script = table_of(refused("InternalServerError", 500), refused("InternalServerError", 500), {})
    table.transact(WRITES)
    table.transact(WRITES)
    table.transact(WRITES, token="mine")
    tokens = [parameters["ClientRequestToken"] for _, parameters in script.asked]
    assert tokens[0] == tokens[1] == tokens[2] != tokens[3]
    assert tokens[4] == "mine"


def test_every_write_asks_for_the_old_item() -> None:
    table, script = table_of({})
    table.transact([*WRITES, Delete(Key("p", "d"), Absent())])
    table.put(PUT)
    table.update(UPDATE)
    table.delete(Delete(KEY))
    ((_, transaction), *singles) = script.asked
    parts = [part for write in transaction["TransactItems"] for part in write.values()]
    assert len(parts) == 4
    for parameters in [*parts, *(parameters for _, parameters in singles)]:
        assert parameters["TableName"] == "cairn"
        assert parameters["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


# -- batches -------------------------------------------------------------------------------------------


def test_unprocessed_keys_are_asked_for_again() -> None:
    def answer(found: list[str], left: list[str]) -> dict[str, Any]:
        items = [{"pk": {"S": "p"}, "sk": {"S": sk}} for sk in found]
        unprocessed = (
            {"cairn": {"Keys": [{"pk": {"S": "p"}, "sk": {"S": sk}} for sk in left]}} if left else {}
        )
        return {"Responses": {"cairn": items}, "UnprocessedKeys": unprocessed}

    meter = Meter()
    table, script = table_of(
        answer(["a"], ["b", "c"]), answer([], ["b", "c"]), answer(["b"], []), meter=meter
    )
    with meter.measure() as measured:
        found = table.batch_get([Key("p", sk) for sk in "abc"])
    assert sorted(key.sk for key in found) == ["a", "b"]
    asked = [parameters["RequestItems"]["cairn"]["Keys"] for _, parameters in script.asked]
    assert [[key["sk"]["S"] for key in keys] for keys in asked] == [["a", "b", "c"], ["b", "c"], ["b", "c"]]
    assert [cost.read_units for cost in measured.costs] == [1, 0, 2]


def test_unprocessed_writes_are_repeated() -> None:
    put = {"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"S": "b"}, "n": {"N": "1"}}}}
    delete = {"DeleteRequest": {"Key": {"pk": {"S": "p"}, "sk": {"S": "c"}}}}
    table, script = table_of({"UnprocessedItems": {"cairn": [put, delete]}}, {"UnprocessedItems": {}})
    table.batch_write([Put({**ITEM, "sk": "a"}), Put({**ITEM, "sk": "b"}), Delete(Key("p", "c"))])
    first, second = (parameters["RequestItems"]["cairn"] for _, parameters in script.asked)
    assert len(first) == 3
    assert second == [put, delete]


def test_what_is_never_processed_is_a_throttle() -> None:
    left = {"UnprocessedItems": {"cairn": [{"PutRequest": {"Item": RAW}}]}}
    table, script = table_of(left)
    with pytest.raises(RequestLimitExceeded):
        table.batch_write([Put(ITEM)])
    assert len(script.asked) == ATTEMPTS


# -- units ---------------------------------------------------------------------------------------------


def test_in_production_the_units_are_those_that_were_billed() -> None:
    meter = Meter()
    table, script = table_of(
        {"Attributes": RAW, "ConsumedCapacity": {"CapacityUnits": 7.0}},
        {"ConsumedCapacity": [{"CapacityUnits": 12.0}]},
        {"UnprocessedItems": {}, "ConsumedCapacity": [{"CapacityUnits": 3.0}]},
        meter=meter,
    )
    with meter.measure() as measured:
        table.update(Update(KEY, [Add("n", 1)]))
        table.transact([Put(ITEM), Put({**ITEM, "pk": "q"})])
        table.batch_write([Put(ITEM)])
    assert measured.costs == [
        Cost("UpdateItem", write_units=7, partitions={"p": 7}),
        Cost("TransactWriteItems", write_units=12, partitions={"p": 6, "q": 6}),
        Cost("BatchWriteItem", write_units=3, partitions={"p": 3}),
    ]
    assert all(parameters["ReturnConsumedCapacity"] == "TOTAL" for _, parameters in script.asked)


def test_without_a_meter_nothing_is_asked_beside() -> None:
    table, script = table_of({})
    table.put(Put(ITEM))
    assert script.asked[0][1].keys() == {"TableName", "Item", "ReturnValuesOnConditionCheckFailure"}


# -- the table itself ----------------------------------------------------------------------------------


def test_a_table_is_made_once() -> None:
    with dynamodb_table(Meter()):
        create_table(client(), "cairn")
        described = client().describe_table(TableName="cairn")["Table"]
        assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert described["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        lifetime = client().describe_time_to_live(TableName="cairn")["TimeToLiveDescription"]
        assert (lifetime["TimeToLiveStatus"], lifetime["AttributeName"]) == ("ENABLED", "ttl")
