"""MLflow's GraphQL endpoint: the UI's queries, answered by the use-cases of the REST API.

A use-case answers with the message that REST would show; a field of the schema is the field of that
message, or proto's default where it is left out, as in MLflow's server, whose resolvers read the proto
itself. What a query may not have is told in ``errors`` (status 200), beside what it may.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLSyntaxError,
    IntValueNode,
    ValueNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from cairn.errors import CairnError, InvalidParameterValue
from cairn.protocol.graphql_schema import SCHEMA
from cairn.protocol.message import Message
from cairn.protocol.messages.artifacts import ListArtifacts
from cairn.protocol.messages.experiments import GetExperiment, SearchDatasets
from cairn.protocol.messages.graphql import GraphQL
from cairn.protocol.messages.metrics import GetMetricHistoryBulkInterval
from cairn.protocol.messages.registry import SearchModelVersions
from cairn.protocol.messages.runs import GetRun, SearchRuns
from cairn.protocol.parse import parse_body
from cairn.services import artifacts, experiments, metrics, runs, search, search_registry
from cairn.services.graphql_limits import MAX_TOKENS, excess
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller

_ABSENT: Mapping[str, object] = {"apiError": None, "jobState": None, "runState": None}
"""Fields that no message has. MLflow fails on the last two: 0, proto's default, is none of their names."""

MAX_VERSION_LISTS = 100
"""Runs of one query whose model versions are looked up: each is a search of its own."""

Json = Mapping[str, Any]
UseCase = Callable[[Stores, Caller, Any], Result]

_FIELDS: Mapping[str, tuple[type[Message], UseCase]] = {
    "mlflowGetExperiment": (GetExperiment, experiments.get_experiment),
    "mlflowGetMetricHistoryBulkInterval": (
        GetMetricHistoryBulkInterval,
        metrics.get_metric_history_bulk_interval,
    ),
    "mlflowGetRun": (GetRun, runs.get_run),
    "mlflowListArtifacts": (ListArtifacts, artifacts.list_artifacts),
    "mlflowSearchDatasets": (SearchDatasets, search.search_datasets),
    "mlflowSearchModelVersions": (SearchModelVersions, search_registry.search_model_versions),
    "mlflowSearchRuns": (SearchRuns, search.search_runs),
}


@dataclass(slots=True)
class _Query:
    """What the resolvers of one query share."""

    stores: Stores
    caller: Caller
    experiments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    version_lists: int = 0


def execute(stores: Stores, caller: Caller, request: GraphQL) -> Result:
    """MLflow's ``_graphql``. A query that cannot be parsed is refused (MLflow answers 500)."""
    try:
        document = parse(request.query, max_tokens=MAX_TOKENS)
    except GraphQLSyntaxError as error:
        raise InvalidParameterValue(f"The query is not GraphQL: {error.message}") from None
    except RecursionError:
        raise InvalidParameterValue("The query is nested too deep.") from None
    too_much = excess(document)
    if too_much is not None:
        return {"data": None, "errors": [too_much]}
    faults = validate(_schema(), document)
    if faults:
        return {"data": None, "errors": [fault.message for fault in faults]}
    result = execute_sync(
        _schema(),
        document,
        context_value=_Query(stores, caller),
        variable_values=request.variables,
        operation_name=request.operation_name,
    )
    return {"data": result.data, "errors": _told(result.errors or [])}


def _told(errors: list[GraphQLError]) -> list[str] | None:
    """The messages; but what is no answer to this query (a passing fault, a mistake of ours) is raised."""
    for error in errors:
        cause = error.original_error
        if cause is None or isinstance(cause, GraphQLError):
            continue
        if not isinstance(cause, CairnError) or cause.status >= 500:
            raise cause
    return [error.message for error in errors] or None


@cache
def _schema() -> GraphQLSchema:
    """Built at the first query, which imports graphql-core: a function's cold start pays for neither."""
    schema = build_schema(SCHEMA)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, part in kind.fields.items():
                part.resolve = _resolver(name, part)
    for root in (schema.query_type, schema.mutation_type):
        assert root is not None
        for name, part in root.fields.items():
            part.resolve = _root(*_FIELDS[name]) if name in _FIELDS else _OTHERS[name]
    run = schema.type_map["MlflowRunExtension"]
    assert isinstance(run, GraphQLObjectType)
    run.fields["experiment"].resolve = _experiment_of_run
    run.fields["modelVersions"].resolve = _versions_of_run
    long = schema.type_map["LongString"]
    assert isinstance(long, GraphQLScalarType)
    long.serialize = str  # type: ignore[method-assign,assignment]
    long.parse_value = int  # type: ignore[method-assign,assignment]
    long.parse_literal = _literal_long  # type: ignore[method-assign]
    return schema


def _root(kind: type[Message], use_case: UseCase) -> Callable[..., Result]:
    def resolve(_: object, info: GraphQLResolveInfo, input: Any = None) -> Result:  # noqa: A002 -- the schema's
        query: _Query = info.context
        return use_case(query.stores, query.caller, parse_body(kind, json.dumps(input or {}).encode(), {}))

    return resolve


def _echo(_: object, info: GraphQLResolveInfo, inputString: str | None = None) -> Json:  # noqa: N803
    return {"output": inputString}


def _nothing(_: object, info: GraphQLResolveInfo, inputString: str | None = None) -> None:  # noqa: N803
    """MLflow has no resolver under the mutation's name."""


_OTHERS: Mapping[str, Callable[..., Json | None]] = {"test": _echo, "testMutation": _nothing}


def _experiment_of_run(run: Json, info: GraphQLResolveInfo) -> Json:
    """Once for each experiment of the query."""
    query: _Query = info.context
    experiment_id = run["info"]["experiment_id"]
    if experiment_id not in query.experiments:
        answer: Any = experiments.get_experiment(
            query.stores, query.caller, GetExperiment(experiment_id=experiment_id)
        )
        query.experiments[experiment_id] = answer["experiment"]
    return query.experiments[experiment_id]


def _versions_of_run(run: Json, info: GraphQLResolveInfo) -> list[Json]:
    query: _Query = info.context
    query.version_lists += 1
    if query.version_lists > MAX_VERSION_LISTS:
        raise GraphQLError(f"A query may ask for the model versions of {MAX_VERSION_LISTS} runs at most.")
    asked = SearchModelVersions(filter=f"run_id='{run['info']['run_id']}'")
    answer: Any = search_registry.search_model_versions(query.stores, query.caller, asked)
    found: list[Json] = answer.get("model_versions", [])
    return found


def _resolver(name: str, part: GraphQLField) -> Callable[..., Any]:
    """A field of a message, by its name there; proto's default where the message leaves it out."""
    key = re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", name)
    default = _ABSENT.get(name, _default(part.type))

    def resolve(message: Json, info: GraphQLResolveInfo) -> Any:
        value = message.get(key, default)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    def number(message: Json, info: GraphQLResolveInfo) -> float | None:
        value = float(message.get(key, default))
        return value if math.isfinite(value) else None  # JSON has no other number; MLflow does so for NaN

    return number if getattr(part.type, "name", "") == "Float" else resolve


def _default(kind: GraphQLOutputType) -> object:
    if isinstance(kind, GraphQLList):
        return ()
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLObjectType):
        return {}
    return {"Float": 0.0, "LongString": 0, "Boolean": False}.get(getattr(kind, "name", ""), "")


def _literal_long(node: ValueNode, variables: Mapping[str, object] | None = None) -> int | None:
    return int(node.value) if isinstance(node, IntValueNode) else None
