"""DynamoDB's JSON protocol over HTTP: one signed POST an operation, its body as a dict.

In place of a boto3 client, whose checks, hooks and shape parser take longer than all that Cairn computes
for a request (docs/adr/0014). Connections are our own (``connections``); botocore still gives what is hard
to keep well: credentials that refresh themselves, the certificates to trust, the way through a proxy, and
its exceptions. Attributes are in the protocol's own notation here, binary as base64 (``attributes``).
Nothing is repeated here: ``retry`` does.
"""

import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any, cast
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import URLLib3Session, get_cert_path
from botocore.session import Session
from botocore.utils import get_environ_proxies
from pydantic_core import from_json

from cairn.domain.clock import Clock, system_clock
from cairn.storage.connections import Connections

VERSION = "DynamoDB_20120810"
CONTENT_TYPE = "application/x-amz-json-1.0"
CONNECT_SECONDS, READ_SECONDS = 2, 5
"""A request that hangs is given up, and repeated by ``retry``."""

_SIGNED = "content-type;host;x-amz-date;x-amz-target"
_SIGNED_WITH_TOKEN = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"  # noqa: S105 -- names
_AGENT = "cairn"

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Refused(Exception):
    """DynamoDB's answer is an error: its code ("" for none), message, HTTP status and whole content."""

    def __init__(self, code: str, message: str, status: int, content: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.content = content


class Garbled(Exception):
    """The answer is cut short, or is not what was sent: the request may have been carried out."""


class Signer:
    """Signature version 4 of one endpoint's requests; the key of a day is derived once.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """

    def __init__(self, host: str, path: str, region: str) -> None:
        self._host = host
        self._path = path
        self._region = region
        self._key: tuple[str, str, bytes] = ("", "", b"")

    def headers(
        self, credentials: ReadOnlyCredentials, target: str, body: bytes, now: datetime
    ) -> dict[str, str]:
        """Every header of the request but the connection's own. ``now`` is in UTC."""
        time, token = now.strftime("%Y%m%dT%H%M%SZ"), credentials.token
        date = time[:8]
        canonical = (
            f"POST\n{self._path}\n\ncontent-type:{CONTENT_TYPE}\nhost:{self._host}\nx-amz-date:{time}\n"
            f"{f'x-amz-security-token:{token}' + chr(10) if token else ''}x-amz-target:{target}\n\n"
            f"{_SIGNED_WITH_TOKEN if token else _SIGNED}\n{hashlib.sha256(body).hexdigest()}"
        )
        scope = f"{date}/{self._region}/dynamodb/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}"
        signature = _hmac(self._key_of(credentials.secret_key or "", date), text).hex()
        headers = {
            "Host": self._host,
            "Content-Type": CONTENT_TYPE,
            "Content-Length": str(len(body)),
            "User-Agent": _AGENT,
            "X-Amz-Target": target,
            "X-Amz-Date": time,
            "Authorization": (
                f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
                f"SignedHeaders={_SIGNED_WITH_TOKEN if token else _SIGNED}, Signature={signature}"
            ),
        }
        if token:
            headers["X-Amz-Security-Token"] = token
        return headers

    def _key_of(self, secret: str, date: str) -> bytes:
        held = self._key  # one read: threads share the signer
        if held[:2] != (secret, date):
            key = f"AWS4{secret}".encode()
            for part in (date, self._region, "dynamodb", "aws4_request"):
                key = _hmac(key, part)
            self._key = held = (secret, date, key)
        return held[2]


def connect(region: str, endpoint: str | None = None) -> "Wire":
    """DynamoDB in a region, or an emulator of it at its URL, with the environment's credentials."""
    return Wire(Session(), region, endpoint)


class Wire:
    """One endpoint. ``session`` gives credentials, and events: what listens to ``before-send`` may answer
    in the network's place, as moto does."""

    def __init__(
        self,
        session: Session,
        region: str,
        endpoint: str | None = None,
        *,
        max_connections: int = 50,
        clock: Clock = system_clock,
    ) -> None:
        self._url = f"{(endpoint or aws_endpoint(session, region)).rstrip('/')}/"
        parts = urlsplit(self._url)
        self._signer = Signer(parts.netloc, parts.path, region)
        self._clock = clock
        self._credentials = session.get_credentials()
        self._emit: Callable[..., list[tuple[Any, Any]]] = session.get_component("event_emitter").emit
        trusted = session.get_config_variable("ca_bundle") or True
        proxies = get_environ_proxies(self._url)
        self._http: Connections | URLLib3Session
        if not proxies:
            self._http = Connections(
                self._url,
                get_cert_path(trusted) or "",
                connect_seconds=CONNECT_SECONDS,
                read_seconds=READ_SECONDS,
                most=max_connections,
            )
        else:
            self._http = URLLib3Session(
                verify=trusted,
                proxies=proxies,
                timeout=cast(Any, (CONNECT_SECONDS, READ_SECONDS)),  # botocore-stubs know one number
                max_pool_connections=max_connections,
                # Without it a body waits until the packet of its headers is acknowledged: up to 40 ms.
                socket_options=cast(Any, [(IPPROTO_TCP, TCP_NODELAY, 1)]),
            )

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The content of the answer: 1 request. Raises Refused, Garbled, or an exception of botocore's."""
        if self._credentials is None:
            raise NoCredentialsError
        body = _encode(parameters).encode()
        now = datetime.fromtimestamp(self._clock() / 1000, UTC)
        credentials = self._credentials.get_frozen_credentials()
        headers = self._signer.headers(credentials, f"{VERSION}.{operation}", body, now)
        request = AWSPreparedRequest("POST", self._url, headers, body, False)  # type: ignore[arg-type]
        heard = self._emit(f"before-send.dynamodb.{operation}", request=request)
        answers = [answer for _, answer in heard if answer is not None]
        if answers:
            answer = answers[0]
        elif isinstance(self._http, Connections):
            answer = self._http.post(headers, body)
        else:
            answer = self._http.send(request)
        return read(answer.status_code, answer.headers, answer.content)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def read(status: int, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    """The content of an answer; raises Refused or Garbled."""
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and zlib.crc32(content) != int(checksum):
        raise Garbled("the checksum of DynamoDB's answer does not match")
    try:
        found = from_json(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        if status < 300:
            raise Garbled("DynamoDB's answer is no JSON object")
        found = {}  # something that stands before DynamoDB refused the request
    if status < 300:
        return found
    code = str(found.get("__type") or "").rpartition("#")[2]
    raise Refused(code, str(found.get("message") or found.get("Message") or ""), status, found)


def aws_endpoint(session: Session, region: str) -> str:
    """DynamoDB's URL in a region, by the partition whose pattern the region's name meets.

    botocore's own resolver says the same, 35 ms of cold start later.
    """
    partitions = session.get_component("data_loader").load_data("partitions")["partitions"]
    suffixes = [p["outputs"]["dnsSuffix"] for p in partitions if re.match(p["regionRegex"], region)]
    return f"https://dynamodb.{region}.{suffixes[0] if suffixes else 'amazonaws.com'}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
