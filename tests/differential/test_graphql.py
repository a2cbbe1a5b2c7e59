"""GraphQL beside MLflow's own server: the UI's queries, equal answers on both engines; its schema."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest
from graphql import build_schema, get_introspection_query, print_schema

from cairn.protocol.graphql_schema import SCHEMA
from tests.differential.cairn import Cairn, on_dynamodb, on_sqlite
from tests.differential.operations import Request
from tests.differential.reference import Backend, Mlflow, Moment, mlflow_backend

RUN = "{:016x}{:016x}"


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Backend]]:
    """MLflow first; each with the same experiment, runs, models and versions."""
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        reference: Mlflow = mlflow_backend(tmp_path_factory.mktemp("mlflow"))
        sqlite: Cairn = stack.enter_context(on_sqlite(tmp_path_factory.mktemp("sqlite")))
        dynamodb: Cairn = stack.enter_context(on_dynamodb(tmp_path_factory.mktemp("dynamodb")))
        found: list[Backend] = [reference, sqlite, dynamodb]
        for backend in found:
            backend.reset(1_700_000_000_000)
            fill(backend)
        yield found


def call(backend: Backend, path: str, body: Any, moment: Moment) -> Any:
    reply = backend.call(Request("POST", path, (), json.dumps(body).encode()), moment)
    assert reply.status == 200, (backend.name, path, reply)
    return json.loads(reply.body)


def fill(backend: Backend) -> None:
    clock = count(1_700_000_001_000, 1_000)

    def post(path: str, number: int = 0, **body: Any) -> Any:
        return call(backend, f"/api/2.0/mlflow/{path}", body, Moment(next(clock), number, "brave-fox-1"))

    post("experiments/create", name="churn", tags=[{"key": "team", "value": "growth"}])
    for number in (1, 2):
        started = 1_700_000_000_000 + number
        run = post("runs/create", number, experiment_id="1", run_name="fox", start_time=started)["run"]
        run_id = run["info"]["run_id"]
        assert run_id == RUN.format(1, number)
        points = [
            {"key": "loss", "value": 1 / step, "timestamp": 5_000_000_000 + step, "step": step}
            for step in range(1, 9)
        ]
        points.append({"key": "bad", "value": "NaN", "timestamp": 7, "step": -3})
        post(
            "runs/log-batch",
            run_id=run_id,
            metrics=points,
            params=[{"key": "depth", "value": "3"}],
            tags=[{"key": "mlflow.note.content", "value": "é **x**"}],
        )
        dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "{}", "schema": "{}"}
        context = [{"key": "mlflow.data.context", "value": "train"}]
        post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": context}])
    post("runs/update", run_id=RUN.format(1, 1), status="FINISHED", end_time=1_700_000_009_000)
    model = post("logged-models", 7, experiment_id="1", name="m", source_run_id=RUN.format(1, 1))
    model_id = model["model"]["info"]["model_id"]
    post("runs/outputs", run_id=RUN.format(1, 1), models=[{"model_id": model_id, "step": 4}])
    post("registered-models/create", name="fraud")
    source = f"runs:/{RUN.format(1, 1)}/model"
    post("model-versions/create", name="fraud", source=source, run_id=RUN.format(1, 1), description="first")
    post("registered-models/alias", name="fraud", alias="champion", version="1")


RUN_PARTS = """
  info { runName status runUuid runId experimentId artifactUri endTime lifecycleStage startTime userId }
  experiment { experimentId name tags { key value } artifactLocation lifecycleStage lastUpdateTime
    creationTime workspace effectiveTraceArchivalRetention }
  modelVersions { status version name source creationTimestamp lastUpdatedTimestamp userId currentStage
    description runId statusMessage tags { key } runLink aliases modelId modelParams { name }
    modelMetrics { key }
    deploymentJobState { jobId runId currentTaskName } }
  data { metrics { key value step timestamp datasetName datasetDigest modelId runId } params { key value }
    tags { key value } }
  inputs { datasetInputs { dataset { digest name profile schema source sourceType } tags { key value } }
    modelInputs { modelId } }
  outputs { modelOutputs { modelId step } }
