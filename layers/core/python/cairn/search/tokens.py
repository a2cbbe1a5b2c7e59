r"""The tokenizer of filters and orders: named patterns, tried in order.

The patterns are those of sqlparse's lexer that MLflow's grammar has a use for, in sqlparse's order: what is
a word, a number or the end of a string is the same to the letter (``'it''s'`` is one string, ``'a\'``
closes where no other quote follows, ``1AND`` is a word). Text that no pattern takes is an error that
points at it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cairn.errors import InvalidParameterValue

_LETTER = "[A-ZÀ-Ü]"

_PATTERNS = {
    "space": r"\s+",
    "comment": r"(?:--|# )[^\r\n]*|/\*",
    "backtick": r"`(?:``|[^`])*`",
    # Reserved by sqlparse even behind a dot: ``params.in`` is no identifier.
    "reserved": r"(?:CASE|IN|VALUES|USING|FROM|AS)\b",
    # A word next to a dot is a name, whatever it says: ``params.like``, ``tags.null``.
    "name": rf"{_LETTER}\w*(?=\s*\.(?!\d))|(?<=\.){_LETTER}\w*|{_LETTER}\w*(?=\()",
    "number": (
        r"-?\d+(?:\.\d+)?E-?\d+"
        r"|(?![_A-ZÀ-Ü])-?(?:\d+(?:\.\d*)|\.\d+)(?![_A-ZÀ-Ü])"
        r"|(?![_A-ZÀ-Ü])-?\d+(?![_A-ZÀ-Ü])"
    ),
    "string": r"'(?:''|\\'|[^'])*'",
    "quoted": r'"(?:""|\\"|[^"])*"',
    "not_null": r"NOT\s+NULL\b",
    "direction": r"(?:ASC|DESC)\b",
    "like": r"(?:NOT\s+)?(?:LIKE|ILIKE|RLIKE)\b",
    "word": r"\w[$#\w]*",
    "comparator": r"[<>=~!]+",
    "comma": r",",
    "dot": r"\.",
    "open": r"\(",
    "close": r"\)",
}
_NEXT = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS.items()), re.IGNORECASE)
_HEXADECIMAL = re.compile(r"-?0x[\dA-F]+", re.IGNORECASE)

_CONTEXT = 60
_MOST_TOKENS = 10_000
"""sqlparse's MAX_GROUPING_TOKENS; each character of white space counts."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the source; ``name`` is its pattern's, a keyword's own name in capitals, or ``end``."""

    name: str
    text: str
    position: int

    @property
    def end(self) -> int:
        return self.position + len(self.text)


_KEYWORDS = frozenset({"AND", "OR", "IS", "NOT", "NULL"})


def tokenize(source: str, what: str = "filter string") -> Iterator[Token]:
    """The tokens of ``source`` without white space, closed by an ``end``."""
    position = count = 0
    while position < len(source):
        found = _NEXT.match(source, position)
        if found is None or found.lastgroup in (None, "comment"):
            raise invalid(source, position, f"Invalid clause(s) in {what}: unexpected text", what)
        name, text = str(found.lastgroup), found.group()
        if name == "number" and _HEXADECIMAL.match(source, position):
            raise invalid(source, position, "Hexadecimal numbers are not supported", what)
        if name == "word" and text.upper() in _KEYWORDS:
            name = text.upper()
        elif name == "reserved":
            name = "IN" if text.upper() == "IN" else "reserved"
        count += len(text) if name == "space" else 1
        if count > _MOST_TOKENS:
            raise InvalidParameterValue(f"Error on parsing {what}: more than {_MOST_TOKENS} tokens")
        if name != "space":
            yield Token(name, text, position)
        position = found.end()
    yield Token("end", "", len(source))


def invalid(source: str, position: int, problem: str, what: str = "filter string") -> InvalidParameterValue:
    """An error that shows the source with a caret under the offending text."""
    start = max(0, position - _CONTEXT)
    shown = "".join(" " if character.isspace() else character for character in source[start:])
    line = shown[: 2 * _CONTEXT]
    return InvalidParameterValue(f"{problem} in this {what}:\n    {line}\n    {' ' * (position - start)}^")
