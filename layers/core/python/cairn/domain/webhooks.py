"""Webhooks as MLflow has them: events, names, where one may point, payloads, and the signature.

Texts of errors, names of events and the form of a payload are MLflow's (``mlflow.entities.webhook``,
``mlflow.utils.validation``, ``mlflow.webhooks``). Cairn is stricter about where a webhook may point: https
on port 443, no credentials in the URL. Nothing here resolves a name or opens a connection.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from cairn.domain.addresses import is_global
from cairn.errors import InvalidParameterValue, ResourceDoesNotExist

ACTIVE = "ACTIVE"
DISABLED = "DISABLED"

SIGNATURE = "X-MLflow-Signature"
TIMESTAMP = "X-MLflow-Timestamp"
DELIVERY_ID = "X-MLflow-Delivery-Id"

MAX_URL = 500
MAX_DESCRIPTION = 1_000
MAX_SECRET = 1_000
"""Characters. Those of URL and description are the columns of MLflow's schema, which SQLite does not hold
to; a secret of a thousand characters fits an SSM parameter (4 KB)."""

_NAME = re.compile(r"(?=.{1,63}\Z)[a-z0-9]([a-z0-9._-]*[a-z0-9])?\Z", re.IGNORECASE | re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE | re.ASCII)
_MAX_HOST = 253


class WebhookEvent(NamedTuple):
    """What a webhook listens to, in MLflow's words: ``model_version_alias``, ``created``."""

    entity: str
    action: str

    def __str__(self) -> str:
        return f"{self.entity}.{self.action}"

    @classmethod
    def parse(cls, text: str) -> "WebhookEvent":
        entity, _, action = text.partition(".")
        return cls(entity, action)


_VERSION = {"name": "example_model", "version": "1"}
_PROMPT_VERSION = {"name": "example_prompt", "version": "1"}
_TAG = {"key": "example_key", "value": "example_value"}
_TAGS = {"tags": {"example_key": "example_value"}}

EXAMPLES: Mapping[WebhookEvent, Mapping[str, Any]] = {
    WebhookEvent("registered_model", "created"): {
        "name": "example_model",
        **_TAGS,
        "description": "An example registered model",
    },
    WebhookEvent("model_version", "created"): {
        **_VERSION,
        "source": "models:/123",
        "run_id": "abcd1234abcd5678",
        **_TAGS,
        "description": "An example model version",
    },
    WebhookEvent("model_version_tag", "set"): {**_VERSION, **_TAG},
    WebhookEvent("model_version_tag", "deleted"): {**_VERSION, "key": "example_key"},
    WebhookEvent("model_version_alias", "created"): {
        "name": "example_model",
        "alias": "example_alias",
        "version": "1",
    },
    WebhookEvent("model_version_alias", "deleted"): {"name": "example_model", "alias": "example_alias"},
    WebhookEvent("prompt", "created"): {
        "name": "example_prompt",
        **_TAGS,
        "description": "An example prompt",
    },
    WebhookEvent("prompt_version", "created"): {
        **_PROMPT_VERSION,
        "template": "Hello {{name}}!",
        **_TAGS,
        "description": "An example prompt version",
    },
    WebhookEvent("prompt_tag", "set"): {"name": "example_prompt", **_TAG},
    WebhookEvent("prompt_tag", "deleted"): {"name": "example_prompt", "key": "example_key"},
    WebhookEvent("prompt_version_tag", "set"): {**_PROMPT_VERSION, **_TAG},
    WebhookEvent("prompt_version_tag", "deleted"): {**_PROMPT_VERSION, "key": "example_key"},
    WebhookEvent("prompt_alias", "created"): {
        "name": "example_prompt",
        "alias": "example_alias",
        "version": "1",
    },
    WebhookEvent("prompt_alias", "deleted"): {"name": "example_prompt", "alias": "example_alias"},
    WebhookEvent("budget_policy", "exceeded"): {
        "budget_policy_id": "bp-abc123",
        "budget_unit": "USD",
        "budget_amount": 100.0,
        "current_spend": 105.50,
        "duration_unit": "MONTHS",
        "duration_value": 1,
        "target_scope": "ENDPOINT",
        "workspace": "default",
        "target_value": "ep-abc123",
        "window_start": 1704067200000,
    },
}
"""Every event that a webhook may listen to, with the payload that a test sends."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """``signed``: there is a secret, which is kept elsewhere under the webhook's id. Times in ms."""

    webhook_id: str
    name: str
    url: str
    events: tuple[WebhookEvent, ...]
    status: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None = None
    signed: bool = False


