"""The generated documents, which ``python -m tests.architecture.documents`` writes.

docs/compatibility.md comes from the route table, MLflow's own routes and the tolerated differences,
docs/settings.md from the settings.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import Route
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


COMMAND = "python -m tests.architecture.documents"

_COMPATIBILITY = """\
# What Cairn serves of MLflow's API

Generated from the route table and from MLflow {version}; `{command}` writes it anew.

## Served

Every path under `/api/` is served under `/ajax-api/` as well. An action is what a grant will speak of; a
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


def mlflow_endpoints() -> set[Endpoint]:
    """What MLflow's server answers, but for the pages of its UI."""
    from mlflow.server import app

    endpoints = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<path:(\w+)>", r"{\1+}", rule.rule)
        path = _under_api(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path))
        if path not in (*_PAGES, _UNREACHABLE):
            endpoints |= {
                (method, path) for method in (rule.methods or ()) if method not in {"HEAD", "OPTIONS"}
            }
    return endpoints


def cairn_endpoints(routes: Iterable[Route] = ROUTES) -> set[Endpoint]:
    return {(route.method, route.path) for route in routes}


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


DOCUMENTS = {"compatibility.md": compatibility, "settings.md": settings}


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
