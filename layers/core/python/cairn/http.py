"""From an API Gateway event to an answer: route, caller, message, use-case, and MLflow's shape for errors.

Lambda functions and the local server come through ``handle`` alike. What a request means is not decided
here; nor does anything here know which stores there are.
"""

import base64
import binascii
import gzip
import importlib
import io
import logging
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import unquote

from pydantic_core import to_json

from cairn.audit import Entry
from cairn.domain.attachments import disposition, served_type
from cairn.errors import (
    BadRequest,
    CairnError,
    EndpointNotFound,
    InternalError,
    InvalidParameterValue,
    PayloadTooLarge,
)
from cairn.protocol.actions import ACTIONS
from cairn.protocol.message import Creation, Message
from cairn.protocol.parse import parse_body, parse_query
from cairn.protocol.render import Page, written
from cairn.protocol.route_table import ROUTER
from cairn.protocol.routes import Match, Route, is_plain
from cairn.services.ports import Download, RawCall, Redirect, Result, Stores, Text
from cairn.sharing.authorize import Authorize
from cairn.sharing.caller import ANYONE, Caller
from cairn.sharing.fronts import Front, FrontOf

JSON_TYPE = "application/json"

_LOG = logging.getLogger(__name__)
_KEY_LENGTH = 255
_TOO_LARGE = (
    "The answer would be {size} bytes, and this front door lets {limit} pass. "
    "Ask for less at once: a smaller max_results, fewer runs, or a part of the history."
)


@dataclass(frozen=True, slots=True)
class App:
    """What a request needs beside itself. ``front_of`` says who vouches for its caller, ``authorize`` what
    that may touch.

    ``max_body`` limits a message's body, not an artifact's; ``max_answer`` an answer that is held in memory
    (Lambda returns 6 MB; None for no limit). Both in bytes.
    """

    stores: Stores
    front_of: FrontOf
    authorize: Authorize
    max_body: int
    max_answer: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is a stream only for a download; its length is then in the headers."""

    status: int
    headers: Mapping[str, str]
    body: bytes | Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """An event, read once: ``path`` is decoded, ``sent`` as it was sent, both without the front's root;
    header names are in lower case. ``context`` is the event's ``requestContext``, for the front alone.

    ``body`` is given apart where it is bytes of any size.
    """

    method: str
    path: str
    sent: str
    headers: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    front: Front
    context: Mapping[str, object]
    request_id: str
    content: str | None
    is_base64: bool
    stream: BinaryIO | None = field(repr=False)


def handle(app: App, event: Mapping[str, Any], body: BinaryIO | None = None) -> Answer:
    """Answer one request: an API Gateway REST proxy event (payload version 1). Never raises.

    ``body`` replaces the event's where the request's body is a stream.
    """
    request_id = "unknown"
    try:
        request = read_event(event, app.front_of(event), body)
        request_id = request.request_id
        return _answer(app, request)
    except CairnError as error:
        if error.status >= 500:
            _LOG.warning("%s: %s", error.code, error.message, extra={"request_id": request_id})
        return _error(error)
    except Exception:  # noqa: BLE001 -- the edge: whatever it is, the client gets MLflow's shape
        _LOG.exception("unexpected error", extra={"request_id": request_id})
        return _error(InternalError(f"Internal error. The request's id is {request_id}."))


def read_event(event: Mapping[str, Any], front: Front, body: BinaryIO | None = None) -> Request:
    context = event.get("requestContext") or {}
    sent = front.within(event["path"])
    return Request(
        method=event["httpMethod"],
        path=decoded(sent),
        sent=sent,
        headers=_headers(event),
        query=_query(event),
        front=front,
        context=context,
        request_id=str(context.get("requestId") or "unknown"),
        content=event.get("body"),
        is_base64=bool(event.get("isBase64Encoded")),
        stream=body,
    )


def decoded(path: str) -> str:
    """A path without its percent-encoding.

    A REST API passes it on as it was sent; it is decoded once, here, as WSGI does for MLflow."""
    return unquote(path, errors="surrogateescape")


def raw_methods(path: str) -> dict[str, bool]:
    """The methods of a percent-encoded path; True where the request's body is bytes and no message."""
    return {method: route.has_raw_body for method, route in ROUTER.methods(decoded(path)).items()}


def to_lambda(answer: Answer) -> dict[str, Any]:
    """The answer as a proxy integration returns it. Bytes that are no JSON or plain text are base64."""
    content = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    media_type = answer.headers.get("Content-Type", "")
    is_text = "Content-Encoding" not in answer.headers and media_type.startswith((JSON_TYPE, "text/plain"))
    is_text = is_text and _is_utf8(content)
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": content.decode() if is_text else base64.b64encode(content).decode("ascii"),
        "isBase64Encoded": not is_text,
    }


def _answer(app: App, request: Request) -> Answer:
    match = ROUTER.match(request.method, request.path)
    if not is_plain(match.route, request.sent):
        raise EndpointNotFound(f"There is no endpoint {request.method} {request.sent!r}.")
    entry = Entry(ACTIONS[match.route.action], request.request_id, request.front.name)
    try:
        result = _result(app, request, match, entry)
    except CairnError as error:
        entry.write(error.code)
        raise
    entry.write()
    return _success(app, request, result)


