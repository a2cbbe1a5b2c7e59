"""HTTP and API Gateway's proxy events, both ways: a WSGI environment becomes the event that a REST API
sends to a Lambda function (payload version 1), an Answer becomes a WSGI response.

As in AWS: ``path`` is still percent-encoded, the query is decoded, a single value is the last of its name,
and a mapping without entries is None. Unlike there, the body is not in the event: it stays a stream beside
it, for messages too, so that one of any size is refused before it is read. The caller is the operating
system's user, whose name the composition root gives: nothing that the client sends can change it.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

_STAGE = "local"
_UNENCODED = "/!$&'()*+,;=:@~"
"""What a path may hold unencoded, beside letters, digits and ``-._`` (RFC 3986, pchar)."""


def request_path(environ: Environ) -> str:
    """The path as the client sent it, percent-encoded, without query.

    PATH_INFO is decoded already, so that ``a%2Fb`` and ``a/b`` look alike there: the request line is read
    where the server gives it.
    """
    uri = environ.get("REQUEST_URI")
    if not isinstance(uri, str):
        return quote(str(environ["PATH_INFO"]).encode("latin-1"), safe=_UNENCODED) or "/"
    path = uri.partition("?")[0]
    if not path.startswith("/"):  # absolute form, http://host/path
        path = "/" + path.partition("://")[2].partition("/")[2]
    return "/" + path.lstrip("/")


def event_of(environ: Environ, method: str, user: str, request_id: str, now: int) -> dict[str, Any]:
    """The event of one request, without its body. ``now`` in milliseconds."""
    path = request_path(environ)
    headers = _headers(environ)
    query = _grouped(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": _last(headers),
        "multiValueHeaders": headers or None,
        "queryStringParameters": _last(query),
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": path[1:]},
        "stageVariables": None,
        "requestContext": {
            "accountId": _STAGE,
            "apiId": _STAGE,
            "stage": _STAGE,
            "resourcePath": "/{proxy+}",
            "path": path,
            "httpMethod": method,
            "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
            "requestId": request_id,
            "requestTimeEpoch": now,
            "identity": {
                "accountId": None,
                "caller": None,
                "sourceIp": environ.get("REMOTE_ADDR", ""),
                "user": f"local:{user}",
                "userAgent": environ.get("HTTP_USER_AGENT", ""),
                "userArn": None,
            },
        },
        "body": None,
        "isBase64Encoded": False,
    }


def respond(
    status: int,
    headers: Mapping[str, str],
    body: bytes | Iterable[bytes],
    start_response: StartResponse,
    *,
    with_body: bool,
) -> Iterable[bytes]:
    """Start the WSGI response and give its body; without one (HEAD) the headers are the same, and a stream
    that was opened for the answer is closed unread.
    """
    fields = [(name, value) for name, value in headers.items()]
    if isinstance(body, bytes):
        if not any(name.lower() == "content-length" for name in headers):
            fields.append(("Content-Length", str(len(body))))
        body = [body]
    start_response(f"{status} {_phrase(status)}", fields)
    if with_body:
        return body
    close = getattr(body, "close", None)
    if close is not None:
        close()
    return ()


def _headers(environ: Environ) -> dict[str, list[str]]:
    """WSGI joins fields of one name by a comma, and has lost the case of their names."""
    headers = {
        key[5:].replace("_", "-").title(): [value]
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").title()] = [environ[key]]
    return headers


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _last(values: Mapping[str, list[str]]) -> dict[str, str] | None:
    return {name: several[-1] for name, several in values.items()} or None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
