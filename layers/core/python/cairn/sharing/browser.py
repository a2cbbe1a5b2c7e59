"""What a browser must show beside its cookie, and how API Gateway's authorizer of sessions answers.

A browser sends a cookie along with whatever request a page makes. So each change has to say where it comes
from, in headers that no page can set: ``Origin`` is the API's own, or that of the distribution which the
deployer named; ``Sec-Fetch-Site`` is ``same-origin``; and its body is JSON, which no form sends. A GET
changes nothing, and is refused all the same where the browser says that another site asks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cairn.errors import Unauthenticated
from cairn.sharing.authorizer import Refused, allowing
from cairn.sharing.caller import Caller

COOKIE = "__Host-cairn"
"""The prefix binds it to this host: ``Secure``, no ``Domain``, ``Path=/`` (RFC 6265bis, 4.1.3.2). No page
of another API Gateway host can set or read it."""

UPLOAD = "/mlflow/upload-artifact"
"""The one change whose body may be of any type: the bytes of a file."""

OWN = "/api/3.0/cairn"
"""Of scripts' paths, which begin with ``/api/``, pages call Cairn's own."""

_ATTRIBUTES = "Path=/; HttpOnly; Secure; SameSite=Strict"
_SAFE = frozenset({"GET", "HEAD"})
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})


def set_cookie(text: str, seconds: int) -> str:
    """The value of Set-Cookie; no text and no seconds remove it."""
    return f"{COOKIE}={text}; Max-Age={seconds}; {_ATTRIBUTES}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A browser's request, as far as it says where it comes from. ``host`` is the API's own name;
    ``headers`` have lower-case names and all values. ``named`` is the origin that the deployer named
    beside the API's own; empty: none."""

    method: str
    path: str
    host: str
    headers: Mapping[str, Sequence[str]]
    named: str = ""

    @classmethod
    def of(cls, event: Mapping[str, Any], named: str = "") -> "Asked":
        """Of an event of API Gateway: its question to an authorizer, or a proxy integration's.

        The host is the one that API Gateway took the request for.
        """
        context = event.get("requestContext") or {}
        several = event.get("multiValueHeaders") or {
            name: [value] for name, value in (event.get("headers") or {}).items()
        }
        headers = {name.lower(): list(values) for name, values in several.items() if values}
        host = context.get("domainName") or (headers.get("host") or [""])[-1]
        return cls(str(event["httpMethod"]).upper(), str(event["path"]), host, headers, named)

    @property
    def session(self) -> str | None:
        """The cookie's value; None without one, or with two."""
        pairs = [
            pair.strip().partition("=")
            for header in self.headers.get("cookie", ())
            for pair in header.split(";")
        ]
        found = [value for name, _, value in pairs if name == COOKIE]
        return found[0] if len(found) == 1 else None

    @property
    def fault(self) -> str:
        """Why a request with a cookie is refused, whoever it is; empty where it is not."""
        site = self._one("sec-fetch-site")
        if "/ui/api/" in self.path and f"/ui{OWN}/" not in self.path:
            return "The path is for scripts; pages call what is below /ajax-api/."
        if self.method in _SAFE:
            return "Another site asks." if site in _FOREIGN_SITES else ""
        if self._one("origin") not in self._origins:
            return "The request comes from a page of another origin."
        if site != "same-origin":
            return "The browser does not say that the request comes from this site."
        return "" if self._is_json or self.path.endswith(UPLOAD) else "The body is not JSON."

    @property
    def _origins(self) -> Sequence[str]:
        """Behind a distribution the host is still the API's: CloudFront cannot pass the browser's on."""
        own = [f"https://{self.host}"] if self.host else []
        return [*own, self.named] if self.named else own

    @property
    def _is_json(self) -> bool:
        """A DELETE without a body has no type."""
        given = self._one("content-type")
        if given is None:
            return self.method == "DELETE" and "content-type" not in self.headers
        return given.partition(";")[0].strip().lower() == "application/json"

    def _one(self, name: str) -> str | None:
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else None


class SessionAuthorizer:
    """``admit`` finds the caller that a session stands for, or raises Unauthenticated. ``origin``: as
    ``Asked.named``."""

    def __init__(self, admit: Callable[[str], Caller], origin: str = "") -> None:
        self._admit = admit
        self._origin = origin

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The policy for this one request: it is let in with its caller as the context, or denied (403)
        where another site's page asks. Raises Refused (401) without a good session."""
        asked = Asked.of(event, self._origin)
        text = asked.session
        if text is None:
            raise Refused
        if asked.fault:
            return denying(event["methodArn"])
        try:
            caller = self._admit(text)
        except Unauthenticated:
            raise Refused from None
        return allowing(event["methodArn"], caller)


def denying(method: str) -> dict[str, Any]:
    """API Gateway answers 403 to it. Nothing was looked up."""
    statement = {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": method}
    return {
        "principalId": "another site",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }
