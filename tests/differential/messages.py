"""Whether a request fits the protobuf message that MLflow declares for its route."""

import json
import re
from functools import cache
from typing import Any

from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]
from mlflow.protos import databricks_pb2, model_registry_pb2, service_pb2, webhooks_pb2
from mlflow.utils.proto_json_utils import parse_dict

from tests.differential.operations import Json, Operation


def fits(operation: Operation) -> bool:
    """False for a body that protobuf's JSON parser refuses for this route's message, or where it drops the
    unknown word of an enumeration."""
    message = _message(operation.method, operation.path)
    if message is None:
        return True
    body: Json
    try:
        if operation.method == "GET":
            body = _of_query(operation, message)
        else:
            body = json.loads(operation.raw) if operation.raw is not None else operation.body
        parse_dict(body if body is not None else {}, message())
    except (ParseError, ValueError, TypeError, AttributeError):
        return False
    return not (isinstance(body, dict) and _unknown_words(body, message))


def _of_query(operation: Operation, message: Any) -> dict[str, Any]:
    """A query as MLflow reads it: repeated fields are lists, of others the first value counts."""
    values: dict[str, list[str]] = {}
    for name, value in operation.query:
        values.setdefault(name, []).append(value)
    return {
        each.name: values[each.name] if each.is_repeated else values[each.name][0]
        for each in message.DESCRIPTOR.fields
        if each.name in values
    }


def _unknown_words(body: dict[str, Any], message: Any) -> bool:
    return any(
        isinstance(body.get(each.name), str)
        and not body[each.name].isdecimal()
        and body[each.name] not in each.enum_type.values_by_name
        for each in message.DESCRIPTOR.fields
        if each.enum_type is not None
    )


def _message(method: str, path: str) -> Any:
    """The message class of a route, None for a route that has none."""
    return next(
        (found for verb, pattern, found in _routes() if verb == method and pattern.fullmatch(path)), None
    )


@cache
def _routes() -> tuple[tuple[str, re.Pattern[str], Any], ...]:
    routes = []
    methods = [
        (method, module)
        for service, module in (
            (service_pb2.MlflowService, service_pb2),
            (model_registry_pb2.ModelRegistryService, model_registry_pb2),
            (webhooks_pb2.WebhookService, webhooks_pb2),
        )
        for method in service.DESCRIPTOR.methods
    ]
    for method, module in methods:
        for endpoint in method.GetOptions().Extensions[databricks_pb2.rpc].endpoints:
            pattern = re.sub(r"\{\w+\}", "[^/]+", endpoint.path)
            path = re.compile(rf"/(ajax-)?api/{endpoint.since.major}\.\d/?{pattern.removeprefix('/')}")
            message = getattr(module, method.input_type.name, None)
            if message is not None:  # a message of another file: none of the routes compared here
                routes.append((endpoint.method, path, message))
    return tuple(routes)
