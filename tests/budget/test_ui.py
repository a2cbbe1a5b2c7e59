"""What the pages of MLflow's UI cost, request by request as the browser sends them (``bench.ui_record``):
the same in an experiment of 100 runs as in one of 20,000; what a chart costs; what a GraphQL query costs.

Every run of the table's first page has 300 metrics, so that it has 300 columns.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from bench.load import RunSpec, load, run_id_of
from bench.ui import REQUESTS, Call, recording
from cairn.domain.release import MLFLOW_VERSION
from cairn.http import handle
from cairn.protocol.messages import metrics as messages
from cairn.services.metrics import get_metric_history_bulk_interval
from tests.budget.conftest import Api, Units, api_on, metrics, units
from tests.budget.test_history import CALLER, Site
from tests.budget.test_history import large as large

WIDE = RunSpec(metrics=300, params=5, tags=2, text_bytes=300)
NARROW = RunSpec(metrics=1, params=1, tags=0, text_bytes=20)
SHOWN, FEW, SMALL, LARGE = 100, 100, 200, 20_000
NOTHING = [0, 0, 0]


class Experiment:
    """Runs of which the newest 100 are wide."""

    def __init__(self, api: Api, runs: int) -> None:
        self._api = api
        self.id = api.post("experiments/create", {"name": f"{runs} runs"})["experiment_id"]
        load(api.table, self.id, NARROW, range(runs - SHOWN))
        load(api.table, self.id, WIDE, range(runs - SHOWN, runs))
        self.runs = [run_id_of(self.id, number) for number in reversed(range(runs - SHOWN, runs))]
        self.runs += self.runs[:20]  # a recording names up to 120, any of them will do

    def costs(self, calls: Sequence[Call]) -> dict[str, list[Units]]:
        """Of each call, by its path's last part; those that the table is not asked for are left out."""
        found: dict[str, list[Units]] = {}
        for call in calls:
            cost, _ = asked(self._api, call.about(self.id, self.runs))
            if cost != NOTHING:
                found.setdefault(call.path.rpartition("/")[2], []).append(cost)
        return found


def asked(api: Api, call: Call) -> tuple[Units, Any]:
    """The cost and the answer, which is 200."""
    query: dict[str, list[str]] = {}
    for name, value in call.query:
        query.setdefault(name, []).append(value)
    event = {
        "httpMethod": call.method,
        "path": call.path,
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "multiValueQueryStringParameters": query,
        "requestContext": {"identity": {"user": "local:ada"}},
        "body": None if call.body is None else json.dumps(call.body),
    }
    with api.meter.measure() as measured:
        answer = handle(api.app, event)
    assert answer.status == 200, answer.body
    assert isinstance(answer.body, bytes)
    return units(measured), json.loads(answer.body)


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[int, Experiment]]:
    for api in api_on("sqlite", tmp_path_factory.mktemp("ui")):
        yield {runs: Experiment(api, runs) for runs in (FEW, SMALL, LARGE)}


def requests(costs: Mapping[str, list[Units]]) -> dict[str, list[float]]:
    return {name: [cost[0] for cost in each] for name, each in costs.items()}


def test_the_recording_is_of_this_mlflow() -> None:
    """Another version's UI asks for other things: `python -m bench.ui_record` writes it anew."""
    assert json.loads(REQUESTS.read_text())["mlflow"] == MLFLOW_VERSION


def test_the_runs_table_costs_the_same_in_any_number_of_runs(experiments: Mapping[int, Experiment]) -> None:
    """Two pages, of 50 and of 100 runs, with all their columns; the others are single items. A page of 100
    of 100 runs is short of the few index entries that are read ahead."""
    calls = recording()["runs table"]
    costs = experiments[LARGE].costs(calls)
    assert costs == {
        "graphql": [[1, 0, 1]],
        "search": [[4, 0, 56], [5, 0, 116], [1, 0, 1]],
        "get": [[1, 0, 1], [1, 0, 2]],
        "search-datasets": [[1, 0, 1]],
    }
    assert costs == experiments[SMALL].costs(calls)
    assert requests(costs) == requests(experiments[FEW].costs(calls))


def test_a_runs_page_costs_the_same_in_any_number_of_runs(experiments: Mapping[int, Experiment]) -> None:
    calls = recording()["a run's page"]
    costs = experiments[LARGE].costs(calls)
    assert costs == {
        "graphql": [[1, 0, 1], [3, 0, 4], [3, 0, 4]],
        "search": [[4, 0, 56], [1, 0, 1], [3, 0, 3], [1, 0, 1]],
    }
    assert costs == experiments[SMALL].costs(calls) == experiments[FEW].costs(calls)


def test_a_graphql_query_costs_what_its_use_cases_do(api: Api) -> None:
    """A run with its experiment and model versions; 20 runs with theirs: the experiment is read once, the
    versions of each run are a search."""
    experiment = api.experiment()
    runs = [api.run(experiment) for _ in range(20)]
    api.post("runs/log-batch", {"run_id": runs[0], "metrics": metrics(20)})
    api.post("registered-models/create", {"name": "forest"})
    api.post("model-versions/create", {"name": "forest", "source": "s3://a/b", "run_id": runs[0]})

    def cost(query: str, **variables: Any) -> Units:
        found, answer = asked(api, Call("POST", "/graphql", (), {"query": query, "variables": variables}))
        assert answer["errors"] is None, answer
        return found

    run = "info { runUuid } experiment { name } modelVersions { name } data { metrics { key value } }"
    get = f"query ($id: String) {{ mlflowGetRun(input: {{runId: $id}}) {{ run {{ {run} }} }} }}"
    one = "query ($id: String) { mlflowGetExperiment(input: {experimentId: $id}) { experiment { name } } }"
    found = "query ($ids: [String]) { mlflowSearchRuns(input: {experimentIds: $ids}) { runs { %s } } }"
    assert {
        "GetRun": cost(get, id=runs[0]),
        "SearchRuns": cost(found % "info { runUuid } data { metrics { key value } }", ids=[experiment]),
        "SearchRuns, all of it": cost(found % run, ids=[experiment]),
        "GetExperiment": cost(one, id=experiment),
    } == {
        "GetRun": [5, 0, 6],
        "SearchRuns": [4, 0, 24],
        "SearchRuns, all of it": [27, 0, 47],
        "GetExperiment": [1, 0, 1],
    }


def test_a_chart_reads_what_its_runs_logged_and_answers_a_sample(large: Site) -> None:
    """20 metrics of 10,000 steps: a chart of one of them takes the same of each run, however many runs, and
    answers 320 points of each."""
    runs = [large.run(20, 10_000, quiet=True) for _ in range(2)]

    def chart(run_ids: list[str]) -> tuple[Units, Any]:
        wanted = messages.GetMetricHistoryBulkInterval(
            run_ids=run_ids, metric_key="metric_007", max_results=320
        )
        return large.cost(lambda: get_metric_history_bulk_interval(large.stores, CALLER, wanted))

    one, answer = chart(runs[:1])
    assert one == [3, 0, 12.5]
    assert len(answer["metrics"]) == 320
    two, answer = chart(runs)
    assert two == [4, 0, 25]
    assert len(answer["metrics"]) == 2 * 320


def test_the_overview_costs_what_five_experiments_do(api: Api) -> None:
    for number in range(30):
        api.post("experiments/create", {"name": f"experiment {number}"})
    cost, answer = asked(api, Call("GET", "/api/3.0/cairn/overview"))
    assert len(answer["experiments"]) == 5
    assert cost == [4, 0, 4]
