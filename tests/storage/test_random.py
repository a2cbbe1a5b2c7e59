"""Random operations on both engines side by side: the same answers, the same errors, the same costs."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.errors import CairnError
from cairn.storage.engine import EngineTable
from cairn.storage.expr import (
    Absent,
    Action,
    Add,
    And,
    Compare,
    Condition,
    Exists,
    Not,
    Or,
    Remove,
    Set,
    SetIfAbsent,
)
from cairn.storage.meter import Meter
from cairn.storage.table import Check, ConditionFailed, Delete, Key, Put, Query, Update
from tests.storage.engines import dynamodb_table, sqlite_table

EXAMPLES = 120
Operation = Callable[[EngineTable, str], object]

# Each attribute has one type: comparisons between types are the evaluator's tests, moto fails at them.
TEXTS = st.text(max_size=3) | st.sampled_from(["a", "ab", "é", "🦊", "\uffff", "x" * 1500])
NUMBERS = st.integers(-3, 3) | st.sampled_from([10**37, -(10**20), 10**38 - 1])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "n": NUMBERS,
    "t": TEXTS,
    "b": st.binary(max_size=3) | st.just(b"y" * 2000),
    "f": st.booleans(),
    "l": st.lists(NUMBERS | TEXTS, max_size=2),
    "m": st.dictionaries(st.sampled_from("abc"), NUMBERS | TEXTS | st.binary(max_size=2), max_size=2),
}
NAMES = st.sampled_from(sorted(VALUES))
SORT_KEYS = st.sampled_from(["a", "b", "b#", "é", "🦊", "\uffff"])
PARTITIONS = st.sampled_from(["1", "2"])


def of_name(make: Callable[..., Any]) -> st.SearchStrategy[Any]:
    return NAMES.flatmap(lambda name: VALUES[name].map(lambda value: make(name, value)))


def compared(op: str) -> st.SearchStrategy[Condition]:
    names = NAMES if op in ("=", "<>") else st.sampled_from(["n", "t", "b"])
    return names.flatmap(lambda name: VALUES[name].map(lambda value: Compare(name, op, value)))


LEAVES: st.SearchStrategy[Condition] = st.one_of(
    st.just(Exists()),
    st.just(Absent()),
    NAMES.map(Exists),
    NAMES.map(Absent),
    st.sampled_from(["=", "<>", "<", "<=", ">", ">="]).flatmap(compared),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=4,
)
MAYBE = st.none() | CONDITIONS
ACTIONS = st.lists(
    st.one_of(
        of_name(Set),
        of_name(SetIfAbsent),
        st.integers(-2, 2).map(lambda by: Add("n", by)),
        NAMES.map(Remove),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda action: action.name,
)


def keyed(partition: str, part: str, sk: str) -> Key:
    return Key(f"{partition}/{part}", sk)


@st.composite
def writes(draw: st.DrawFn, conditional: bool = True, checks: bool = False) -> Callable[[str], Any]:
    part, sk = draw(PARTITIONS), draw(SORT_KEYS)
    condition = draw(MAYBE) if conditional else None
    kinds = ["put", "delete", *(["update"] if conditional else []), *(["check"] if checks else [])]
    match draw(st.sampled_from(kinds)):
        case "put":
            attributes = draw(st.fixed_dictionaries({}, optional=VALUES))
            return lambda root: Put({**keyed(root, part, sk)._asdict(), **attributes}, condition)
        case "update":
            actions: list[Action] = draw(ACTIONS)
            if all(isinstance(action, Remove) for action in actions):
                # Of an item that is not there, DynamoDB makes none by removals; moto does.
                condition = And((Exists(), *([condition] if condition else [])))
            return lambda root: Update(keyed(root, part, sk), actions, condition)
        case "delete":
            return lambda root: Delete(keyed(root, part, sk), condition)
    demanded = condition or Exists()
    return lambda root: Check(keyed(root, part, sk), demanded)


def apply(table: EngineTable, write: Any) -> object:
    match write:
        case Put():
            table.put(write)
            return None
        case Update():
            return table.update(write)
    return table.delete(write)


def distinct(made: list[Any]) -> list[Any]:
    return list({write.key: write for write in made}.values())


@st.composite
def queries(draw: st.DrawFn) -> Operation:
    part, forward = draw(PARTITIONS), draw(st.booleans())
    after = draw(st.none() | SORT_KEYS)
    bounds: dict[str, Any] = draw(
        st.fixed_dictionaries({}, optional={"low": SORT_KEYS, "high": SORT_KEYS})
        | st.fixed_dictionaries({"prefix": st.sampled_from(["", "b", "é", "🦊"])})
    )
    return lambda table, root: list(
        table.query(Query(f"{root}/{part}", **bounds, forward=forward, after=after)).items
    )


def reading(keys: list[tuple[str, str]]) -> Operation:
    return lambda table, root: table.batch_get([keyed(root, part, sk) for part, sk in keys])


def getting(key: tuple[str, str]) -> Operation:
    return lambda table, root: table.get(keyed(root, *key))


def writing(make: Callable[[str], Any]) -> Operation:
    return lambda table, root: apply(table, make(root))


def transacting(made: list[Callable[[str], Any]]) -> Operation:
    return lambda table, root: table.transact(distinct([make(root) for make in made]))


def batching(made: list[Callable[[str], Any]]) -> Operation:
    return lambda table, root: table.batch_write(distinct([make(root) for make in made]))


KEYS = st.tuples(PARTITIONS, SORT_KEYS)
OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    writes().map(writing),
    writes().map(writing),
    st.lists(writes(checks=True), min_size=1, max_size=4).map(transacting),
    st.lists(writes(conditional=False), max_size=6).map(batching),
    queries(),
    KEYS.map(getting),
    st.lists(KEYS, max_size=6).map(reading),
)


def outcome(table: EngineTable, meter: Meter, operation: Operation, root: str) -> tuple[Any, ...]:
    """The answer or the error, and what it cost."""
    with meter.measure() as measured:
        try:
            answer: object = operation(table, root)
        except ConditionFailed as failed:
            answer = (failed.key, failed.item)
        except CairnError as error:
            answer = type(error)
    return answer, measured.costs


Engine = tuple[EngineTable, Meter]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Engine, Iterator[int]]]:
    one, other = Meter(), Meter()
    with sqlite_table(tmp_path_factory.mktemp("table"), one) as sqlite, dynamodb_table(other) as dynamodb:
        yield (sqlite, one), (dynamodb, other), count()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=12))
def test_both_engines_answer_the_same(
    engines: tuple[Engine, Engine, Iterator[int]], operations: list[Operation]
) -> None:
    (sqlite, one), (dynamodb, other), numbers = engines
    root = str(next(numbers))
    for number, operation in enumerate(operations):
        assert outcome(sqlite, one, operation, root) == outcome(dynamodb, other, operation, root), number
    for part in ("1", "2"):
        walk = Query(f"{root}/{part}")
        assert list(sqlite.query(walk).items) == list(dynamodb.query(walk).items)
