"""The use-case of sign-in: a code for a browser.

It is asked for by a signed request alone: who holds a token, or a session, cannot make it another.
"""

from cairn.domain.access import Permission
from cairn.domain.tokens import MAX_HOURS
from cairn.errors import EndpointNotFound, InternalError, InvalidParameterValue, PermissionDenied
from cairn.protocol.messages import sessions as messages
from cairn.services.ports import Result, Stores
from cairn.sharing import sessions
from cairn.sharing.caller import LOCAL, SIGNED, Caller
from cairn.sharing.tokens import place


def create_code(stores: Stores, caller: Caller, request: messages.CreateCode) -> Result:
    """The one time that the code itself is told. 1 PutItem. ``ui`` is where the deployer has browsers go,
    where that is not below the API's own URL."""
    if stores.sessions is None:
        raise EndpointNotFound(
            "A local server signs nobody in: its address, opened in a browser, is the UI."
            if caller.front == LOCAL
            else "This deployment serves no UI (its setting `ui`)."
        )
    if caller.front != SIGNED:
        raise PermissionDenied("A browser is signed in by signed requests alone.")
    if not 1 <= request.hours <= MAX_HOURS:
        raise InvalidParameterValue(f"A session lasts 1 to {MAX_HOURS} hours, not {request.hours}.")
    text, code = sessions.invite(
        caller, Permission[request.permission], request.hours, stores.clock(), stores.bits
    )
    where = place(text, sessions.CODE_PREFIX)
    if where is None:
        raise InternalError("A code of another shape was made.")
    stores.sessions.add_code(where.holder, where.hashed, code)
    return {
        "code": text,
        "principal": caller.principal,
        "permission": code.session.ceiling.name,
        "expires": code.expires,
        "session_expires": code.session.expires,
        **({"ui": f"{stores.ui_origin}/ui"} if stores.ui_origin else {}),
    }
