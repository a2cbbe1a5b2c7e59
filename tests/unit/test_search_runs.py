"""The use-case: pages, tokens that survive writes, limits; and named traps of matching and ordering."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.domain.access import DEPLOYMENT
from cairn.domain.entities import ACTIVE, DELETED, DatasetInput, Metric, Run, RunInfo
from cairn.errors import InvalidParameterValue
from cairn.protocol.messages.experiments import SearchDatasets
from cairn.protocol.messages.runs import SearchRuns
from cairn.protocol.render import Page, written
from cairn.search.fields import RUNS, read_filter
from cairn.search.match import run_filter
from cairn.search.plan import Search
from cairn.services.ports import Stores
from cairn.services.search import PAGE_BYTES, search_datasets, search_runs
from cairn.sharing.caller import Caller
from tests.matching import MatchingIndex

_CALLER = Caller("aws", "0", "local", "tester")

NAN = float("nan")


def a_run(number: int, *, start: int = 0, stage: str = ACTIVE, **facts: Any) -> Run:
    metrics = facts.pop("metrics", {})
    info = RunInfo(f"{number:032x}", "1", "name", "", "RUNNING", start, None, stage, "s3://b/r")
    return Run(info, metrics={key: Metric(key, value, 0) for key, value in metrics.items()}, **facts)


class _Memory:
    """Runs and datasets in memory; counts what is read."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)
        self.read = 0

    def search(self, search: Search) -> Iterator[Run]:
        for run in MatchingIndex(self.runs).search(search):
            self.read += 1
            yield run

    def fill(self, runs: Sequence[Run]) -> list[Run]:
        return list(runs)

    def summaries(self, experiment_ids: Sequence[str]) -> list[dict[str, str]]:
        return [{"experiment_id": found, "name": "n", "digest": "d"} for found in experiment_ids] * 2_000


def _stores(memory: _Memory) -> Stores:
    held = cast("Any", memory)
    return Stores(*(held,) * 12, lambda: 0, lambda bits: 0, access=DEPLOYMENT)


def _search(memory: _Memory, **fields: Any) -> tuple[list[int], str]:
    request = SearchRuns(experiment_ids=fields.pop("experiment_ids", ["1"]), **fields)
    page = search_runs(_stores(memory), _CALLER, request)
    assert isinstance(page, Page)
    assert page.written == written(dict(page)), "what was weighed is the answer, byte for byte"
    numbers = [int(run["info"]["run_id"], 16) for run in page.get("runs", [])]
    return numbers, page.get("next_page_token", "")


def _meets(run: Run, text: str) -> bool:
    return run_filter(read_filter(RUNS, text))(run)


def test_a_nan_metric_meets_not_equal_alone() -> None:
    run = a_run(1, metrics={"m": NAN})
    assert [each for each in ("=", "!=", "<", "<=", ">", ">=") if _meets(run, f"metrics.m {each} 0")] == [
        "!="
    ]


def test_what_is_missing_meets_nothing_but_is_null() -> None:
    run = a_run(1)
    assert not _meets(run, "params.p != 'x'")
    assert not _meets(run, "metrics.m != 1")
    assert not _meets(run, "end_time != 1")
    assert _meets(run, "params.p IS NULL AND tags.t IS NULL")
    assert not _meets(run, "params.p IS NOT NULL")


def test_integers_beyond_doubles_compare_exactly() -> None:
    run = a_run(1, start=2**53 + 1)
    assert _meets(run, "start_time = 9007199254740993")
    assert not _meets(run, "start_time = 9007199254740992.0")


def test_a_run_name_is_filtered_by_its_tag_and_ordered_by_its_column() -> None:
    named = a_run(1, tags={"mlflow.runName": "other"})
    assert _meets(named, "run_name = 'other'")
    assert not _meets(a_run(2), "attributes.run_name LIKE '%'")
    assert _search(_Memory([named, a_run(2)]), order_by=["run_name"])[0] == [1, 2]


def test_two_dataset_clauses_may_meet_two_datasets() -> None:
    run = a_run(
        1, dataset_inputs=(DatasetInput("a", "1"), DatasetInput("b", "2", {"mlflow.data.context": "t"}))
    )
    assert _meets(run, "dataset.name = 'a' AND dataset.digest = '2' AND dataset.context = 't'")
    assert not _meets(run, "dataset.context != 't'")


@pytest.mark.parametrize(
    ("direction", "expected"), [("ASC", [4, 1, 5, 2, 3, 6]), ("DESC", [2, 1, 5, 4, 3, 6])]
)
def test_nan_comes_after_values_and_missing_last(direction: str, expected: list[int]) -> None:
    values = {1: 0.0, 2: 7.0, 3: NAN, 4: -1.0, 5: -0.0}
    runs = [a_run(number, metrics={"m": value}) for number, value in values.items()] + [a_run(6)]
    assert _search(_Memory(runs), order_by=[f"metrics.m {direction}"])[0] == expected


