"""What use-cases ask of webhooks' surroundings, as protocols (see ``ports``)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cairn.domain.webhooks import Webhook


class WebhookStore(Protocol):
    """Webhooks by id. An unknown id raises ResourceDoesNotExist with MLflow's message."""

    def create(self, webhook: Webhook) -> Webhook:
        """A new one; the same id again is the webhook as it stands."""

    def get(self, webhook_id: str) -> Webhook: ...

    def change(self, webhook_id: str, edit: Callable[[Webhook], Webhook]) -> Webhook: ...

    def delete(self, webhook_id: str) -> None: ...

    def all(self) -> Iterator[Webhook]: ...


class SecretStore(Protocol):
    """Where a webhook's secret is kept; a use-case never reads one."""

    def put(self, webhook_id: str, secret: str) -> None:
        """Instead of the one before."""

    def delete(self, webhook_id: str) -> None:
        """What is not there is no error."""


class Attempt(Protocol):
    """What came of one delivery."""

    @property
    def success(self) -> bool: ...

    @property
    def status(self) -> int | None: ...

    @property
    def error(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Webhooks:
    """``send`` delivers a payload once, under the id of an event, and waits for the answer; ``resolve``
    gives the addresses of a host name, or raises OSError."""

    store: WebhookStore
    secrets: SecretStore
    send: Callable[[Webhook, str, Mapping[str, Any]], Attempt]
    resolve: Callable[[str], Sequence[str]]