"""
QUERIES: Mapping[str, tuple[str, dict[str, Any] | None]] = {
    "experiment": (
        """query MlflowGetExperimentQuery($input: MlflowGetExperimentInput!) @component(name: "x") {
          mlflowGetExperiment(input: $input) { __typename apiError { __typename code message }
            experiment { __typename artifactLocation creationTime effectiveTraceArchivalRetention
              experimentId lastUpdateTime lifecycleStage name workspace
              tags { __typename key value } } } }""",
        {"input": {"experimentId": "1"}},
    ),
    "run": (
        f"""query GetRun($data: MlflowGetRunInput!) {{ mlflowGetRun(input: $data) {{
          apiError {{ helpUrl code message }} run {{ __typename {RUN_PARTS} }} }} }}""",
        {"data": {"runId": RUN.format(1, 1)}},
    ),
    "runs": (
        f"""query SearchRuns($data: MlflowSearchRunsInput!) {{ mlflowSearchRuns(input: $data) {{
          apiError {{ code }} nextPageToken runs {{ {RUN_PARTS} }} }} }}""",
        {"data": {"experimentIds": ["1"], "filter": "metrics.loss < 1", "orderBy": ["start_time ASC"]}},
    ),
    "runs by mutation": (
        """mutation { mlflowSearchRuns(input: {experimentIds: ["1"], maxResults: 1}) {
          runs { info { runId } } } }""",
        None,
    ),
    "history": (
        """query GetMetricHistoryBulkInterval($data: MlflowGetMetricHistoryBulkIntervalInput!) {
          mlflowGetMetricHistoryBulkInterval(input: $data) { __typename metrics { __typename timestamp
            step runId key value } apiError { code } } }""",
        {"data": {"runIds": [RUN.format(1, 1), RUN.format(1, 2)], "metricKey": "loss"}},
    ),
    "versions": (
        """{ mlflowSearchModelVersions(input: {filter: "name='fraud'", maxResults: 3}) { nextPageToken
          modelVersions { name version aliases creationTimestamp } } }""",
        None,
    ),
    "datasets": (
        """mutation { mlflowSearchDatasets(input: {experimentIds: ["1"]}) {
          datasetSummaries { experimentId name digest context } } }""",
        None,
    ),
    "echo": ('{ test(inputString: "a") { output __typename } }', None),
    "echo by mutation": ('mutation { testMutation(inputString: "b") { output } }', None),
    "unknown run": (
        '{ mlflowGetRun(input: {runId: "00000000000000010000000000000009"}) { run { info { runId } } } }',
        None,
    ),
    "half unknown": (
        """{ a: mlflowGetExperiment(input: {experimentId: "1"}) { experiment { name } }
          b: mlflowGetExperiment(input: {experimentId: "77"}) { experiment { name } } }""",
        None,
    ),
    "unknown field": ("{ mlflowGetRun { nonsense } }", None),
    "two operations, none named": ("query A { test { output } } query B { test { output } }", None),
    "missing variable": (
        "query($d: MlflowGetRunInput!) { mlflowGetRun(input: $d) { apiError { code } } }",
        None,
    ),
    "too deep": ("{ __schema { types " + "{ fields { type " * 6 + "{ name }" + " } }" * 6 + " } }", None),
    "too many selections": ("{ mlflowGetRun { " + "apiError { code } " * 501 + "} }", None),
    "fragments without end": (
        "query { mlflowGetRun { run { ...F } } } fragment F on MlflowRunExtension { experiment { ...F } }",
        None,
    ),
    "introspection": ('{ __type(name: "MlflowRunInfo") { name fields { name type { name } } } }', None),
}


def sorted_metrics(answer: Any) -> Any:
    """The answer with a run's metrics by key: MLflow shows them as its database happens to."""
    if isinstance(answer, list):
        return [sorted_metrics(part) for part in answer]
    if not isinstance(answer, dict):
        return answer
    shown = {name: sorted_metrics(part) for name, part in answer.items()}
    if "params" in shown:
        shown["metrics"] = sorted(shown["metrics"], key=lambda metric: str(metric["key"]))
    return shown


@pytest.mark.parametrize("name", QUERIES)
def test_answers_are_equal(name: str, backends: list[Backend]) -> None:
    query, variables = QUERIES[name]
    body = {"query": query, "variables": variables, "operationName": None}
    moment = Moment(1_800_000_000_000, 1)
    wanted, *found = [call(backend, "/graphql", body, moment) for backend in backends]
    for answer in found:
        assert sorted_metrics(answer) == sorted_metrics(wanted)
    expects_errors = name.startswith(("unknown", "half", "two", "missing", "too", "fragments"))
    assert (wanted["errors"] is not None) == expects_errors


