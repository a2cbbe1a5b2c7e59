"""The generated documents, which ``python -m tests.architecture.documents`` writes.

docs/compatibility.md comes from the route table, MLflow's own routes and the tolerated differences,
docs/settings.md from the settings, docs/events.md from the catalogue of events.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cairn.events import schema
from cairn.events.catalogue import CATALOGUE
from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import OWN, Route
from cairn.services.server import MLFLOW_VERSION
from cairn.settings import Settings
from tests.differential.allowlist import TOLERATED

DOCS = Path(__file__).parents[2] / "docs"

Endpoint = tuple[str, str]
"""Method and path, under ``/api/`` where MLflow has the path for browsers as well or alone."""

_PAGES = ("/", "/static-files/{path+}", "/build/{filename+}")
_UNREACHABLE = "/api/2.0mlflow/experiments/search-datasets"
"""A slip in MLflow's service definition; its Flask app has the path that is meant."""
_AJAX = "/ajax-api/"
_BESIDE_FLASK = {
    ("GET", "/api/2.0/mlflow/users/current"),
    ("GET", "/api/3.0/mlflow/assistant/config"),
    ("GET", "/api/3.0/mlflow/assistant/providers"),
    ("GET", "/api/3.0/mlflow/mcp-servers"),
}
"""What the UI calls of MLflow's other applications: with accounts, and FastAPI's."""


COMMAND = "python -m tests.architecture.documents"

_COMPATIBILITY = """\
# What Cairn serves of MLflow's API

Generated from the route table and from MLflow {version}; `{command}` writes it anew.

## Served

Every path under `/api/` is served under `/ajax-api/` as well, but for what is Cairn's own and not MLflow's
(`/api/3.0/cairn/`). An action is what a grant will speak of; a
part is the Lambda function that answers, `gateway` is API Gateway itself.
"""

_NOT_SERVED = """
## Not served

A path that is not served answers 404 with `ENDPOINT_NOT_FOUND`, so that clients fall back where they can.
"""

_DIFFERENCES = """
## Differences in what is served

Each one is deliberate. The differential tests hold everything else equal, answer by answer.
"""

_SETTINGS = """\
# Settings of a deployed function

Environment variables, which the stacks set. Generated from `cairn/settings.py`; `{command}` writes it anew.
"""

_EVENTS = """\
# Events

Every change below is an event on the EventBridge bus `cairn-<stage>` (outputs `EventBusName`,
`EventBusArn`), with the source `cairn`. A rule on that bus starts what hangs on it:

```json
{{
  "source": ["cairn"],
  "detail-type": ["Model Alias Set"],
  "detail": {{"name": ["fraud"], "alias": ["champion"]}}
}}
```

Events come off the table's stream, never from a request: what was written is told, within some seconds,
and what was refused or changed nothing is not.

* **At least once.** An event may come twice, under the same `detail.id`. Its `time` is that of the
  write, to the second.
* **In order per entity, by number.** Events of one `entity` are published in the order of its writes, but
  for those that the bus refuses at first, and EventBridge keeps no order on the way. `sequence` rises from
  event to event of an entity, with gaps: an event whose sequence is not above the last one seen is old or a
  repetition. Events of different entities have no order.
* **What one write does to many is one event.** Deleting an experiment deletes its runs, deleting a
  registered model its versions, a move of stages archives any number: there is one event, whatever the
  number.
* **Who did it is not told**: the table does not know. Values of metrics and params are not told either.
* `detail.version` is the version of the type. Fields may be added to a type; one that goes or changes
  its meaning makes a new version. Fields without a value are left out. Texts over 16,384 characters are
  cut, and `cut` names them.
* `resources` names what the event is about: `experiments/<id>`, `runs/<id>`, `logged-models/<id>`,
  `registered-models/<name>`, `registered-models/<name>/versions/<number>`.

What the bus does not take after five attempts lies, whole, in a queue for two weeks and rings the alarm
`EventsLost` (docs/deploy.md). Events on the bus are encrypted by a key of AWS's own, also where table
and queues have yours.

`cairn local` prints a line for each event; `--events FILE` appends each as a line of JSON, in the form
in which a rule's target gets it, with the account and region `local`. What was written while no server
ran (by another command on the same file) has no events, and a server with `--aws-endpoint` tells of
none: there the deployed publisher does.

Generated from `cairn/events/catalogue.py`; `{command}` writes it anew.

## Types
"""

_SCHEMA = """
## JSON schema of `detail`
"""


