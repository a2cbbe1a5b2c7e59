"""Fronts: by which way a request came in, and so who vouches for its caller.

Each method of the REST API checks callers in one way: their signature, or by our authorizer their token or
their browser's session. API Gateway writes into the event which of its resources took the request
(``resource``, and again ``requestContext.resourcePath``). A client chooses the resource by the path that it
asks for, and nothing else of that. So the resource says who vouches; what stands in the parts of the event
that another front would read is not looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cairn.errors import Unauthenticated
from cairn.sharing.caller import (
    LOCAL,
    SESSION,
    SIGNED,
    TOKEN,
    ReadCaller,
    iam_caller,
    local_caller,
    session_caller,
    token_caller,
)


@dataclass(frozen=True, slots=True)
class Front:
    """``parts`` are the first segments of its resources' paths, ``root`` is what it puts before the paths
    of the API."""

    name: str
    parts: frozenset[str]
    root: str
    read: ReadCaller

    def within(self, path: str) -> str:
        """A path of this front as the route table has it. Raises Unauthenticated for another front's."""
        if self.root and not path.startswith(f"{self.root}/"):
            raise _unknown()
        return path[len(self.root) :]


FrontOf = Callable[[Mapping[str, object]], Front]
"""From an event to its front. Raises Unauthenticated where it is of none."""

SIGNED_PARTS = frozenset(
    {"ajax-api", "api", "get-artifact", "health", "model-versions", "version", "{proxy+}"}
)
"""Of the API's resources with AWS_IAM; the root, which has no part, is one of them."""

FRONTS = (
    Front(SIGNED, SIGNED_PARTS | {""}, "", iam_caller),
    Front(TOKEN, frozenset({"t"}), "/t", token_caller),
    Front(SESSION, frozenset({"ui"}), "/ui", session_caller),
)
"""Of a deployment."""

_BY_PART = {part: front for front in FRONTS for part in front.parts}
_LOCAL = Front(LOCAL, frozenset(), "", local_caller)


def deployed_front(event: Mapping[str, object]) -> Front:
    """By the resource that API Gateway says took the request."""
    context = event.get("requestContext")
    resource = event.get("resource")
    if not isinstance(context, Mapping) or not isinstance(resource, str) or not resource.startswith("/"):
        raise _unknown()
    if context.get("resourcePath") != resource:
        raise _unknown()
    part = resource.split("/", 2)[1]
    front = _BY_PART.get(part) if part or resource == "/" else None
    if front is None:
        raise _unknown()
    return front


def local_front(_: Mapping[str, object]) -> Front:
    """The only one of a server on this machine."""
    return _LOCAL


def _unknown() -> Unauthenticated:
    return Unauthenticated("The request came by no way on which callers are checked.")