def _result(app: App, request: Request, match: Match, entry: Entry) -> Result:
    """Caller, decision, message, use-case: in this order, so that who may not hears nothing of its
    message."""
    route = match.route
    use_case = _use_case(route)
    if route.function == "gateway":
        return use_case(app.stores, ANYONE, _argument(app, request, route, match.params))
    entry.caller = request.front.read(request.context)
    access = app.authorize(entry.caller, entry.action)
    access.demand_everything()
    entry.about = _argument(app, request, route, match.params)
    return use_case(app.stores.scoped(access), entry.caller, entry.about)


def _use_case(route: Route) -> Callable[[Stores, Caller, Message | RawCall], Result]:
    """Imported at its first call: a function's cold start pays for what it uses."""
    module, _, name = route.use_case.partition(".")
    use_case: Callable[[Stores, Caller, Message | RawCall], Result] = getattr(
        importlib.import_module(f"cairn.services.{module}"), name
    )
    return use_case


def _argument(app: App, request: Request, route: Route, params: Mapping[str, str]) -> Message | RawCall:
    if route.request is None:
        stream = request.stream
        content = b"" if stream is not None else _content(request)
        return RawCall(
            params=params,
            query=request.query,
            headers=request.headers,
            body=stream if stream is not None else io.BytesIO(content),
            length=_length(request) if stream is not None else len(content),
        )
    given: dict[str, str | None] = dict(params)
    if issubclass(route.request, Creation):
        given["idempotency_key"] = _idempotency_key(request)
    if request.method == "GET" and request.query:
        return parse_query(route.request, request.query, given)
    if request.method in {"POST", "PUT"}:
        _require_json(request)
    return parse_body(route.request, _limited(app, request), given)


def _require_json(request: Request) -> None:
    """MLflow's ``_validate_content_type``."""
    content_type = request.headers.get("content-type")
    if content_type is None:
        raise InvalidParameterValue("Bad Request. Content-Type header is missing.")
    if content_type.split(";")[0] != JSON_TYPE:
        raise InvalidParameterValue(f"Bad Request. Content-Type must be one of {[JSON_TYPE]}.")


def _limited(app: App, request: Request) -> bytes:
    """The body of a message, refused past the limit before more of it is read."""
    if request.stream is None:
        content = _content(request)
    else:
        content = request.stream.read(app.max_body + 1)
    if len(content) > app.max_body:
        raise PayloadTooLarge(
            f"The request body is larger than {app.max_body} bytes. Please split it up and try again."
        )
    return content


def _content(request: Request) -> bytes:
    if not request.content:
        return b""
    if not request.is_base64:
        return request.content.encode(errors="surrogatepass")
    try:
        return base64.b64decode(request.content, validate=True)
    except binascii.Error:
        raise InvalidParameterValue("The request body is not valid base64.") from None


def _length(request: Request) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= _KEY_LENGTH and key.isascii() and key.isprintable()):
        raise InvalidParameterValue(
            f"The header Idempotency-Key must have 1 to {_KEY_LENGTH} printable ASCII characters."
        )
    return key


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    """The last value of each name, names in lower case."""
    several = event.get("multiValueHeaders") or {}
    headers = {name.lower(): values[-1] for name, values in several.items() if values}
    return headers or {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def _query(event: Mapping[str, Any]) -> dict[str, list[str]]:
    several = event.get("multiValueQueryStringParameters")
    if several:
        return {name: list(values) for name, values in several.items()}
    return {name: [value] for name, value in (event.get("queryStringParameters") or {}).items()}


def _success(app: App, request: Request, result: Result) -> Answer:
    if isinstance(result, Download):
        return Answer(200, _file_headers(result), result.chunks)
    if isinstance(result, Redirect):
        return Answer(302, {"Location": result.url, "Content-Type": "text/plain"}, b"")
    if isinstance(result, Text):
        return Answer(200, {"Content-Type": "text/plain; charset=utf-8"}, result.text.encode())
    return _fitted(app, request, result.written if isinstance(result, Page) else written(result))


def _fitted(app: App, request: Request, content: bytes) -> Answer:
    """The answer, compressed where it does not fit otherwise and the client takes it so.

    Lambda's own answer is JSON that holds this one as a string: quotes and backslashes count twice, and
    compressed bytes travel as base64.
    """
    headers = {"Content-Type": JSON_TYPE}
    limit = app.max_answer
    size = len(content) + content.count(b'"') + content.count(b"\\")
    if limit is None or size <= limit:
        return Answer(200, headers, content)
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, compresslevel=1)
        size = (len(content) + 2) // 3 * 4
        if size <= limit:
            return Answer(200, {**headers, "Content-Encoding": "gzip"}, content)
    raise BadRequest(_TOO_LARGE.format(size=size, limit=limit))


def _file_headers(download: Download) -> dict[str, str]:
    """MLflow's ``_response_with_file_attachment_headers``: saved, not shown; no sniffing. And where a
    browser shows it all the same: without scripts, and in an origin of its own."""
    return {
        "Content-Type": served_type(download.filename),
        "Content-Disposition": disposition(posixpath.basename(download.filename)),
        "Content-Length": str(download.length),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }


def _error(error: CairnError) -> Answer:
    return Answer(error.status, {"Content-Type": JSON_TYPE}, to_json(error.as_dict()))


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
