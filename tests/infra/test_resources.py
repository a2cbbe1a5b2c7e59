"""The plan of the API's resources: every route reaches its function, by few resources."""

import pytest

from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import Function, Route, served_paths
from cairn.sharing.fronts import SIGNED_PARTS
from infra.resources import PROXY, Resource, plan, resolve

PLAN = plan(ROUTES)


def route(method: str, path: str, function: Function = "tracking") -> Route:
    return Route(method, path, None, "module.use_case", "server:read", function)


def example(path: str) -> str:
    """A path that a client might send: ``{id}`` filled in, ``{path+}`` with two segments."""
    return "/".join(
        {True: "folder/file.txt", False: "abc"}[part.endswith("+}")] if part.startswith("{") else part
        for part in path.split("/")
    )


@pytest.mark.parametrize("known", ROUTES, ids=lambda known: f"{known.method} {known.path}")
def test_every_route_reaches_its_function_under_every_path(known: Route) -> None:
    for path in served_paths(known):
        assert resolve(PLAN, known.method, example(path)) == known.function, path


@pytest.mark.parametrize(
    "path",
    [
        "/nonsense",
        "/api",
        "/api/9.9/x",
        "/api/2.0",
        "/api/2.0/mlflow/no/such",
        "/api/3.0/mlflow/traces",
        "/ajax-api",
    ],
)
def test_an_unknown_path_reaches_the_function_that_says_so(path: str) -> None:
    assert resolve(PLAN, "GET", path) == "tracking"


def test_another_method_of_a_fixed_answer_reaches_a_function() -> None:
    assert resolve(PLAN, "POST", "/version") == "tracking"


def test_the_api_has_few_resources() -> None:
    """A REST API holds 300; a stack holds 500 resources of all kinds, and each method is one of them."""
    assert PLAN.count() <= 60


def test_every_resource_belongs_to_a_front() -> None:
    """A request that another resource took is refused: nobody would vouch for its caller."""
    assert {child.part for child in PLAN.children} == SIGNED_PARTS


def test_no_resource_has_two_variable_children() -> None:
    """API Gateway refuses ``{id}`` beside ``{proxy+}``."""

    def check(node: Resource) -> None:
        variables = [child.part for child in node.children if child.part.startswith("{")]
        assert len(variables) <= 1, (node.part, variables)
        for child in node.children:
            check(child)

    check(PLAN)


def test_a_part_of_one_function_is_one_greedy_proxy() -> None:
    tree = plan(
        [route("GET", "/a/b/c", "artifacts"), route("PUT", "/a/b/{path+}", "artifacts"), route("GET", "/x")]
    )
    (a, fallback) = tree.children
    assert (a.part, a.methods) == ("a", {"ANY": "artifacts"})
    assert [child.part for child in a.children] == [PROXY]
    assert (fallback.part, fallback.methods) == (PROXY, {"ANY": "tracking"})


def test_a_function_below_a_variable_is_reached_and_its_siblings_are_not() -> None:
    tree = plan(
        [route("GET", "/m/{id}/files", "artifacts"), route("GET", "/m/{id}"), route("GET", "/m/search")]
    )
    assert resolve(tree, "GET", "/m/1/files") == "artifacts"
    assert resolve(tree, "GET", "/m/1/tags") == "tracking"
    assert resolve(tree, "GET", "/m/search") == "tracking"


def test_methods_of_one_path_may_belong_to_two_functions() -> None:
    tree = plan([route("GET", "/a"), route("PUT", "/a", "artifacts")])
    assert resolve(tree, "GET", "/a") == "tracking"
    assert resolve(tree, "PUT", "/a") == "artifacts"


def test_greedy_routes_of_two_functions_cannot_be_planned() -> None:
    with pytest.raises(ValueError, match="several functions below 'a'"):
        plan([route("GET", "/a/{path+}"), route("PUT", "/a/{path+}", "artifacts")])
