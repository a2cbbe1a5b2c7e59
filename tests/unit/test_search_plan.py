"""What a plan says of itself: which entries are walked, and what else would hold every match."""

import pytest

from cairn.search.fields import RUNS, read_filter, read_order
from cairn.search.plan import plan

EXPLAINED = [
    ("", [], ["walk the default order from the newest"]),
    ("", ["start_time ASC"], ["walk the default order from the oldest"]),
    ("", ["metrics.loss DESC"], ["walk metrics.loss down, then those with NaN, then those without it"]),
    ("metrics.loss < 0", ["metrics.loss ASC"], ["walk metrics.loss up", "  only metrics.loss < 0.0"]),
    (
        "metrics.loss > 0 AND params.model = 'tree'",
        [],
        [
            "walk params.model from the newest",
            "  or, where those are few, read the runs with metrics.loss > 0.0",
            "  only params.model = 'tree'",
        ],
    ),
    (
        "dataset.name IN ('b', 'a')",
        ["start_time DESC"],
        ["walk datasets.name from the newest", "  only datasets.name IN ('b', 'a')"],
    ),
    (
        "status = 'FAILED' AND tags.team IS NOT NULL",
        ["params.depth ASC", "start_time DESC"],
        [
            "walk params.depth up, then those without it",
            "  or, where those are few, read the runs with attributes.status = 'FAILED'",
            "  or, where those are few, read the runs with tags.team IS NOT NULL",
        ],
    ),
    (
        "",
        ["status ASC", "metrics.loss DESC"],
        ["walk attributes.status up, then those without it; sort runs of one value by their facts"],
    ),
    (
        "",
        ["start_time ASC", "metrics.loss DESC"],
        ["walk the default order from the oldest; sort runs of one start time by their facts"],
    ),
    (
        "params.model IS NULL",
        [],
        [
            "walk the default order from the newest",
            "  pass over the runs with params.model, where hardly any are without",
        ],
    ),
    (
        "tags.`mlflow.runName` IS NULL",
        [],
        ["walk the default order from the newest", "  pass over other names than IS NULL"],
    ),
    (
        "run_name ILIKE '%lake%' AND tags.`mlflow.runName` IS NOT NULL",
        ["start_time ASC"],
        [
            "walk the default order from the oldest",
            "  pass over other names than ILIKE '%lake%' and IS NOT NULL",
        ],
    ),
    (
        "run_name LIKE 'calm%'",
        [],
        [
            "walk the default order from the newest",
            "  pass over other names than LIKE 'calm%'",
            "  or, where those are few, read the runs with tags.mlflow.runName LIKE 'calm%'",
        ],
    ),
    (
        "run_name = 'calm'",
        [],
        ["walk tags.mlflow.runName from the newest", "  only tags.mlflow.runName = 'calm'"],
    ),
    (
        "run_name ILIKE '%lake%'",
        ["user_id"],
        [
            "walk attributes.user_id up, then those without it",
            "  or, where those are few, read the runs with tags.mlflow.runName ILIKE '%lake%'",
        ],
    ),
    ("", ["run_id ASC"], ["read all runs, order them by their facts"]),
    ("run_id IN ('a', 'b')", ["metrics.loss"], ["read 2 runs by id"]),
]


@pytest.mark.parametrize(("tree", "orders", "lines"), EXPLAINED)
def test_a_plan_explains_itself(tree: str, orders: list[str], lines: list[str]) -> None:
    assert str(plan(read_filter(RUNS, tree), read_order(RUNS, orders))).split("\n") == lines
