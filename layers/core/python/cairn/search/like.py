"""LIKE and ILIKE as SQLite does them for MLflow: ``%`` is any text, ``_`` one character, nothing escapes.

LIKE is case-sensitive (MLflow sets ``PRAGMA case_sensitive_like``); ILIKE compares ``lower()`` of both
sides, which folds ASCII alone. A pattern is cut at its ``%`` and the pieces are searched from left to
right, which is linear in the text for each piece: no pattern can make it explode.
"""

import re
from collections.abc import Callable

from cairn.errors import InvalidParameterValue

_LONGEST = 50_000
"""SQLite's SQLITE_MAX_LIKE_PATTERN_LENGTH in bytes; MLflow answers 500 past it."""

_FOLD = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}

Test = Callable[[str], bool]
_Find = Callable[[str, int], int]


def fold(text: str) -> str:
    """SQLite's ``lower()``: ASCII letters alone."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def like(pattern: str) -> Test:
    """Whether a text is LIKE the pattern; InvalidParameterValue where that is too long."""
    if len(pattern.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise InvalidParameterValue("LIKE or GLOB pattern too complex")
    first, *rest = pattern.split("%")
    if not rest:
        whole = _at(first)
        return lambda text: len(text) == len(first) and whole(text, 0)
    *middle, last = rest
    starts, ends = _at(first), _at(last)
    finds = [(_find(piece), len(piece)) for piece in middle if piece]
    shortest = len(pattern.replace("%", ""))

    def matches(text: str) -> bool:
        end = len(text) - len(last)
        if len(text) < shortest or not starts(text, 0) or not ends(text, end):
            return False
        position = len(first)
        for find, length in finds:
            position = find(text, position)
            if position < 0:
                return False
            position += length
        return position <= end

    return matches


def ilike(pattern: str) -> Test:
    """Whether a text is ILIKE the pattern; InvalidParameterValue where that is too long."""
    matches = like(fold(pattern))
    return lambda text: matches(fold(text))


def _at(piece: str) -> Callable[[str, int], bool]:
    """Whether the piece stands at a position."""
    if "_" not in piece:
        return lambda text, position: text.startswith(piece, position)
    match = _regex(piece).match
    return lambda text, position: match(text, position) is not None


def _find(piece: str) -> _Find:
    """The first place of the piece from a position on, or -1."""
    if "_" not in piece:
        return lambda text, position: text.find(piece, position)
    search = _regex(piece).search

    def find(text: str, position: int) -> int:
        found = search(text, position)
        return -1 if found is None else found.start()

    return find


def _regex(piece: str) -> re.Pattern[str]:
    return re.compile(
        "".join("." if character == "_" else re.escape(character) for character in piece), re.DOTALL
    )
