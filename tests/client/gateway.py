"""What API Gateway does with a signature, written from AWS's description and not from botocore's code: the
canonical request is made anew from the bytes that arrived."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

SECRETS = {"AKIDTEST": "the secret of AKIDTEST"}
SKEW_S = 300
_FIELDS = re.compile(
    r"AWS4-HMAC-SHA256 "
    r"Credential=(?P<key>\w+)/(?P<day>\d{8})/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[\w;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def refusal(method: str, target: str, headers: Mapping[str, str], body: bytes, region: str) -> str | None:
    """Why a request would be refused; None if its signature is good. ``headers`` have lower-case names,
    ``target`` is the request line's."""
    fields = _FIELDS.fullmatch(headers.get("authorization", ""))
    if fields is None:
        return "no signature"
    if (fields["region"], fields["service"]) != (region, "execute-api"):
        return f"signed for {fields['service']} in {fields['region']}"
    if fields["key"] not in SECRETS:
        return "unknown access key"
    if "transfer-encoding" in headers or int(headers.get("content-length", "0")) != len(body):
        return "a body without its length"
    signed = fields["signed"].split(";")
    if "host" not in signed or any(h.startswith("x-amz-") and h not in signed for h in headers):
        return f"unsigned headers: signed are {signed}"
    date = headers["x-amz-date"]
    sent = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs((datetime.now(UTC) - sent).total_seconds()) > SKEW_S or not date.startswith(fields["day"]):
        return "signature expired"
    canonical = canonical_request(method, target, headers, signed, body)
    scope = f"{fields['day']}/{region}/execute-api/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{SECRETS[fields['key']]}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return None if key.hex() == fields["signature"] else f"signature does not match:\n{canonical}"


def canonical_request(
    method: str, target: str, headers: Mapping[str, str], signed: list[str], body: bytes
) -> str:
    """Query: decoded as a form, encoded by RFC 3986, sorted. Path: as it was sent, each segment encoded
    once more ("Create a canonical request": every service but S3)."""
    path, _, query = target.partition("?")
    pairs = sorted(
        tuple(_encode(unquote_to_bytes(text.replace("+", " "))) for text in (key, value))
        for key, _, value in (pair.partition("=") for pair in query.split("&") if pair)
    )
    return "\n".join(
        (
            method,
            "/".join(_encode(segment.encode()) for segment in path.split("/")),
            "&".join(f"{key}={value}" for key, value in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(body).hexdigest(),
        )
    )


def _encode(data: bytes) -> str:
    return quote(data, safe="-._~")
