"""Sweeps: what is held is what comes first, and what a token carries of one comes back or is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.domain.entities import ACTIVE, Metric, Run, RunInfo
from cairn.errors import InvalidParameterValue
from cairn.search import cursor
from cairn.search.fields import RUNS, read_order
from cairn.search.order import run_ordering
from cairn.storage.parts import PARTS, PartsProgress, read_parts
from cairn.storage.sweep import MARKS, RANGE, Progress, Top, read_progress

ORDERING = run_ordering(read_order(RUNS, ["metrics.m DESC"]))
CEILING = ((0, 0.5), (0, 7), (0, "b" * 32))


def a_run(number: int, value: float) -> Run:
    info = RunInfo(f"{number:032x}", "1", "name", "", "RUNNING", 0, None, ACTIVE, "s3://b/r")
    return Run(info, metrics={"m": Metric("m", value, 0)})


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0])), st.integers(1, 5), st.integers(0, 5), st.booleans())
def test_the_top_holds_what_comes_first(values: list[float], most: int, floor: int, trims: bool) -> None:
    runs = [a_run(number, value) for number, value in enumerate(values)]
    ordered = sorted(runs, key=lambda run: ORDERING.key(ORDERING.position(run)))
    after = ORDERING.position(ordered[floor]) if floor < len(ordered) else None
    top = Top(ORDERING, most, after, None)
    for run in runs:
        top.add(run)
    if trims:
        top.trim(most)
    held = list(top.before(None))
    behind = ordered[floor + 1 :] if floor < len(ordered) else ordered
    assert held == behind[: len(held)]
    assert len(held) >= min(most, len(behind))
    last = None if len(held) == len(behind) else ORDERING.position(held[-1])
    assert top.ceiling == last
    assert not list(top.before(None))


@given(
    st.sampled_from([MARKS, RANGE]),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.integers(0, 2**128 - 1)),
    st.sampled_from([None, CEILING]),
)
def test_progress_comes_back(source: str, reached: str, held: list[int], ceiling: object) -> None:
    ids = tuple(f"{number:032x}" for number in held)
    known = (3, 12, 7, reached[::-1], not held)
    progress = Progress(source, reached, ids, CEILING if ceiling else None, *known)
    token = cursor.encode(b"query", ((cursor.RESUMED, progress.text()), *CEILING))
    after, text = cursor.decode_resumed(b"query", token, ORDERING)
    assert after == CEILING
    assert text is not None
    assert read_progress(text, ORDERING) == progress
    with pytest.raises(InvalidParameterValue, match="another query"):
        cursor.decode_resumed(b"other", token, ORDERING)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        5,
        ["nothing", "", "", None, 0, [0, 0], "", False],
        [["marks"], "", "", None, 0, [0, 0], "", False],
        ["marks", 5, "", None, 0, [0, 0], "", False],
        ["marks", "\ud800", "", None, 0, [0, 0], "", False],
        ["marks", "", "abc", None, 0, [0, 0], "", False],
        ["marks", "", "g" * 32, None, 0, [0, 0], "", False],
        ["marks", "", 7, None, 0, [0, 0], "", False],
        ["marks", "", "", [[0, 1.0]], 0, [0, 0], "", False],
        ["marks", "", "", [[0, "x"], [0, 7], [0, "b"]], 0, [0, 0], "", False],
        ["marks", "", "", [5], 0, [0, 0], "", False],
        ["marks", "", "", 5, 0, [0, 0], "", False],
        ["range", "", "", None, -1, [0, 0], "", False],
        ["range", "", "", None, 1.5, [0, 0], "", False],
        ["range", "", "", None, 0, ["now", 0], "", False],
        ["range", "", "", None, 0, [True, 0], "", False],
        ["range", "", "", None, 0, [0, None], "", False],
        ["range", "", "", None, 0, 0, "", False],
        ["range", "", "", None, 0, [0, 0], 5, False],
        ["range", "", "", None, 0, [0, 0], "\ud800", False],
        ["range", "", "", None, 0, [0, 0], "", 1],
        ["walk", "", "", None, 0, 0],
    ],
)
def test_a_forged_progress_is_refused(parts: object) -> None:
    with pytest.raises(InvalidParameterValue, match="page token"):
        read_progress(json.dumps(parts), ORDERING)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidParameterValue, match="page token"):
        read_progress("{", ORDERING)


WITHIN = ((cursor.RESUMED, "{}"), *CEILING)


@given(st.integers(0), st.sampled_from([None, CEILING, WITHIN, WITHIN[:1]]), st.booleans())
def test_the_progress_of_parts_comes_back(passed: int, within: object, ends: bool) -> None:
    progress = PartsProgress(passed, within, ("a" * 32, "b" * 32), CEILING if ends else None)  # type: ignore[arg-type]
    assert read_parts(progress.text(), ORDERING) == progress


@pytest.mark.parametrize(
    "parts",
    [
        [],
        5,
        ["marks", "", "", None, 0, [0, 0], "", False],
        ["walk", 0, None, "", None],
        [PARTS, -1, None, "", None],
        [PARTS, True, None, "", None],
        [PARTS, 0, 5, "", None],
        [PARTS, 0, [[3, 5]], "", None],
        [PARTS, 0, [[3, "{}"], [0, 0.5]], "", None],
        [PARTS, 0, [[0, "x"], [0, 7], [0, "b"]], "", None],
        [PARTS, 0, [], "", None],
        [PARTS, 0, None, "abc", None],
        [PARTS, 0, None, None, None],
        [PARTS, 0, None, "", [[0, 1.0]]],
        [PARTS, 0, None, "", [[3, "{}"]]],
    ],
)
def test_a_forged_progress_of_parts_is_refused(parts: object) -> None:
    with pytest.raises(InvalidParameterValue, match="page token"):
        read_parts(json.dumps(parts), ORDERING)
