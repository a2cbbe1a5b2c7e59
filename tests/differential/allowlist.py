"""Every difference from MLflow's server that Cairn means to keep, each with its reason.

An entry is a predicate on the operation and the two answers, a name, and the reason as
docs/compatibility.md prints it. A difference that no entry claims fails the comparison.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.compare import Answer, text_of
from tests.differential.messages import fits
from tests.differential.operations import Json, Operation

_HISTORY = "mlflow.log-model.history"
_NAN = re.compile(r"(?<=: )NaN(?=,?$)", re.MULTILINE)
_NEGATIVE_ZERO = re.compile(r"(?<=: )-0\.0(?=,?$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tolerated:
    name: str
    reason: str
    applies: Callable[[Operation, Answer, Answer], bool]


def _crash(operation: Operation, expected: Answer, got: Answer) -> bool:
    """MLflow's server failed on its input; Cairn refuses it, or serves it."""
    return expected.status == 500 and expected.error_code in (None, "INTERNAL_ERROR") and got.status < 500


def _unreadable(operation: Operation, expected: Answer, got: Answer) -> bool:
    """The body does not fit MLflow's own message, which its server takes in part."""
    return got.status == 400 and got.error_code == "INVALID_PARAMETER_VALUE" and not fits(operation)


def _negative_page(operation: Operation, expected: Answer, got: Answer) -> bool:
    size = operation.body.get("max_results") if isinstance(operation.body, dict) else None
    negative = isinstance(size, int) and size < 0
    return negative and operation.path.endswith("/logged-models/search") and got.status == 400


def _model_of_the_path(operation: Operation, expected: Answer, got: Answer) -> bool:
    return "required parameter 'model_id'" in (expected.message or "") and got.ok


def _zero(operation: Operation, expected: Answer, got: Answer) -> bool:
    return expected.ok and got.ok and expected.text == _unsigned(got.text)


def _unsigned(text: str) -> str:
    """Every -0.0 as 0.0: what any other entry about bodies starts from."""
    return _NEGATIVE_ZERO.sub("0.0", text)


def _bare_nan(operation: Operation, expected: Answer, got: Answer) -> bool:
    quoted = _NAN.sub('"NaN"', expected.text)
    return operation.path.endswith("/get-history-bulk") and got.ok and quoted == _unsigned(got.text)


def _retried(operation: Operation, expected: Answer, got: Answer) -> bool:
    return (
        operation.path.endswith(("/runs/outputs", "/params"))
        and (expected.status, expected.error_code) == (400, "BAD_REQUEST")
        and "UNIQUE constraint" in (expected.message or "")
        and got.ok
    )


def _written_in_part(operation: Operation, expected: Answer, got: Answer) -> bool:
    stored = "INSERT INTO logged_model_metrics" in (expected.message or "")
    return stored and operation.path.endswith("/log-batch") and not expected.ok and not got.ok


def _model_logged_again(operation: Operation, expected: Answer, got: Answer) -> bool:
    """Equal but for models that stand several times in a run's history of MLflow 2 models."""
    logged = expected.ok and got.ok and _HISTORY in expected.text
    return logged and text_of(_once(expected.body)) == _unsigned(got.text)


def _once(body: Json) -> Json:
    """The body with each model once in every such history."""
    if isinstance(body, list):
        return [_once(each) for each in body]
    if not isinstance(body, dict):
        return body
    if body.get("key") == _HISTORY:
        models: list[Json] = []
        for model in json.loads(body["value"]):
            if model not in models:
                models.append(model)
        return {**body, "value": json.dumps(models)}
    return {key: _once(each) for key, each in body.items()}


def _latest_in_order(operation: Operation, expected: Answer, got: Answer) -> bool:
    if not (operation.path.endswith("/get-latest-versions") and expected.ok and got.ok):
        return False
    both = [text_of({"latest_versions": each.body.get("model_versions")}) for each in (expected, got)]
    return both[0] == both[1]


def _no_page(operation: Operation, expected: Answer, got: Answer) -> bool:
    size = next((value for name, value in operation.query if name == "max_results"), "1")
    of_models = operation.path.endswith("/registered-models/search")
    return of_models and size in ("0", "-1") and got.status == 400 and expected.ok


def _long_name(operation: Operation, expected: Answer, got: Answer) -> bool:
    body = operation.body if isinstance(operation.body, dict) else {}
    names = [body.get("name"), body.get("new_name")]
    long = any(isinstance(name, str) and len(name) > 256 for name in names)
    of_models = operation.path.endswith(("/registered-models/create", "/registered-models/rename"))
    return of_models and long and got.status == 400


def _webhook_body(operation: Operation) -> dict[str, Json] | None:
    """The body of a webhook's creation or update."""
    return operation.body if "/webhooks" in operation.path and isinstance(operation.body, dict) else None


def _event_twice(operation: Operation, expected: Answer, got: Answer) -> bool:
    twice = "UNIQUE constraint failed: webhook_events" in (expected.message or "")
    return _webhook_body(operation) is not None and twice and got.ok


def _webhook_elsewhere(operation: Operation, expected: Answer, got: Answer) -> bool:
    url = (_webhook_body(operation) or {}).get("url")
    if not isinstance(url, str) or got.status != 400 or not expected.ok:
        return False
    plain = re.fullmatch(r"https://[a-z0-9.:\[\]-]+(/[!-~]*)?", url, re.IGNORECASE)
    port = re.match(r"https://(?:\[[^]]*\]|[^/:\[]*):(?!443(?:/|$))", url, re.IGNORECASE)
    return not plain or port is not None