def test_ties_go_by_start_time_then_id() -> None:
    runs = [a_run(number, start=start) for number, start in ((3, 5), (2, 5), (1, 4), (4, 9))]
    assert _search(_Memory(runs), order_by=["status"])[0] == [4, 2, 3, 1]


def test_views() -> None:
    memory = _Memory([a_run(1), a_run(2, stage=DELETED)])
    assert _search(memory)[0] == [1]
    assert _search(memory, run_view_type="DELETED_ONLY")[0] == [2]
    assert _search(memory, run_view_type="ALL")[0] == [1, 2]


def test_an_experiment_counts_once() -> None:
    assert _search(_Memory([a_run(1)]), experiment_ids=["1", "01", "1", "2"])[0] == [1]


def test_the_default_order_reads_no_more_than_a_page() -> None:
    memory = _Memory([a_run(number) for number in range(1000)])
    numbers, token = _search(memory, max_results=10)
    assert numbers == list(range(10))
    assert memory.read == 11
    assert _search(memory, max_results=3, page_token=token)[0] == [10, 11, 12]
    assert memory.read == 15


@given(
    st.lists(st.tuples(st.sampled_from((0.0, 1.0, NAN, None)), st.sampled_from((0, 5))), max_size=25),
    st.sampled_from(
        ([], ["metrics.m"], ["metrics.m DESC"], ["params.p DESC", "metrics.m"], ["start_time"])
    ),
    st.integers(1, 6),
    st.integers(0, 2**32),
)
def test_pages_continue_behind_their_row_while_rows_around_change(
    made: list[tuple[float | None, int]], order_by: list[str], size: int, seed: int
) -> None:
    """Rows that stay are each seen once, in order, whatever comes and goes between the pages."""
    rng = random.Random(seed)
    runs = [
        a_run(
            2 * number,
            start=start,
            metrics={} if value is None else {"m": value},
            params=rng.choice(({}, {"p": "a"}, {"p": "b"})),
        )
        for number, (value, start) in enumerate(made)
    ]
    memory = _Memory(runs)
    whole, _ = _search(memory, order_by=order_by)
    seen: list[int] = []
    token, removed = "", set()
    while True:
        page, token = _search(memory, order_by=order_by, max_results=size, page_token=token)
        seen += page
        if not token:
            break
        gone = rng.choice(memory.runs)
        memory.runs.remove(gone)
        removed.add(int(gone.info.run_id, 16))
        memory.runs.append(
            a_run(2 * rng.randint(0, 10**6) + 1, start=rng.choice((0, 3, 9)), metrics={"m": 1.0})
        )
    assert len(seen) == len(set(seen))
    stayed = [number for number in whole if number not in removed]
    assert [number for number in seen if number % 2 == 0 and number not in removed] == stayed


def test_a_token_is_good_for_another_page_size_and_no_other_query() -> None:
    memory = _Memory([a_run(number) for number in range(9)])
    _, token = _search(memory, max_results=2)
    assert _search(memory, max_results=5, page_token=token)[0] == [2, 3, 4, 5, 6]
    for other in ({"filter": "params.a = 'x'"}, {"order_by": ["start_time"]}, {"experiment_ids": ["2"]}):
        with pytest.raises(InvalidParameterValue, match="page token"):
            _search(memory, page_token=token, **other)


def test_a_page_is_cut_before_its_answer_grows_too_large() -> None:
    memory = _Memory([a_run(number, tags={"t": "x" * 1_000_000}) for number in range(12)])
    first, token = _search(memory)
    assert len(first) == PAGE_BYTES // 1_000_000
    seen = first
    while token:
        page, token = _search(memory, page_token=token)
        seen += page
    assert seen == list(range(12))


def test_a_run_larger_than_a_page_is_shown_alone() -> None:
    memory = _Memory([a_run(number, tags={"t": "x" * (PAGE_BYTES + 1)}) for number in range(2)])
    first, token = _search(memory)
    assert first == [0]
    assert _search(memory, page_token=token) == ([1], "")


@pytest.mark.parametrize(
    ("size", "message"), [(0, "a positive integer"), (-1, "a positive integer"), (50_001, "at most 50000")]
)
def test_page_sizes(size: int, message: str) -> None:
    with pytest.raises(InvalidParameterValue, match=message):
        _search(_Memory([]), max_results=size)


def test_dataset_summaries_have_limits() -> None:
    stores = _stores(_Memory([]))
    page = search_datasets(stores, _CALLER, SearchDatasets(experiment_ids=["1", "1"]))
    assert len(page["dataset_summaries"]) == 1_000
    for ids, message in (([], "at least one"), (["1"] * 21, "more than 20 experiment_ids. Received 21")):
        with pytest.raises(InvalidParameterValue, match=message):
            search_datasets(stores, _CALLER, SearchDatasets(experiment_ids=ids))
