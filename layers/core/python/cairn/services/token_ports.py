"""What the use-cases of tokens ask of the outside."""

from typing import Protocol

from cairn.domain.tokens import Token


class TokenStore(Protocol):
    """Tokens by their hash, under what stands for their principal (``sharing.tokens``)."""

    def add(self, holder: str, hashed: str, token: Token) -> None: ...

    def held(self, holder: str) -> list[Token]:
        """Those that are not revoked, expired ones among them."""

    def revoke(self, holder: str, now: int) -> None:
        """All that were minted until now."""
