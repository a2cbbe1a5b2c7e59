"""What a differential test does: operations on the API as plain data, with ids left symbolic.

A placeholder such as ``{run:2}`` stands, in a path, a query value or anywhere in a body, for the third run
that the sequence made; every backend fills in its own id. A number past the end wraps around, and a kind of
which there is none yet becomes an id that nobody has.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["experiment", "run", "model", "webhook"]
KINDS: Final[tuple[Kind, ...]] = ("experiment", "run", "model", "webhook")

_PLACEHOLDER = re.compile(r"\{(experiment|run|model|webhook):(\d+)\}")
_NOBODY: Final[Mapping[str, str]] = {
    "experiment": "987654",
    "run": "0" * 14 + "ff" + "0123456789abcdef",
    "model": "m-" + "0" * 14 + "ff" + "0123456789abcdef",
    "webhook": "00000000-0000-4000-8000-0123456789ab",
}

Json = Any
"""A JSON value; numbers that are not finite are spelled as MLflow's clients spell them."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call, and how far to follow its pages.

    ``tick`` is how many milliseconds pass before it. ``raw`` replaces the JSON body where a body must be
    malformed. ``pages`` is how often the answer's ``next_page_token`` is followed. ``messages`` asks for
    equal error messages as well.
    """

    method: str
    path: str
    body: Json = None
    query: Sequence[tuple[str, str]] = ()
    raw: str | None = None
    tick: int = 1
    pages: int = 0
    messages: bool = False

    def text(self) -> str:
        """One line of a replay: method, path with query, body."""
        query = "&".join(f"{name}={value}" for name, value in self.query)
        path = f"{self.path}?{query}" if query else self.path
        body = self.raw if self.raw is not None else _short(self.body)
        pages = f"   (and up to {self.pages} pages by token)" if self.pages else ""
        return f"+{self.tick}ms {self.method} {path} {body}{pages}".rstrip()


@dataclass(frozen=True, slots=True)
class Request:
    """An operation with one backend's ids filled in."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclass(slots=True)
class Ids:
    """The ids that one backend gave, in the order in which it gave them."""

    given: dict[str, list[str]] = field(
        default_factory=lambda: {"experiment": ["0"], "run": [], "model": [], "webhook": []}
    )

    def add(self, kind: Kind, identity: str) -> None:
        self.given[kind].append(identity)

    def fill(self, text: str) -> str:
        """The text with every placeholder replaced."""

        def identity(match: re.Match[str]) -> str:
            given = self.given[match[1]]
            return given[int(match[2]) % len(given)] if given else _NOBODY[match[1]]

        return _PLACEHOLDER.sub(identity, text)

    def request(self, operation: Operation, token: str | None = None) -> Request:
        """The operation for this backend; ``token`` asks for a later page."""
        query = [(name, self.fill(value)) for name, value in operation.query]
        body = operation.body
        if token is not None and operation.method == "GET":
            query = [(name, value) for name, value in query if name != "page_token"]
            query.append(("page_token", token))
        elif token is not None:
            body = {**body, "page_token": token}
        text = operation.raw
        if text is None and body is not None:
            text = json.dumps(body)
        return Request(
            operation.method,
            self.fill(operation.path),
            tuple(query),
            None if text is None else self.fill(text).encode(),
        )


def replay(operations: Sequence[Operation]) -> str:
    """The sequence as a list that a person can read and repeat."""
    return "\n".join(f"{number:3d}. {each.text()}" for number, each in enumerate(operations))


def _short(body: Json) -> str:
    """The body as JSON, with long runs of one character and long lists cut."""
    if body is None:
        return ""
    text = re.sub(r"(.)\1{60,}", lambda run: f"{run[1]}...[{len(run[0])} times]", json.dumps(body))
    return text if len(text) <= 2_000 else f"{text[:1_900]} ...[{len(text)} characters]"
