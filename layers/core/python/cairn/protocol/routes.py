"""The route table: method and path -> message, action, use-case, function.

API Gateway's resources, the local server, and docs/compatibility.md come from it. A path's ``{name}`` is
one segment, ``{name+}`` the rest. Every ``/api/`` route is served under ``/ajax-api/`` as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cairn.protocol.message import Message

Function = Literal["tracking", "artifacts", "gateway"]


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the API.

    ``request`` is None where the body is bytes (the use-case takes a RawCall). ``use_case`` is
    ``module.function`` under ``cairn.services``. ``function`` is the Lambda function that serves it;
    ``gateway`` means that API Gateway answers by itself (and the local server through the use-case).
    """

    method: str
    path: str
    request: type[Message] | None
    use_case: str
    action: str
    function: Function = "tracking"


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    params: Mapping[str, str]
