"""What the SQLite engine keeps of use-cases, as events."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from cairn.events.catalogue import Event
from cairn.events.derive import events
from cairn.events.schema import schema
from cairn.storage.engine import EngineTable
from cairn.storage.outbox import Outbox
from cairn.storage.sqlite import SqliteTable
from cairn.storage.stream import WATCHED, Change
from tests.upkeep.records import matches, record

NOW = 1_700_000_000_000


@dataclass
class Watched:
    """A table whose writes are watched."""

    table: EngineTable
    outbox: Outbox

    def changes(self) -> list[Change]:
        """Since it was asked last. Each must pass the filter of the stream, too."""
        found, last = self.outbox.read(10_000)
        self.outbox.forget(last)
        for change in found:
            told = record(change.after, change.before)
            assert any(matches(pattern, told) for pattern in WATCHED), change.key
        return found

    def events(self) -> list[Event]:
        """Since it was asked last, each checked against its schema, and told twice alike."""
        changes = self.changes()
        found = [event for change in changes for event in events(change)]
        assert found == [event for change in changes for event in events(change)]
        for event in found:
            check(event)
        return found

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Types and fields, without the envelope."""
        return [(event.type, fields_of(event)) for event in self.events()]


def check(event: Event) -> None:
    jsonschema.validate(event.detail(), schema(type(event.happening)))


def fields_of(event: Event) -> dict[str, Any]:
    common = {"version", "id", "entity", "sequence", "time"}
    return {name: value for name, value in event.detail().items() if name not in common}


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    table = SqliteTable(folder / "table.db", outbox=True, clock=lambda: NOW)
    outbox = Outbox(folder / "table.db")
    try:
        yield Watched(table, outbox)
    finally:
        outbox.close()
        table.close()
