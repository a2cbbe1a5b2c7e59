"""Use-cases of tokens, and who one is.

A token is minted, listed and revoked by a signed request alone: who holds a token cannot mint another, nor
learn of others.
"""

from dataclasses import replace

from cairn.domain.access import Action, Permission
from cairn.domain.tokens import MAX_HOURS
from cairn.errors import EndpointNotFound, InternalError, InvalidParameterValue, PermissionDenied
from cairn.protocol.messages import tokens as messages
from cairn.services.ports import Result, Stores
from cairn.services.token_ports import TokenStore
from cairn.sharing import tokens
from cairn.sharing.caller import SIGNED, Caller

_OF_OTHERS = Action("tokens:revoke", Permission.MANAGE, "deployment")


def create_token(stores: Stores, caller: Caller, request: messages.CreateToken) -> Result:
    """The one time that the token itself is told. 1 PutItem."""
    store = _store(stores, caller)
    if not 1 <= request.hours <= MAX_HOURS:
        raise InvalidParameterValue(f"A token is good for 1 to {MAX_HOURS} hours, not {request.hours}.")
    text, token = tokens.mint(
        caller, Permission[request.permission], request.hours, stores.clock(), stores.bits
    )
    where = tokens.place(text)
    if where is None:
        raise InternalError("A token of another shape was minted.")
    store.add(where.holder, where.hashed, token)
    return {
        "token": text,
        "principal": caller.principal,
        "permission": token.ceiling.name,
        "expires": token.expires,
    }


def list_tokens(stores: Stores, caller: Caller, request: messages.ListTokens) -> Result:
    """One's own that are still good, the newest first; no token itself. 1 Query."""
    now = stores.clock()
    held = _store(stores, caller).held(tokens.holder_of(caller.principal))
    return {
        "tokens": [
            {
                "permission": token.ceiling.name,
                "session": token.session,
                "created": token.created,
                "expires": token.expires,
            }
            for token in sorted(held, key=lambda token: token.created, reverse=True)
            if token.holds(now, not_before=-1)
        ]
    }


def revoke_tokens(stores: Stores, caller: Caller, request: messages.RevokeTokens) -> Result:
    """All tokens that a principal minted until now, and its browsers' sessions; another's only by who
    manages everything. 1 PutItem."""
    store = stores.sessions or _store(stores, caller)
    _demand_signature(caller)
    principal = tokens.principal_of(request.principal) if request.principal else caller.principal
    if principal != caller.principal:
        replace(stores.access, action=_OF_OTHERS).demand_everything()
    now = stores.clock()
    store.revoke(tokens.holder_of(principal), now)
    return {"principal": principal, "revoked_until": now}


def who_am_i(stores: Stores, caller: Caller, request: messages.WhoAmI) -> Result:
    """What the server takes the caller for. No request."""
    return {
        "principal": caller.principal,
        "account": caller.account,
        "kind": caller.kind,
        "name": caller.name,
        "organisation": caller.organisation,
        "session": caller.session,
        "front": caller.front,
        "ceiling": caller.ceiling.name,
    }


def _store(stores: Stores, caller: Caller) -> TokenStore:
    if stores.tokens is None:
        raise EndpointNotFound("This deployment gives no tokens (its setting `tokens`).")
    _demand_signature(caller)
    return stores.tokens


def _demand_signature(caller: Caller) -> None:
    if caller.front != SIGNED:
        raise PermissionDenied("Tokens are minted, listed and revoked by signed requests alone.")
