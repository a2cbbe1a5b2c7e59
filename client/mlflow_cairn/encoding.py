"""A URL in the one spelling that a signature is computed of, on both sides.

The signature covers the URL percent-encoded by RFC 3986. requests writes a space of a query as ``+`` and
leaves ``!*'();:@&=+$,`` in a path as they are; API Gateway encodes what it decoded. Sent as it is signed,
a URL reads alike on both sides. ("Create a canonical request", IAM User Guide.)
"""

from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit


def strict(url: str) -> str:
    """The same path and query, every byte encoded but letters, digits and ``-._~``. Order and repeated
    keys are kept; a slash that was encoded stays encoded."""
    parts = urlsplit(url)
    path = "/".join(_encoded(segment) for segment in parts.path.split("/"))
    query = "&".join(_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc, path or "/", query, ""))


def _pair(pair: str) -> str:
    key, _, value = pair.replace("+", " ").partition("=")
    return f"{_encoded(key)}={_encoded(value)}"


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-._~")