def _long_webhook(operation: Operation, expected: Answer, got: Answer) -> bool:
    body = _webhook_body(operation) or {}
    long = any(
        isinstance(body.get(name), str) and len(body[name]) > most
        for name, most in (("url", 500), ("description", 1_000), ("secret", 1_000))
    )
    return long and expected.ok and got.status == 400


def _webhook_tested(operation: Operation, expected: Answer, got: Answer) -> bool:
    """Equal but for what the receiver said. No generated sequence sends one, which would be a request."""
    told = expected.body.get("result") if isinstance(expected.body, dict) else None
    if not re.search("/webhooks/[^/]+/test$", operation.path) or not isinstance(told, dict):
        return False
    return text_of({"result": {key: told[key] for key in told if key != "response_body"}}) == got.text


REFUSED_IN_PART = Tolerated(
    "a refused batch writes nothing",
    "runs/log-batch with metrics of a logged model that does not exist is refused as a whole. MLflow's "
    "server answers the same error, but has stored the batch's params and the run's own metrics by then.",
    _written_in_part,
)

TOLERATED: tuple[Tolerated, ...] = (
    Tolerated(
        "answered instead of crashed",
        "Where MLflow's server fails with an internal error (500) on its input, Cairn answers 400 or 404, "
        "or serves what can be served (a null is an unset field): clients repeat a 500 seven times.",
        _crash,
    ),
    Tolerated(
        "a body of wrong types is refused",
        "A value that does not fit its field (a fraction for an integer, an integer past 64 bits, text for "
        "a list, an unknown word for a status) is an INVALID_PARAMETER_VALUE that names the field. "
        "MLflow's server checks some of them, and otherwise goes on without that field, or with what it "
        "read before.",
        _unreadable,
    ),
    Tolerated(
        "a negative page of logged models is refused",
        "logged-models/search with a negative max_results is an INVALID_PARAMETER_VALUE, as in every other "
        "search. MLflow's server answers with an arbitrary page.",
        _negative_page,
    ),
    Tolerated(
        "the path names the model",
        "Where a logged model's id is part of the path, the body need not repeat it; MLflow's server wants "
        "it in both.",
        _model_of_the_path,
    ),
    Tolerated(
        "the sign of zero is kept",
        "A metric of -0.0 is answered as -0.0. MLflow on SQLite loses the sign (SQLite stores the number "
        "as an integer), on other databases it does not. Comparisons and orders count both as 0.",
        _zero,
    ),
    Tolerated(
        "NaN is a string everywhere",
        "metrics/get-history-bulk writes NaN as the string that every other route uses. MLflow's server "
        "writes the bare word there, which is no JSON.",
        _bare_nan,
    ),
    Tolerated(
        "a retry is free",
        "The same model output of a run, or the same parameter of a logged model, logged again changes "
        "nothing: clients repeat requests whose answer got lost. MLflow's database refuses it.",
        _retried,
    ),
    Tolerated(
        "a model of MLflow 2 is recorded once",
        "The same model logged again by runs/log-model (a repeated request) is not appended a second time "
        "to the run's history of models.",
        _model_logged_again,
    ),
    Tolerated(
        "the latest versions by number",
        "registered-models/get-latest-versions answers with the stages' versions by number. MLflow's "
        "server has them in the order in which its database met the stages.",
        _latest_in_order,
    ),
    Tolerated(
        "a page of no registered models is refused",
        "registered-models/search with a max_results below 1 is an INVALID_PARAMETER_VALUE, as in every "
        "other search. MLflow's server answers with nothing, and a token that leads to nothing.",
        _no_page,
    ),
    Tolerated(
        "a long name of a registered model is refused",
        "A registered model's name has at most 256 characters, as in MLflow's schema. PostgreSQL and MySQL "
        "hold to it, SQLite does not.",
        _long_name,
    ),
    Tolerated(
        "a webhook's event counts once",
        "A webhook that names one event twice listens to it once. MLflow's database refuses the second.",
        _event_twice,
    ),
    Tolerated(
        "a webhook goes to port 443",
        "A webhook's URL is https on port 443, without user name and password, in printable ASCII (an "
        "international name in its xn-- form). MLflow's server takes other ports and anything that "
        "requests takes.",
        _webhook_elsewhere,
    ),
    Tolerated(
        "a long webhook is refused",
        "A webhook's URL has at most 500 characters, its description and its secret 1,000. The first two "
        "are MLflow's schema, to which PostgreSQL and MySQL hold, and SQLite does not.",
        _long_webhook,
    ),
    Tolerated(
        "a webhook's test tells the status",
        "webhooks/{webhook_id}/test answers with the receiver's status, or with why there is none. "
        "MLflow's server hands on the body of the answer too, whatever stands behind the URL.",
        _webhook_tested,
    ),
    REFUSED_IN_PART,
)


def tolerated(operation: Operation, expected: Answer, got: Answer) -> str | None:
    """The name of the entry that claims this difference."""
    return next((each.name for each in TOLERATED if each.applies(operation, expected, got)), None)


def parts(operation: Operation, expected: Answer, got: Answer) -> bool:
    """Whether the backends hold different things after these answers."""
    wrote_a_part = REFUSED_IN_PART.applies(operation, expected, got)
    return wrote_a_part or (expected.ok != got.ok and operation.method != "GET")
