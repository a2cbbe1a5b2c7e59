"""Whether two answers are equal, and what remains when all that MLflow leaves open is taken out.

Open is: the order of metrics, params, tags, inputs, outputs, aliases, latest versions and events within
one run, model or webhook (MLflow's SQL has no ORDER BY for them), the order of dataset summaries, and the
text of a page token.
"""

import json
import re
from dataclasses import dataclass

from tests.differential.operations import Json
from tests.differential.reference import Reply

_BAGS = frozenset(
    {
        "tags",
        "params",
        "dataset_inputs",
        "model_inputs",
        "model_outputs",
        "dataset_summaries",
        "latest_versions",
        "aliases",
        "events",
    }
)
_SQL = re.compile(r" Error: \(sqlite3\..*| Set the MLFLOW_ALLOWED_HOST_ADDRESSED_\w+ .*", re.DOTALL)
"""What MLflow's store appends to a message of its own, and its advice about a setting that Cairn lacks."""
_DOUBLES = frozenset({"value"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that was read: status, error code and message where it is MLflow's error, else the body in a
    form in which equal answers are equal text."""

    status: int
    error_code: str | None
    message: str | None
    text: str
    body: Json

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def read(reply: Reply) -> Answer:
    try:
        body = json.loads(reply.body)
    except ValueError:
        return Answer(reply.status, None, None, reply.body.decode(errors="replace"), None)
    if reply.status >= 400 and isinstance(body, dict):
        message = _SQL.sub("", body.get("message") or "")
        return Answer(reply.status, body.get("error_code"), message, "", body)
    return Answer(reply.status, None, None, text_of(body), body)


def text_of(body: Json) -> str:
    """The form in which equal bodies are equal text."""
    return _text(_canonical(body, ""))


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)


def _canonical(value: Json, parent: str) -> Json:
    if isinstance(value, dict):
        return {
            key: "(a token)" if key == "next_page_token" else _member(key, each, parent)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_canonical(each, parent) for each in value]
    return value


def _member(key: str, value: Json, parent: str) -> Json:
    if key in _DOUBLES and isinstance(value, int):
        return float(value)
    inner = _canonical(value, key)
    bag = key in _BAGS or (key == "metrics" and parent == "data")
    return sorted(inner, key=_text) if bag and isinstance(inner, list) else inner


def difference(expected: Answer, got: Answer, *, messages: bool = False) -> str | None:
    """What differs, in words; None where the answers are equal."""
    if expected.status != got.status or expected.error_code != got.error_code:
        return (
            f"status {expected.status} {expected.error_code or ''} {_cut(expected.message)}\n"
            f"    but got {got.status} {got.error_code or ''} {_cut(got.message)}"
        )
    if expected.error_code is not None:
        in_words = messages and "sqlite3." not in (expected.message or "")
        if in_words and expected.message != got.message:
            return f"message {expected.message!r}\n    but got {got.message!r}"
        return None
    if expected.text != got.text:
        return _first_lines(expected.text, got.text)
    return None


def _cut(text: str | None, most: int = 300) -> str:
    return (text or "")[:most]


def _first_lines(expected: str, got: str) -> str:
    """The lines around the first that differs."""
    left, right = expected.splitlines(), got.splitlines()
    same = next(
        (number for number, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
        min(len(left), len(right)),
    )
    start = max(0, same - 3)
    return "body\n{}\n    but got\n{}".format(
        "\n".join(f"      {_cut(line)}" for line in left[start : same + 8]),
        "\n".join(f"      {_cut(line)}" for line in right[start : same + 8]),
    )
