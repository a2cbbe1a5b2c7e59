"""The grammar: what is read, and errors that point at what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import InvalidParameterValue
from cairn.search.fields import EXPERIMENTS, RUNS, read_filter, read_order
from cairn.search.tree import Comparison, Order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.loss > 0.5", Comparison("metric", "loss", ">", 0.5)),
        ("metrics.`val loss`<=-1", Comparison("metric", "val loss", "<=", -1.0)),
        ("params.\"a.b\" = 'x'", Comparison("param", "a.b", "=", "x")),
        ('params.a.b = "it\'s"', Comparison("param", "a.b", "=", "it's")),
        ("tags.mlflow.parentRunId != 'it''s'", Comparison("tag", "mlflow.parentRunId", "!=", "it''s")),
        ("tag.like like 'a%'", Comparison("tag", "like", "LIKE", "a%")),
        ("parameter.x is not null", Comparison("param", "x", "IS NOT NULL", None)),
        ("Created >= 1700000000000", Comparison("attribute", "start_time", ">=", 1700000000000)),
        ("attributes.start_time < 1.5", Comparison("attribute", "start_time", "<", 1.5)),
        ("\"Run Name\" ILIKE 'x'", Comparison("attribute", "run_name", "ILIKE", "x")),
        ("run.run_id NOT IN ('a', \"b\",)", Comparison("attribute", "run_id", "NOT IN", ("a", "b"))),
        ("run_id IN ('a' 'b', '\\x41\\n')", Comparison("attribute", "run_id", "IN", ("ab", "A\n"))),
        ("datasets.digest IN ('d')", Comparison("dataset", "digest", "IN", ("d",))),
    ],
)
def test_a_clause_of_a_run_filter(text: str, expected: Comparison) -> None:
    assert read_filter(RUNS, text) == (expected,)


def test_and_only_separates() -> None:
    assert len(read_filter(RUNS, "AND metrics.a > 1 metrics.b > 2 AND AND tags.c IS NULL and")) == 3
    assert read_filter(RUNS, "") == ()
    assert read_filter(RUNS, "AND") == ()


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "metrics.a",
        "metrics.a >",
        "metrics.a > 'x'",
        "metrics.a > nan",
        "metrics.a > 0x10",
        "metrics.a = 1 OR metrics.b = 2",
        "(metrics.a = 1)",
        "params.a = x",
        "params.a = 5",
        "params.a > 'x'",
        "params.a NOT LIKE 'x'",
        "params.a == 'x'",
        "params.a = 'x",
        "params.a = 'x';",
        "params.a = 'x' -- why",
        "params.a IN ('x')",
        "params.in = 'x'",
        "metrics.a IS NULL",
        "tags.a IS NOT  NULL",
        "tags.a = 'x' tags.b IS NULL",
        "run_id = ('a')",
        "run_id IN ()",
        "run_id IN ('a', 1)",
        "run_id IN ('a'",
        "status IN ('a')",
        "start_time > 9223372036854775808",
        "start_time > " + "9" * 5_000,
        "start_time LIKE '1'",
        "dataset.schema = 'x'",
        "duration > 1",
        "model.x = 'y'",
        "run name = 'x'",
    ],
)
def test_what_is_no_run_filter(text: str) -> None:
    with pytest.raises(InvalidParameterValue):
        read_filter(RUNS, text)


def test_ten_thousand_tokens_are_the_most() -> None:
    assert read_filter(RUNS, "AND " * 5_000) == ()
    with pytest.raises(InvalidParameterValue, match="10000 tokens"):
        read_filter(RUNS, "AND " * 5_000 + "AND")


def test_an_error_points_at_the_text() -> None:
    text = "metrics.a > 1 AND metrics.b ; 2"
    with pytest.raises(InvalidParameterValue) as caught:
        read_filter(RUNS, text)
    _, line, caret = caught.value.message.splitlines()
    assert line[caret.index("^")] == ";"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start_time", Order("attribute", "start_time", ascending=True)),
        ("created DESC", Order("attribute", "start_time", ascending=False)),
        ("metrics.`val loss` desc", Order("metric", "val loss", ascending=False)),
        ('params."a b" ASC', Order("param", "a b", ascending=True)),
        ("tags.a.b", Order("tag", "a.b", ascending=True)),
    ],
)
def test_an_order_of_runs(text: str, expected: Order) -> None:
    assert read_order(RUNS, [text]) == (expected,)


@pytest.mark.parametrize(
    "text",
    ["", " ", " start_time", "start_time ", "start_time DOWN", "start_time DESC x", "a, b", "dataset.name",
     "lifecycle_stage", "run name", "metrics.'a", "5 DESC", "metrics.a DESC NULLS FIRST"],
)  # fmt: skip
def test_what_is_no_order_of_runs(text: str) -> None:
    with pytest.raises(InvalidParameterValue):
        read_order(RUNS, [text])


def test_a_field_orders_runs_once() -> None:
    with pytest.raises(InvalidParameterValue, match="duplicate"):
        read_order(RUNS, ["created", "attributes.start_time DESC"])
    assert len(read_order(EXPERIMENTS, ["name", "name DESC"])) == 2


@pytest.mark.parametrize(
    "text",
    ["name like 'x'", "attributes.name = 'x'", "creation_time > 1.5", "experiment_id LIKE '1'",
     "name IN ('a')",
     "params.a = 'x'", "name IS NULL", "experiment_id = 1"],
)  # fmt: skip
def test_what_is_no_experiment_filter(text: str) -> None:
    with pytest.raises(InvalidParameterValue):
        read_filter(EXPERIMENTS, text)


@given(st.text(alphabet="abAND .'\"`()=<>!,-1é\\;\n%_", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for fields in (RUNS, EXPERIMENTS):
        for read in (lambda source, fields=fields: read_filter(fields, source),
                     lambda source, fields=fields: read_order(fields, [source])):  # fmt: skip
            try:
                read(text)
            except InvalidParameterValue:
                continue
