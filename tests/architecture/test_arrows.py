"""Which module may import which, what nothing may import, and how large a module may grow."""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import Route

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "core" / "python" / "cairn"
DEPLOYED = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "functions").rglob("*.py")])
OURS = sorted(
    path
    for folder in ("layers/core/python", "client", "functions", "infra", "tests", "bench", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if "cdk.out" not in path.parts
)
MAX_LINES = 500

BASE = {"errors", "ids"}
ARROWS = {
    "errors": set[str](),
    "ids": {"errors"},
    "domain": BASE,
    "protocol": {"domain", "errors"},
    "search": {"domain", *BASE},
    "sharing": {"domain", *BASE},
    "storage": {"domain", "search", *BASE},
    "artifacts": {"domain", *BASE},
    "services": {"protocol", "domain", "search", "sharing", *BASE},
    "settings": set[str](),
    "startup": set[str](),
    "audit": {"domain", "sharing", "errors"},
    "http": {"audit", "services", "protocol", "domain", "sharing", "errors"},
    "upkeep": {"storage", "domain", *BASE},
    "webhooks": {"domain", *BASE},
    "events": {"storage", "domain", *BASE},
    "app": {
        "http",
        "services",
        "shares",
        "upkeep",
        "events",
        "webhooks",
        "settings",
        "storage",
        "artifacts",
        "domain",
        "sharing",
        *BASE,
    },
    "shares": {"settings", "services", "storage", "domain", "sharing"},
    "entrance": {"settings", "storage", "artifacts", "domain", "sharing"},
    "local": {"app", "http", "events", "webhooks", "domain", "errors", "settings"},
}
"""From a part of the package to those that it may import, beside itself."""

FUNCTIONS_IMPORT = {"app", "entrance", "shares", "http", "settings", "startup", "upkeep"}

FOREIGN = {
    # local asks for credentials and says in one line which endpoint or file cannot be opened
    "boto3": {"storage", "artifacts", "app", "entrance", "shares", "local"},
    "botocore": {"storage", "artifacts", "sharing", "app", "local"},
    "mypy_boto3_dynamodb": {"storage", "app"},
    "mypy_boto3_s3": {"artifacts", "app"},
    "sqlite3": {"storage", "local"},
    "pydantic": {"protocol", "settings"},
    "pydantic_core": {"protocol", "http", "storage"},
    "waitress": {"local"},
    "graphql": {"services"},
    "aws_lambda_powertools": set[str](),
}
"""Libraries, and the parts of the package that may know them."""


CLIENT_IMPORTS = {"mlflow_cairn", "mlflow", "botocore", "requests", *sys.stdlib_module_names}


def imports(path: Path, *, for_types: bool) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, those under ``if TYPE_CHECKING`` on demand."""
    tree = ast.parse(path.read_text(), str(path))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in guarded and not for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def part_of(path: Path) -> str:
    """The part of the package that a module belongs to; "" for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name)
def test_arrows(path: Path) -> None:
    part = part_of(path)
    if not part:
        assert not list(imports(path, for_types=True))
        return
    for line, imported in imports(path, for_types=False):
        package, _, rest = imported.partition(".")
        if package == "cairn" and (target := rest.partition(".")[0]) != part:
            assert target in ARROWS[part], f"{name(path)}:{line} imports {imported}"


@pytest.mark.parametrize("path", sorted((ROOT / "functions").rglob("*.py")), ids=name)
def test_functions_only_compose(path: Path) -> None:
    for line, imported in imports(path, for_types=True):
        package, _, rest = imported.partition(".")
        if package == "cairn":
            assert rest.partition(".")[0] in FUNCTIONS_IMPORT, f"{name(path)}:{line} imports {imported}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name)
def test_who_knows_which_library(path: Path) -> None:
    for line, imported in imports(path, for_types=True):
        allowed = FOREIGN.get(imported.partition(".")[0])
        assert allowed is None or part_of(path) in allowed, f"{name(path)}:{line} imports {imported}"


@pytest.mark.parametrize("path", sorted((ROOT / "client").rglob("*.py")), ids=name)
def test_the_client_stands_alone(path: Path) -> None:
    """It is installed where nothing of the server is, beside MLflow and little else."""
    for line, imported in imports(path, for_types=True):
        assert imported.partition(".")[0] in CLIENT_IMPORTS, f"{name(path)}:{line} imports {imported}"


@pytest.mark.parametrize("path", DEPLOYED, ids=name)
def test_nothing_deployed_imports_mlflow(path: Path) -> None:
    assert "mlflow" not in {imported.partition(".")[0] for _, imported in imports(path, for_types=True)}


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_module_does_one_thing(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_has_a_use_case_that_takes_the_caller(route: Route) -> None:
    module, _, function = route.use_case.partition(".")
    found = getattr(importlib.import_module(f"cairn.services.{module}"), function)
    assert list(inspect.signature(found).parameters)[:2] == ["stores", "caller"]


def test_no_route_stands_twice() -> None:
    seen = [(route.method, route.path) for route in ROUTES]
    assert len(seen) == len(set(seen))