def webhook_missing(webhook_id: str) -> ResourceDoesNotExist:
    """MLflow's answer for an unknown webhook."""
    return ResourceDoesNotExist(f"Webhook with ID {webhook_id} not found.")


def validate_event(event: WebhookEvent) -> None:
    """MLflow's ``WebhookEvent``: an entity has some of the actions."""
    if event not in EXAMPLES:
        actions = sorted(one.action for one in EXAMPLES if one.entity == event.entity)
        raise InvalidParameterValue(
            f"Invalid action '{event.action}' for entity '{event.entity}'. Valid actions are: {actions}"
        )


def validate_events(events: Sequence[WebhookEvent]) -> None:
    """MLflow's ``_validate_webhook_events``."""
    if not events:
        raise InvalidParameterValue("Webhook events must be a non-empty list of WebhookEvent objects: [].")


def validate_name(name: str) -> None:
    """MLflow's ``_validate_webhook_name``."""
    if not _NAME.match(name):
        raise InvalidParameterValue(
            f"Webhook name {name!r} is invalid. It must start and end with a letter or digit, "
            "be less than 63 characters long, and contain only letters, digits, dots (.), "
            "underscores (_), and hyphens (-)."
        )


def validate_length(what: str, text: str | None, most: int) -> None:
    """The text itself is left out of the message: it may be a secret."""
    if text is not None and len(text) > most:
        raise InvalidParameterValue(f"Webhook {what} exceeds the maximum length of {most} characters.")


class Target(NamedTuple):
    """Where a webhook's requests go: ``host`` is an ASCII name without a trailing dot, or an address;
    ``path`` is what a request line says, query included."""

    host: str
    path: str

    @property
    def authority(self) -> str:
        """The header Host."""
        return f"[{self.host}]" if ":" in self.host else self.host


def target_of(url: str) -> Target:
    """Of a webhook's URL. Raises InvalidParameterValue; MLflow's ``_validate_webhook_url`` where that
    refuses as well, in its words."""
    if not url.strip():
        raise InvalidParameterValue(f"Webhook URL cannot be empty or just whitespace: {url!r}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidParameterValue(f"Invalid webhook URL {url!r}: {error!r}") from None
    if parts.scheme != "https":
        raise InvalidParameterValue(
            f"Invalid webhook URL scheme: {parts.scheme!r}. Allowed schemes are: https."
        )
    if not host:
        raise InvalidParameterValue(f"Webhook URL must include a hostname: {url!r}")
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise InvalidParameterValue(
            "Webhook URL must be of printable ASCII characters: an international name in its xn-- form, "
            "anything else percent-encoded."
        )
    if port not in (None, 443) or parts.netloc.endswith(":"):
        raise InvalidParameterValue("Webhook URL must not name a port other than 443.")
    if "@" in parts.netloc:
        raise InvalidParameterValue("Webhook URL must not hold a user name or a password.")
    return Target(_literal6(host) if "[" in parts.netloc else _host(host), _path(parts))


def _host(host: str) -> str:
    """A name, or an address in the one form that everybody reads alike: ``127.1``, ``0177.0.0.1`` and
    ``2130706433`` are loopback to some and names or other addresses to others."""
    name = host.removesuffix(".")
    if len(name) > _MAX_HOST or not _HOST.fullmatch(name):
        raise InvalidParameterValue(f"Webhook URL host {host!r} is no host name.")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise _no_literal(host) from None
    return name


def _literal6(host: str) -> str:
    try:
        ip = ipaddress.IPv6Address(host)
    except ValueError:
        raise _no_literal(host) from None
    if ip.scope_id is not None:
        raise _no_literal(host)
    return str(ip)


def _no_literal(host: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"Webhook URL host {host!r} is not a canonical IP address literal.")


def _path(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def check_addresses(host: str, addresses: Sequence[str]) -> None:
    """All that a name stands for must be global: of mixed answers a resolver may give any, next time."""
    for address in addresses:
        if not is_global(address):
            raise InvalidParameterValue(
                f"Webhook URL must not resolve to a non-public IP address. {host!r} resolves to {address}."
            )


def payload(event: WebhookEvent, data: Mapping[str, Any], time: int) -> dict[str, Any]:
    """What a delivery's body holds; ``time`` in milliseconds, told as MLflow does."""
    when = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time)
    return {
        "entity": event.entity,
        "action": event.action,
        "timestamp": when.isoformat(),
        "data": dict(data),
    }


def signature(secret: str, delivery_id: str, timestamp: str, body: str) -> str:
    """``v1,`` and the base64 of an HMAC-SHA256 over id, time and body (MLflow's
    ``_generate_hmac_signature``)."""
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