def mlflow_endpoints() -> set[Endpoint]:
    """What MLflow's server answers, but for the pages of its UI."""
    from mlflow.server import app

    endpoints = set(_BESIDE_FLASK)
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<path:(\w+)>", r"{\1+}", rule.rule)
        path = _under_api(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path))
        if path not in (*_PAGES, _UNREACHABLE):
            endpoints |= {
                (method, path) for method in (rule.methods or ()) if method not in {"HEAD", "OPTIONS"}
            }
    return endpoints


def cairn_endpoints(routes: Iterable[Route] = ROUTES) -> set[Endpoint]:
    """Those that are MLflow's."""
    return {(route.method, route.path) for route in routes if not route.path.startswith(f"{OWN}/")}


def compatibility() -> str:
    theirs, ours = mlflow_endpoints(), cairn_endpoints()
    browsers = ", ".join(f"`{path}`" for path in _for_browsers_alone(ours))
    lines = [
        _COMPATIBILITY.format(version=MLFLOW_VERSION, command=COMMAND),
        *_table(
            ("Method", "Path", "Action", "Part"),
            [(r.method, f"`{r.path}`", f"`{r.action}`", r.function) for r in ROUTES],
        ),
        "",
        f"MLflow has these of them for browsers (`/ajax-api/`) alone: {browsers}.",
        _NOT_SERVED,
        *_table(("Part of the API", "Endpoints"), _grouped(theirs - ours)),
        _DIFFERENCES,
        *_table(("Difference", "Reason"), sorted((entry.name, entry.reason) for entry in TOLERATED)),
        "",
    ]
    return "\n".join(lines)


def settings() -> str:
    rows = []
    for field in Settings.model_fields.values():
        default = "required" if field.is_required() else f"`{field.default}`" if field.default else "none"
        rows.append((f"`{field.alias}`", default, field.description or ""))
    lines = [_SETTINGS.format(command=COMMAND), *_table(("Variable", "Default", "Meaning"), rows), ""]
    return "\n".join(lines)


def events() -> str:
    definitions = schema.document()["$defs"]
    rows = [
        (f"`{one.type}`", f"`{one.__name__}`", str(definitions[one.__name__]["description"]))
        for one in CATALOGUE
    ]
    return "\n".join(
        [
            _EVENTS.format(command=COMMAND),
            *_table(("detail-type", "Schema", "When"), rows),
            _SCHEMA,
            "```json",
            *_schema_lines(),
            "```",
            "",
        ]
    )


def _schema_lines() -> Iterator[str]:
    """A property a line."""
    whole = schema.document()
    yield "{"
    yield f'  "$schema": {json.dumps(whole["$schema"])},'
    yield '  "$defs": {'
    for last, (name, definition) in _with_last(whole["$defs"]):
        yield f"    {json.dumps(name)}: {{"
        for last_part, (part, value) in _with_last(definition):
            comma = "" if last_part else ","
            if part != "properties":
                yield f"      {json.dumps(part)}: {json.dumps(value)}{comma}"
                continue
            yield '      "properties": {'
            for last_field, (field, what) in _with_last(value):
                yield f"        {json.dumps(field)}: {json.dumps(what)}{'' if last_field else ','}"
            yield f"      }}{comma}"
        yield f"    }}{'' if last else ','}"
    yield "  }"
    yield "}"


def _with_last(mapping: Mapping[str, Any]) -> Iterator[tuple[bool, tuple[str, Any]]]:
    for place, item in enumerate(mapping.items(), start=1):
        yield place == len(mapping), item


DOCUMENTS = {"compatibility.md": compatibility, "settings.md": settings, "events.md": events}


def _for_browsers_alone(ours: set[Endpoint]) -> list[str]:
    from mlflow.server import app

    rules = {rule.rule for rule in app.url_map.iter_rules()}
    flask = {path: re.sub(r"{(\w+)}", r"<\1>", path) for _, path in ours if path.startswith("/api/")}
    return sorted(path for path, rule in flask.items() if "+}" not in path and rule not in rules)


def _under_api(path: str) -> str:
    return "/api/" + path.removeprefix(_AJAX) if path.startswith(_AJAX) else path


def _grouped(endpoints: Iterable[Endpoint]) -> list[tuple[str, str]]:
    """By the first segment that says what it is about."""
    groups: dict[str, list[str]] = defaultdict(list)
    for method, path in sorted(endpoints, key=lambda endpoint: endpoint[::-1]):
        about = re.sub(r"^/api/[23]\.0/(mlflow/)?", "", path).lstrip("/").partition("/")[0]
        groups[about].append(f"{method} `{path}`")
    return [(about, ", ".join(entries)) for about, entries in sorted(groups.items())]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in [head, *rows]]
    rule = "|".join("---" for _ in head)
    return [f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])]


def main() -> None:
    for name, content in DOCUMENTS.items():
        (DOCS / name).write_text(content())


if __name__ == "__main__":
    main()
