"""The part of the route table that is Cairn's own: tokens, codes to sign in, and who one is.

Tokens and codes have paths of their own, under ``/api/`` alone, so that an identity policy denies the
making of either by denying one path.
"""

from cairn.protocol.message import Message
from cairn.protocol.messages import sessions, tokens
from cairn.protocol.routes import OWN, Route


def _route(method: str, path: str, request: type[Message], use_case: str, action: str) -> Route:
    return Route(method, f"{OWN}/{path}", request, f"tokens.{use_case}", action)


TOKENS = (
    _route("POST", "tokens/create", tokens.CreateToken, "create_token", "tokens:create"),
    _route("GET", "tokens/list", tokens.ListTokens, "list_tokens", "tokens:read"),
    _route("POST", "tokens/revoke", tokens.RevokeTokens, "revoke_tokens", "tokens:revoke"),
    Route("POST", f"{OWN}/sessions/code", sessions.CreateCode, "sessions.create_code", "sessions:create"),
    _route("GET", "whoami", tokens.WhoAmI, "who_am_i", "server:read"),
)
