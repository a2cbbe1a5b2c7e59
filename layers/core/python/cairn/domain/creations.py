"""Creations that may be asked for again: what is kept of one that was asked for by an idempotency key."""

from dataclasses import dataclass

KEPT_MS = 24 * 3_600_000
"""For how long a key stands for what it made."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Of the first request by a key: ``body`` is the hash of what it asked for, ``seed`` what the ids of
    all its repeats follow from, ``made`` what it made, where the store that makes it notes so."""

    body: str
    seed: str
    made: str | None = None
