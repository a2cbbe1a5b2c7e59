"""The parser: a filter or an order, as MLflow reads it, to what was written.

One function per rule, its docstring the EBNF. MLflow's grammar is what sqlparse makes of SQL: ``AND``
only separates, so that one too many or one missing between two plain comparisons is accepted; an
identifier keeps its quotes until it is resolved (``cairn.search.fields``).
"""

import re
import shlex
from collections.abc import Iterator

from cairn.errors import InvalidParameterValue
from cairn.search.tokens import Token, invalid, tokenize
from cairn.search.tree import Clause, Form, Scalar, Sort, Word

_ORDER = "order_by clause"
_NAMES = frozenset({"name", "word", "quoted", "backtick"})
_KEYS = _NAMES | {"string"}
_LITERALS: dict[str, Form] = {"number": "number", "string": "string"}

_LIST_PIECE = re.compile(
    r"""\s+|(?P<string>'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*")|(?P<mark>[(),])|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?(?![\w.]))"""
)
_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})"
    r"|(?P<one>[\n\\'\"abfnrtv])|(?P<broken>[xuUN]))"
)
_ONE = {"\n": "", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r",
        "t": "\t", "v": "\v"}  # fmt: skip


def parse_filter(source: str | None) -> tuple[Clause, ...]:
    """The clauses of a filter; none where there is no filter.

    Raises InvalidParameterValue that points at what is no filter of MLflow's.
    """
    if not source:
        return ()
    if not source.strip():
        raise InvalidParameterValue(f"Invalid filter '{source}'. Could not be parsed.")
    return _Parser(source).filter()


def parse_order(source: str) -> Sort:
    """An element of ``order_by``; InvalidParameterValue where it is none."""
    parser = _Parser(source, _ORDER)
    try:
        return parser.order()
    except ValueError:  # shlex: a quote that does not close
        raise InvalidParameterValue(f"Invalid order_by clause '{source}'. Could not be parsed.") from None


