"""The comparison itself: MLflow beside MLflow shows no difference, and one that is planted is found."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.differential import drive
from tests.differential.compare import difference, read
from tests.differential.operations import Ids, Operation, Request
from tests.differential.reference import Backend, Mlflow, Moment, Reply, mlflow_backend
from tests.differential.search_calls import PROFILES


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mlflow, Mlflow]:
    folder = tmp_path_factory.mktemp("pair")
    return mlflow_backend(folder, "first"), mlflow_backend(folder, "second")


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_mlflow_does_not_differ_from_itself(
    profile: str, pair: tuple[Mlflow, Mlflow], record_property: Callable[[str, object], None]
) -> None:
    tally = drive.Tally()

    @seed(20_250)
    @settings(
        max_examples=12,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(PROFILES[profile])
    def compare(operations: list[Operation]) -> None:
        drive.run(operations, pair[0], [pair[1]], tally)

    compare()
    record_property("report", f"MLflow beside itself, {profile}: {tally.text()}")
    assert not tally.tolerated
    assert tally.share >= 0.6


@dataclass(slots=True)
class Mistaken:
    """MLflow's server with one mistake: it stores the tag ``team`` under another name."""

    inner: Backend
    name: str = "mistaken"

    def reset(self, now: int) -> None:
        self.inner.reset(now)

    def call(self, request: Request, moment: Moment) -> Reply:
        body = request.body
        if request.path.endswith("/runs/set-tag") and body is not None:
            body = body.replace(b'"team"', b'"mate"')
        return self.inner.call(replace(request, body=body), moment)


def test_a_planted_mistake_is_found_and_shrunk_to_a_replay(pair: tuple[Mlflow, Mlflow]) -> None:
    run = Operation("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
    tag = Operation(
        "POST", "/api/2.0/mlflow/runs/set-tag", {"run_id": "{run:0}", "key": "team", "value": "a"}
    )
    noise = Operation("GET", "/api/2.0/mlflow/runs/get", query=(("run_id", "{run:0}"),))

    @settings(max_examples=60, database=None, deadline=None, derandomize=True)
    @given(st.lists(st.sampled_from((run, tag, noise)), max_size=12))
    def compare(operations: list[Operation]) -> None:
        drive.run(operations, pair[0], [Mistaken(pair[1])], drive.Tally())

    with pytest.raises(drive.Different) as found:
        compare()
    text = str(found.value)
    assert "mistaken differs from first" in text
    assert text.count("POST /api/2.0/mlflow/runs/create") == 1
    assert "runs/set-tag" in text.split("Replay:")[1]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"tags": [{"key": "a"}, {"key": "b"}]}, {"tags": [{"key": "b"}, {"key": "a"}]}, True),
        ({"runs": [1, 2]}, {"runs": [2, 1]}, False),
        ({"metrics": [{"value": 1}]}, {"metrics": [{"value": 1.0}]}, True),
        ({"metrics": [{"value": 0.0}]}, {"metrics": [{"value": -0.0}]}, False),
        ({"metrics": [{"step": 1}, {"step": 2}]}, {"metrics": [{"step": 2}, {"step": 1}]}, False),
        ({"data": {"metrics": [1, 2]}}, {"data": {"metrics": [2, 1]}}, True),
        ({"next_page_token": "x"}, {"next_page_token": "y"}, True),
        ({"next_page_token": "x"}, {}, False),
        ({"a": 1}, {"a": True}, False),
    ],
)
def test_equal_answers(left: object, right: object, same: bool) -> None:
    first, second = (read(Reply(200, json.dumps(each).encode())) for each in (left, right))
    assert (difference(first, second) is None) is same


def test_errors_are_equal_in_code_and_status_and_where_asked_in_words() -> None:
    def error(status: int, code: str, message: str) -> Reply:
        return Reply(status, json.dumps({"error_code": code, "message": message}).encode())

    one = read(error(400, "INVALID_PARAMETER_VALUE", "a"))
    other = read(error(400, "INVALID_PARAMETER_VALUE", "b"))
    assert difference(one, other) is None
    assert difference(one, other, messages=True) is not None
    assert difference(one, read(error(404, "INVALID_PARAMETER_VALUE", "a"))) is not None
    assert difference(one, read(error(400, "BAD_REQUEST", "a"))) is not None


def test_placeholders_name_what_was_made() -> None:
    ids = Ids()
    operation = Operation("POST", "/x/{model:0}", {"run_id": "{run:3}", "f": "run_id = '{run:0}'"})
    assert b"ff0123456789abcdef" in (ids.request(operation).body or b"")
    ids.add("run", "r0")
    ids.add("run", "r1")
    assert json.loads(ids.request(operation).body or b"") == {"run_id": "r1", "f": "run_id = 'r0'"}
    paged = Operation("GET", "/x", query=(("page_token", "old"), ("a", "1")))
    assert ids.request(paged, "t").query == (("a", "1"), ("page_token", "t"))


def test_databases_are_apart_and_a_reset_forgets(tmp_path: Path, pair: tuple[Mlflow, Mlflow]) -> None:
    create = Operation("POST", "/api/2.0/mlflow/experiments/create", {"name": "only here"})
    find = Operation(
        "GET", "/api/2.0/mlflow/experiments/get-by-name", query=(("experiment_name", "only here"),)
    )
    for each in pair:
        each.reset(0)
    assert pair[0].call(Ids().request(create), Moment(1, 1)).status == 200
    assert pair[0].call(Ids().request(find), Moment(1, 1)).status == 200
    assert pair[1].call(Ids().request(find), Moment(1, 1)).status == 404
    pair[0].reset(0)
    assert pair[0].call(Ids().request(find), Moment(1, 1)).status == 404
