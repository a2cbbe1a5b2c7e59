"""How a large mapping is spread over items of about 4 KB: a binary trie by the hash of its keys.

A *shape* is the set of the trie's leaves, each named by its prefix of hash bits; the item that owns the
mapping keeps it, packed at two bits a leaf. Knowing the shape, one key's leaf is found without reading;
a leaf that outgrew its size is replaced by its children in one transaction with the owner's new shape.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

Shape = frozenset[str]

WHOLE: Shape = frozenset({""})
LEAF_BYTES = 4_000
"""What a leaf holds before it is split: with its key under 4 KB, DynamoDB's read unit."""
_FAN_OUT = 5
"""Levels that one split adds at most: 32 leaves keep a transaction under 100 items and 4 MB."""


def bits_of(name: str) -> str:
    """64 bits of the name's hash, as a string of 0 and 1."""
    hashed = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return f"{int.from_bytes(hashed, 'big'):064b}"


def leaf_of(shape: Shape, name: str) -> str:
    """The prefix of the leaf that holds ``name``."""
    bits = bits_of(name)
    for length in range(65):
        if bits[:length] in shape:
            return bits[:length]
    raise AssertionError(f"the shape has no leaf for {name!r}")


def pack_shape(shape: Shape) -> bytes:
    """The trie in pre-order, 1 for a branch and 0 for a leaf, behind a marker bit."""
    bits: list[str] = ["1"]

    def visit(prefix: str) -> None:
        if prefix in shape:
            bits.append("0")
            return
        bits.append("1")
        visit(prefix + "0")
        visit(prefix + "1")

    visit("")
    number = int("".join(bits), 2)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def unpack_shape(packed: bytes) -> Shape:
    bits = iter(f"{int.from_bytes(packed, 'big'):b}"[1:])
    leaves: set[str] = set()

    def visit(prefix: str) -> None:
        if next(bits) == "0":
            leaves.add(prefix)
            return
        visit(prefix + "0")
        visit(prefix + "1")

    visit("")
    return frozenset(leaves)


def split(
    prefix: str, entries: Mapping[str, Any], encode: Callable[[Mapping[str, Any]], bytes]
) -> dict[str, bytes]:
    """The leaves that should hold the entries of ``prefix``, encoded: itself while they fit (or are one
    entry, which cannot be spread), otherwise its descendants, empty ones included, at most ``_FAN_OUT``
    levels down."""
    leaves: dict[str, bytes] = {}

    def place(at: str, held: Mapping[str, Any]) -> None:
        blob = encode(held)
        if len(held) <= 1 or len(at) - len(prefix) >= _FAN_OUT or len(blob) <= LEAF_BYTES:
            leaves[at] = blob
            return
        halves: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        for name, value in held.items():
            halves[bits_of(name)[len(at)] == "1"][name] = value
        place(at + "0", halves[0])
        place(at + "1", halves[1])

    place(prefix, entries)
    return leaves


def outermost(prefixes: Mapping[str, Any]) -> list[str]:
    """The prefixes that no other one extends: what a reader keeps who met a leaf and, a page later, the
    children that had replaced it meanwhile."""
    kept: list[str] = []
    for prefix in sorted(prefixes, reverse=True):
        if not kept or not kept[-1].startswith(prefix):
            kept.append(prefix)
    return kept