class _Parser:
    """A position in the tokens of a source."""

    def __init__(self, source: str, what: str = "filter string") -> None:
        self._source = source
        self._what = what
        self._tokens = list(tokenize(source, what))
        self._index = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _ahead(self, count: int) -> str:
        index = self._index + count
        return self._tokens[index].name if index < len(self._tokens) else "end"

    def _next(self) -> Token:
        token = self._token
        self._index += 1
        return token

    def _fail(self, expected: str) -> InvalidParameterValue:
        return invalid(
            self._source,
            self._token.position,
            f"Invalid clause(s) in {self._what}: expected {expected}",
            self._what,
        )

    def filter(self) -> tuple[Clause, ...]:
        """EBNF: filter = { "AND" | comparison | membership | existence } ;

        A membership or an existence may not follow a comparison or a list without an AND: sqlparse would
        take its identifier for an alias of what stands before it.
        """
        clauses: list[Clause] = []
        adjacent = False
        while self._token.name != "end":
            if self._token.name == "AND":
                self._next()
                adjacent = False
                continue
            start = self._token
            clause = self._clause()
            plain = isinstance(clause.value, Word)
            if adjacent and not plain:
                raise invalid(self._source, start.position, "Expected AND", self._what)
            adjacent = clause.value is not None
            clauses.append(clause)
        return tuple(clauses)

    def _clause(self) -> Clause:
        """EBNF: comparison = identifier comparator ( value | list ) ;
        membership = identifier [ "NOT" ] "IN" list ;
        existence = identifier "IS" ( "NULL" | "NOT NULL" ) ;"""
        position = self._token.position
        identifier = self._identifier()
        name = self._token.name
        if name in ("comparator", "like"):
            comparator = " ".join(self._next().text.split())
            value = self._list() if self._token.name == "open" else self._value()
            return Clause(identifier, comparator, value, position)
        if name == "IN" and self._ahead(1) == "open":
            return Clause(identifier, self._next().text, self._list(), position)
        if name == "NOT" and self._ahead(1) == "IN" and self._ahead(2) == "open":
            self._index += 2
            return Clause(identifier, "NOT IN", self._list(), position)
        if name == "IS" and self._ahead(1) == "NULL":
            self._index += 2
            return Clause(identifier, "IS NULL", None, position)
        if name == "IS" and self._ahead(1) == "not_null":
            self._next()
            if self._token.text.upper() != "NOT NULL":
                raise self._fail("NOT NULL with one space")
            self._next()
            return Clause(identifier, "IS NOT NULL", None, position)
        raise self._fail("a comparator and a value")

    def _identifier(self) -> str:
        """EBNF: identifier = name { "." [ name | string ] } ;
        name = word | '"' text '"' | "`" text "`" ;

        An empty key is no error: nothing has it.
        """
        if self._token.name not in _NAMES:
            raise self._fail("an identifier")
        first = last = self._next()
        while self._token.name == "dot":
            last = self._next()
            if self._token.name not in _KEYS:
                break
            last = self._next()
        return self._source[first.position : last.end]

    def _value(self) -> Word:
        """EBNF: value = number | string | identifier ;"""
        token = self._token
        if token.name in _LITERALS:
            self._next()
            return Word(_LITERALS[token.name], token.text, token.position)
        if token.name in _NAMES:
            return Word("name", self._identifier(), token.position)
        raise self._fail("a value")

    def _list(self) -> tuple[Scalar, ...]:
        """EBNF: list = "(" ... ")" ; what stands between is Python's: see ``_elements``."""
        start, depth = self._token, 0
        while True:
            token = self._next()
            if token.name == "end":
                raise invalid(self._source, start.position, "The list does not end", self._what)
            depth += (token.name == "open") - (token.name == "close")
            if depth == 0:
                break
        text = self._source[start.position : token.end]
        try:
            return _elements(text)
        except ValueError as error:
            raise invalid(
                self._source,
                start.position,
                "While parsing a list in the query, expected a non-empty list of string values, "
                f"but got ill-formed list: {error}",
                self._what,
            ) from None

    def order(self) -> Sort:
        """EBNF: order = identifier [ "ASC" | "DESC" | name ] ;

        The whole is then split as a shell would, backticks counting as double quotes: MLflow's way, by
        which a quoted direction counts and the quotes are gone only where there is a direction.
        """
        problem = f"Invalid order_by clause '{self._source}'. Could not be parsed."
        if not self._source or self._source != self._source.strip():
            raise InvalidParameterValue(problem)
        self._identifier()
        if self._token.name == "direction" or self._token.name in _NAMES:
            self._next()
        if self._token.name != "end":
            raise self._fail("the end of the clause")
        words = shlex.split(self._source.replace("`", '"'))
        if len(words) > 2:
            raise InvalidParameterValue(problem)
        if len(words) < 2:
            return Sort(self._source, ascending=True)
        direction = words[1].lower()
        if direction not in ("asc", "desc"):
            raise InvalidParameterValue(f"Invalid ordering key in order_by clause '{self._source}'.")
        return Sort(words[0].strip(), ascending=direction == "asc")


def _elements(text: str) -> tuple[Scalar, ...]:
    """EBNF: list = "(" element { "," element } [ "," ] ")" ;
    element = string { string } | number ;

    MLflow reads a list as a Python literal: strings next to each other are one, escapes are Python's (named
    characters, prefixed strings and further parentheses are not taken), and one number alone is no list.
    ValueError for what is no list.
    """
    values: list[Scalar] = []
    before = ","
    for name, value in _pieces(text[1:-1]):
        last = values[-1] if values else None
        if name == "string" and before == "string" and isinstance(last, str):
            values[-1] = last + value
        elif name in ("string", "number") and before == ",":
            values.append(value if name == "string" else _number(value))
        elif not (name == "," and before in ("string", "number")):
            raise ValueError(f"unexpected '{value}'")
        before = name
    if not values:
        raise ValueError("it is empty")
    if before == "number" and len(values) == 1:
        raise ValueError("it is a number")
    return tuple(values)


def _number(text: str) -> int | float:
    return int(text) if text.removeprefix("-").isdecimal() else float(text)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        found = _LIST_PIECE.match(text, position)
        if found is None:
            raise ValueError(f"unexpected {text[position : position + 10]!r}")
        if found.lastgroup == "string":
            yield "string", _unescape(found.group()[1:-1])
        elif found.lastgroup == "number":
            yield "number", found.group()
        elif found.lastgroup == "mark":
            yield found.group(), found.group()
        position = found.end()


def _unescape(text: str) -> str:
    """The text of a Python string literal between its quotes; an unknown escape stays as it is."""
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    if found["broken"]:
        raise ValueError(f"an escape that is none: {found.group()}")
    if found["one"] is not None:
        return _ONE[found["one"]]
    if found["octal"]:
        return chr(int(found["octal"], 8))
    code = int(found["x"] or found["u"] or found["U"], 16)
    return chr(code)  # ValueError past the last character
