"""Routes, and how a request finds its own: method and path -> message, action, use-case, function.

The table itself is ``route_table``. API Gateway's resources, the local server, and docs/compatibility.md
come from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from cairn.errors import EndpointNotFound
from cairn.protocol.actions import ACTIONS
from cairn.protocol.message import Message

Function = Literal["tracking", "artifacts", "gateway"]

OWN = "/api/3.0/cairn"
"""Under it lies what is Cairn's own."""
_OWN = OWN.split("/")[2:]


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the API. A path's ``{name}`` is one segment, ``{name+}`` the rest of it.

    ``request`` is None where the use-case takes a RawCall: the body is bytes, or the answer is.
    ``use_case`` is ``module.function`` under ``cairn.services``; ``action`` is one of ``ACTIONS``.
    ``function`` is the Lambda function that serves it; ``gateway`` means that API Gateway answers by
    itself, whoever asks (and the local server through the use-case). Every ``/api/`` route but ``OWN`` is
    served under ``/ajax-api/`` as well.
    """

    method: str
    path: str
    request: type[Message] | None
    use_case: str
    action: str
    function: Function = "tracking"

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"{self.method} {self.path} has no action that anybody may be granted.")

    @property
    def has_raw_body(self) -> bool:
        """Whether the request's body is bytes of any size, to be read as a stream."""
        return self.request is None and self.method in {"POST", "PUT"}


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    params: Mapping[str, str]


@dataclass(slots=True)
class _Node:
    """Routes by path segment: literal ones first, then a variable, then the rest of the path."""

    literal: dict[str, "_Node"]
    variable: "tuple[str, _Node] | None"
    rest: "tuple[str, _Node] | None"
    methods: dict[str, Route]


class Router:
    """Finds routes by walking a path's segments: the cost does not grow with the table."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _node()
        for route in routes:
            self._insert(route)

    def match(self, method: str, path: str) -> Match:
        """The route of a decoded path. Raises EndpointNotFound, also for a method that the path lacks:
        clients fall back on older routes at that code."""
        found = self._find(path)
        if found is not None:
            node, params = found
            route = node.methods.get(method)
            if route is not None:
                return Match(route, params)
            if node.methods:
                raise EndpointNotFound(
                    f"The path {path!r} has no method {method}; it has {', '.join(sorted(node.methods))}."
                )
        raise EndpointNotFound(
            f"There is no endpoint {method} {path!r}: the address is wrong, or Cairn does not offer this."
        )

    def methods(self, path: str) -> dict[str, Route]:
        """The routes of a decoded path, by method; none for an unknown path."""
        found = self._find(path)
        return {} if found is None else dict(found[0].methods)

    def _find(self, path: str) -> tuple[_Node, dict[str, str]] | None:
        node = self._root
        params: dict[str, str] = {}
        segments = _segments(path)
        for index, segment in enumerate(segments):
            if segment in node.literal:
                node = node.literal[segment]
            elif node.variable is not None and segment:
                name, node = node.variable
                params[name] = segment
            elif node.rest is not None and any(segments[index:]):
                name, node = node.rest
                params[name] = "/".join(segments[index:])
                break
            else:
                return None
        return node, params

    def _insert(self, route: Route) -> None:
        node = self._root
        for segment in route.path.removeprefix("/").split("/"):
            if not segment.startswith("{"):
                node = node.literal.setdefault(segment, _node())
            elif segment.endswith("+}"):
                node.rest = node.rest or (segment[1:-2], _node())
                node = node.rest[1]
            else:
                node.variable = node.variable or (segment[1:-1], _node())
                node = node.variable[1]
        node.methods[route.method] = route


def served_paths(route: Route) -> tuple[str, ...]:
    """The paths under which a route is served."""
    if route.path.startswith("/api/") and not route.path.startswith(f"{OWN}/"):
        return route.path, "/ajax-api/" + route.path.removeprefix("/api/")
    return (route.path,)


def is_plain(route: Route, sent: str) -> bool:
    """Whether a percent-encoded path spells the route's own segments as they are. API Gateway compares an
    identity policy with the path; ``tokens%2Fcreate`` must not be let in where ``tokens/create`` is denied.
    """
    segments = sent.split("/")
    for index, segment in enumerate(route.path.split("/")):
        if segment.endswith("+}"):
            return True
        if index >= len(segments):
            return False
        if segment.startswith("{") or segments[index] == segment:
            continue
        if (index, segment, segments[index]) != (1, "api", "ajax-api"):
            return False
    return True


def _node() -> _Node:
    return _Node({}, None, None, {})


def _segments(path: str) -> list[str]:
    segments = path.removeprefix("/").split("/")
    if segments[0] == "ajax-api" and segments[1:3] != _OWN:
        segments[0] = "api"
    return segments
