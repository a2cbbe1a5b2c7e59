"""What the use-cases of tokens ask of the outside."""

from typing import Protocol

from cairn.domain.sessions import Code
from cairn.domain.tokens import Token


class TokenStore(Protocol):
    """Tokens by their hash, under what stands for their principal (``sharing.tokens``)."""

    def add(self, holder: str, hashed: str, token: Token) -> None: ...

    def held(self, holder: str) -> list[Token]:
        """Those that are not revoked, expired ones among them."""

    def revoke(self, holder: str, now: int) -> None:
        """All that were minted until now."""


class CodeStore(Protocol):
    """Codes by their hash, likewise."""

    def add_code(self, holder: str, hashed: str, code: Code) -> None: ...

    def revoke(self, holder: str, now: int) -> None:
        """As of tokens, which are void with them."""
