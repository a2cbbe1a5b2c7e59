"""Expressions as DynamoDB reads them, and the checks that emulators leave out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import InternalError
from cairn.storage.attributes import marshal_item, unmarshal, unmarshal_item
from cairn.storage.expr import (
    Absent,
    Action,
    Add,
    And,
    Compare,
    Exists,
    Not,
    Or,
    Remove,
    Set,
    SetIfAbsent,
    eq,
)
from cairn.storage.limits import MalformedRequest
from cairn.storage.render import Expressions, check_expressions
from cairn.storage.table import Query


def test_one_owner_of_placeholders() -> None:
    """Names are shared, values are not; condition and update draw from one supply."""
    actions: list[Action] = [
        Set("t", "x"),
        Add("n", 1),
        Remove("old"),
        SetIfAbsent("z", b"z"),
        Set("u", True),
    ]
    condition = And((eq("n", 5), Or((Absent("t"), Not(Compare("z", "<>", "y"))))))
    assert Expressions().update(actions).condition(condition).parameters() == {
        "UpdateExpression": "SET #0 = :0, #3 = if_not_exists(#3, :2), #4 = :3 ADD #1 :1 REMOVE #2",
        "ConditionExpression": (
            "#1 = :4 AND (attribute_not_exists(#0) OR NOT (attribute_exists(#3) AND #3 <> :5))"
        ),
        "ExpressionAttributeNames": {"#0": "t", "#1": "n", "#2": "old", "#3": "z", "#4": "u"},
        "ExpressionAttributeValues": {
            ":0": {"S": "x"},
            ":1": {"N": "1"},
            ":2": {"B": "eg=="},
            ":3": {"BOOL": True},
            ":4": {"N": "5"},
            ":5": {"S": "y"},
        },
    }


def test_what_has_no_values_sends_no_values() -> None:
    assert Expressions().condition(Exists()).parameters() == {
        "ConditionExpression": "attribute_exists(#0)",
        "ExpressionAttributeNames": {"#0": "pk"},
    }
    assert Expressions().condition(None).parameters() == {}


@pytest.mark.parametrize(
    ("query", "condition", "rest"),
    [
        (Query("p"), "#0 = :0", {}),
        (Query("p", low="a"), "#0 = :0 AND #1 >= :1", {}),
        (Query("p", high="b", forward=False), "#0 = :0 AND #1 <= :1", {"ScanIndexForward": False}),
        (
            Query("p", "a", "b", consistent=False),
            "#0 = :0 AND #1 BETWEEN :1 AND :2",
            {"ConsistentRead": False},
        ),
        (Query("p", prefix="a", limit=7), "#0 = :0 AND begins_with(#1, :1)", {"Limit": 7}),
        (Query("p", after="k"), "#0 = :0", {"ExclusiveStartKey": {"pk": {"S": "p"}, "sk": {"S": "k"}}}),
    ],
)
def test_queries(query: Query, condition: str, rest: dict[str, Any]) -> None:
    parameters = Expressions().keys(query).parameters()
    assert parameters.pop("KeyConditionExpression") == condition
    del parameters["ExpressionAttributeNames"], parameters["ExpressionAttributeValues"]
    assert parameters == {"ScanIndexForward": True, "ConsistentRead": True, **rest}


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        ({"ConditionExpression": "#0 = :0", "ExpressionAttributeNames": {"#0": "a"}}, "undefined.*:0"),
        (
            {"ConditionExpression": "a = :0 AND #1 = :0", "ExpressionAttributeValues": {":0": 1}},
            "undefined.*#1",
        ),
        (
            {"UpdateExpression": "REMOVE #0", "ExpressionAttributeNames": {"#0": "a", "#1": "b"}},
            "unused.*#1",
        ),
        ({"UpdateExpression": "REMOVE a", "ExpressionAttributeValues": {}}, "empty"),
        ({"UpdateExpression": ""}, "0 bytes"),
        ({"ConditionExpression": "a" * 4097}, "4097 bytes"),
        ({"ConditionExpression": "((attribute_exists(a)))"}, "redundant"),
        ({"ConditionExpression": "b = c OR ((a = b))"}, "redundant"),
        ({"ExpressionAttributeNames": {"#0": "a"}}, "unused"),
    ],
)
def test_malformed_requests_are_refused(request_: dict[str, Any], wrong: str) -> None:
    with pytest.raises(MalformedRequest, match=wrong):
        check_expressions(request_)


def test_sound_requests_pass() -> None:
    check_expressions({})
    check_expressions({"ConditionExpression": "((a = b) AND (c = d)) OR (attribute_exists(a))"})
    check_expressions({"ConditionExpression": "a" * 4096})


def test_a_placeholder_is_not_used_by_a_longer_one() -> None:
    names = {f"#{number}": f"a{number}" for number in range(11)}
    with pytest.raises(MalformedRequest, match=r"unused placeholders: #1$"):
        check_expressions(
            {
                "UpdateExpression": "REMOVE " + ", ".join(name for name in names if name != "#1"),
                "ExpressionAttributeNames": names,
            }
        )


values = st.recursive(
    st.text() | st.integers(-(10**37), 10**37) | st.binary() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_attributes_go_and_come_back(item: dict[str, Any]) -> None:
    assert repr(unmarshal_item(marshal_item(item))) == repr(item)


def test_numbers_come_back_in_any_notation() -> None:
    assert [unmarshal({"N": text}) for text in ("-5", "1E+30", "5.00", "-1e2")] == [-5, 10**30, 5, -100]


def test_what_cairn_does_not_write_it_does_not_read() -> None:
    for attribute in ({"NULL": True}, {"SS": ["a"]}, {"N": "1.5"}):
        with pytest.raises(InternalError):
            unmarshal(attribute)