def test_a_nan_is_no_value(backends: list[Backend]) -> None:
    """MLflow writes a bare NaN into the answer, which no browser can read."""
    query = """{ mlflowGetMetricHistoryBulkInterval(input: {runIds: ["%s"], metricKey: "bad"}) {
      metrics { value } } }"""
    for backend in backends[1:]:
        answer = call(backend, "/graphql", {"query": query % RUN.format(1, 1)}, Moment(0, 1))
        assert answer["data"]["mlflowGetMetricHistoryBulkInterval"] == {"metrics": [{"value": None}]}


def test_steps_and_a_number_of_points_count(backends: list[Backend]) -> None:
    """MLflow looks for them in the URL alone, and answers with everything."""
    query = """{ mlflowGetMetricHistoryBulkInterval(input: {runIds: ["%s"], metricKey: "loss", startStep: 2,
      endStep: 7, maxResults: 3}) { metrics { step } } }"""
    for backend in backends[1:]:
        answer = call(backend, "/graphql", {"query": query % RUN.format(1, 1)}, Moment(0, 1))
        points = answer["data"]["mlflowGetMetricHistoryBulkInterval"]["metrics"]
        assert [point["step"] for point in points] == ["2", "4", "7"]


def test_artifacts_are_listed(backends: list[Backend]) -> None:
    """MLflow's application lists its proxied artifacts through a running server only."""
    query = '{ mlflowListArtifacts(input: {runId: "%s"}) { rootUri nextPageToken files { path isDir } } }'
    for backend in backends[1:]:
        answer = call(backend, "/graphql", {"query": query % RUN.format(1, 1)}, Moment(0, 1))
        root = f"mlflow-artifacts:/1/{RUN.format(1, 1)}/artifacts"
        assert answer["data"]["mlflowListArtifacts"] == {"rootUri": root, "nextPageToken": "", "files": []}


def test_deleted_runs_can_be_asked_for(backends: list[Backend]) -> None:
    """MLflow fails on the enum: "int() argument must be ... not 'EnumMeta'"."""
    query = (
        '{ mlflowSearchRuns(input: {experimentIds: ["1"], runViewType: %s}) { runs { info { runId } } } }'
    )
    for backend in backends[1:]:
        for view, many in (("DELETED_ONLY", 0), ("ALL", 2)):
            answer = call(backend, "/graphql", {"query": query % view}, Moment(0, 1))
            assert len(answer["data"]["mlflowSearchRuns"]["runs"]) == many


def test_the_schema_is_mlflows(backends: list[Backend]) -> None:
    from mlflow.server.graphql.graphql_schema_extensions import schema

    def lines(text: str) -> list[str]:
        described = build_schema(text)
        for kind in described.type_map.values():
            kind.description = None
            for part in getattr(kind, "fields", {}).values():
                part.description = None
        return sorted(print_schema(described).splitlines())

    assert lines(SCHEMA) == lines(str(schema))


@pytest.mark.parametrize(("many", "what"), [(11, "root fields"), (11, "aliases")])
def test_a_query_is_not_a_batch(many: int, what: str, backends: list[Backend]) -> None:
    parts = " ".join(f"{'' if what == 'root fields' else f'a{n}: '}__typename" for n in range(many))
    query = f"{{ {parts} }}" if what == "root fields" else f"{{ test {{ {parts} }} }}"
    for backend in backends:
        answer = call(backend, "/graphql", {"query": query}, Moment(0, 1))
        assert answer["errors"][0].startswith(
            f"GraphQL queries should have at most 10 {what}, got 11 {what}."
        )


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{",
        "{" * 5_000,
        "{ a" * 400 + "}" * 400,
        "{ test { " + "output " * 4_000 + "} }",
        get_introspection_query(),
    ],
)
def test_what_cannot_be_answered_is_refused_at_once(query: str, backends: list[Backend]) -> None:
    for backend in backends[1:]:
        reply = backend.call(
            Request("POST", "/graphql", (), json.dumps({"query": query}).encode()), Moment(0, 1)
        )
        answer = json.loads(reply.body)
        assert answer.get("error_code") == "INVALID_PARAMETER_VALUE" or answer["errors"], answer
