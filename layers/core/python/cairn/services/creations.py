"""Creations that a client may ask for again without making two: by idempotency keys.

A key is the caller's, for one route and one body: the same again is answered with what was made, another
body under it is refused, another principal's key of the same text is another key. It stands for what it
made for 24 hours. The claim is written before anything is made, and holds the seed of its ids: what a crash
leaves half-made, a repeat completes.
"""

import hashlib
from dataclasses import dataclass

from cairn.domain.creations import Claim
from cairn.errors import InvalidParameterValue
from cairn.ids import RandomBits, keyed_bits
from cairn.protocol.message import Creation
from cairn.services.ports import Stores
from cairn.sharing.caller import Caller


@dataclass(frozen=True, slots=True)
class Once:
    """``bits``: of the ids that the creation gives. ``asked``: what stands for the key, ``made``: what is
    known to be made; both None without a key."""

    bits: RandomBits
    asked: str | None = None
    made: str | None = None

    @property
    def token(self) -> str | None:
        """What stands for this claim of the key, where it is remembered for longer than the claim."""
        return None if self.asked is None else f"{self.bits(128):032x}"


def once(stores: Stores, caller: Caller, request: Creation) -> Once:
    """1 PutItem where the request has a key; nothing without one. Raises InvalidParameterValue for a key
    that stood for another body."""
    key = request.idempotency_key
    if key is None:
        return Once(stores.bits)
    asked = _hash(caller.principal, type(request).__name__, key)
    # with the key, which nobody else knows and nothing keeps: a body may hold a secret that can be guessed
    body = _hash(key, request.model_dump_json(exclude={"idempotency_key"}))
    held = stores.creations.claim(asked, Claim(body, f"{stores.bits(128):032x}"), stores.clock())
    if held.body != body:
        raise InvalidParameterValue(
            "The header Idempotency-Key repeats a key of the last 24 hours with other parameters. A key "
            "stands for one request and its repeats: give a new request a new key."
        )
    return Once(keyed_bits(held.seed), asked, held.made)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
