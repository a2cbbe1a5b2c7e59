"""Which resources the REST API needs so that every route reaches its function: a pure plan, no CDK.

A REST API holds 300 resources, a stack 500. So the API has greedy proxies, one for each part of the route
table that a single function serves; the function's own route table dispatches. At each level API Gateway
prefers a literal segment to a variable and a variable to ``{proxy+}``; the plan does not count on it
going back up, so every inner resource has a fallback of its own (the function answers 404 there).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cairn.protocol.routes import Function, Route, served_paths

PROXY = "{proxy+}"
DEFAULT: Function = "tracking"


@dataclass(frozen=True, slots=True)
class Resource:
    """One path part. ``methods`` maps an HTTP method (or ANY) to who answers it."""

    part: str
    methods: Mapping[str, Function]
    children: tuple["Resource", ...] = ()

    def count(self) -> int:
        """Resources of this subtree; the API's root comes free of charge."""
        return (0 if self.part == "" else 1) + sum(child.count() for child in self.children)


@dataclass(slots=True)
class _Trie:
    """The route table by segments; ``below`` are the functions of the greedy routes that end here."""

    here: dict[str, Function] = field(default_factory=dict)
    below: set[Function] = field(default_factory=set)
    children: dict[str, "_Trie"] = field(default_factory=dict)

    def functions(self) -> set[Function]:
        found = set(self.here.values()) | self.below
        for child in self.children.values():
            found |= child.functions()
        return found


def plan(routes: Iterable[Route]) -> Resource:
    """The resource tree of the API. Raises ValueError where greedy routes of two functions overlap."""
    root = _Trie()
    for route in routes:
        for path in served_paths(route):
            _insert(root, path.strip("/").split("/"), route)
    return _inner("", root)


def _insert(node: _Trie, segments: list[str], route: Route) -> None:
    for segment in segments:
        if segment.endswith("+}"):
            node.below.add(route.function)
            return
        part = "{id}" if segment.startswith("{") else segment
        node = node.children.setdefault(part, _Trie())
    node.here[route.method] = route.function


def _resource(part: str, node: _Trie) -> Resource | None:
    """The subtree for one segment, or None where the parent's fallback serves all of it."""
    functions = node.functions()
    if functions == {DEFAULT}:
        return None
    if len(functions) == 1 and "gateway" not in functions:
        (only,) = functions
        deeper = node.children or node.below
        return Resource(part, {"ANY": only}, (Resource(PROXY, {"ANY": only}),) if deeper else ())
    return _inner(part, node)


def _inner(part: str, node: _Trie) -> Resource:
    children = [
        child
        for name, below in sorted(node.children.items())
        if (child := _resource(name, below)) is not None
    ]
    if len(node.below) > 1:
        raise ValueError(f"greedy routes of several functions below {part!r}: {sorted(node.below)}")
    fallback = next(iter(node.below), DEFAULT)
    has_variable = any(child.part == "{id}" for child in children)
    if (node.children or node.below) and not has_variable:
        children.append(Resource(PROXY, {"ANY": fallback}))
    return Resource(part, _methods(node.here), tuple(children))


def _methods(here: Mapping[str, Function]) -> dict[str, Function]:
    """ANY for what most methods of a path share, the others by name; without a route: the fallback."""
    functions = set(here.values())
    if len(functions) == 1 and "gateway" not in functions:
        return {"ANY": functions.pop()}
    return {"ANY": DEFAULT} | {m: f for m, f in sorted(here.items()) if f != DEFAULT}


def resolve(root: Resource, method: str, path: str) -> Function | None:
    """Who answers a request, by API Gateway's rules and without going back up. For tests and documents."""
    node = root
    for segment in path.strip("/").split("/"):
        by_part = {child.part: child for child in node.children}
        if segment in by_part:
            node = by_part[segment]
        elif "{id}" in by_part:
            node = by_part["{id}"]
        elif PROXY in by_part:
            node = by_part[PROXY]
            break
        else:
            return None
    return node.methods.get(method, node.methods.get("ANY"))
