"""Fills an experiment with runs by the thousand: created, logged, finished and indexed, without the API.

The items are those that create_run, one log_batch, update_run (and delete_run) and then the indexer leave
behind, made by the storage code's own functions; a test holds them equal to the API's, byte for byte. What
the runs hold is a pure function of a ``RunSpec`` and the run's number, so that who asks about them later
knows the right answers without reading the table.
"""

import base64
import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from cairn.domain.entities import ACTIVE, DELETED, Metric, Run, RunInfo
from cairn.domain.lifecycle import Stage, lifecycle_group
from cairn.domain.runs import RUN_NAME_TAG
from cairn.ids import experiment_hex, new_run_id
from cairn.storage import dirty, facts, inventory, keys
from cairn.storage.document import Document, lay_out
from cairn.storage.engine import EngineTable
from cairn.storage.facts import FACTS
from cairn.storage.indexer import entry_item, order_entry, wanted_entries
from cairn.storage.limits import item_size
from cairn.storage.rows import pack
from cairn.storage.runs import LATEST, log_item, new_document
from cairn.storage.sqlite import Row, SqliteEngine, row_of
from cairn.storage.table import Item, Key, Put

START = 1_700_000_000_000
INDEXED = START + 3_600_000
"""When the indexer was there (ms)."""
TIED = 0.5
"""The value that tied metrics share; the others are spread evenly over 0 to 1."""
CHOICES = 10
"""Values that ``param_000`` and ``tag_000`` take; all others are the run's own."""
PARENT_TAG = "mlflow.parentRunId"
USER = "ada"
WORDS = ("calm-lake", "bold-hill", "dark-moor", "fair-glen", "grey-reef", "high-fell", "wild-tarn")

_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What the runs of an experiment are like. Shares are of all runs; those of ``deleted`` and ``dirty``
    are spread evenly and exact, the others are drawn for each metric of each run.

    ``ties``: such shares of the first metrics one by one. ``text_bytes`` is what params and tags hold
    together, of 64 characters in no order, so that it hardly compresses. ``family``: of so many runs the
    first is the parent of the others. ``same_start``: so many consecutive runs start in the same
    millisecond.
    """

    metrics: int = 4
    params: int = 4
    tags: int = 3
    text_bytes: int = 200
    tied: float = 0.0
    ties: tuple[float, ...] = ()
    missing: float = 0.0
    nan: float = 0.0
    deleted: float = 0.0
    dirty: float = 0.0
    family: int = 0
    same_start: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One run as it is to be: ``tags`` come with create_run, ``late_tags`` with log_batch. ``metrics`` may
    hold NaN."""

    number: int
    run_id: str
    name: str
    start: int
    end: int
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]
    late_tags: dict[str, str]
    deleted: bool
    dirty: bool

    @property
    def points(self) -> list[Metric]:
        return [Metric(key, value, self.end - 1, 1) for key, value in self.metrics.items()]


def random_bits(number: int, salt: int = 0) -> int:
    """64 bits that look random and follow from a run's number (SplitMix64)."""
    mixed = (number * 0x9E3779B97F4A7C15 + (salt + 1) * 0xD1B54A32D192ED03) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)


def sample(spec: RunSpec, experiment_id: str, number: int) -> Sample:
    """The run of this number: the higher, the later it started."""
    start = START + number // spec.same_start * 1_000
    parent = number - number % spec.family if spec.family else number
    tags = {"mlflow.user": USER}
    if parent != number:
        tags[PARENT_TAG] = run_id_of(experiment_id, parent)
    values = {key: metric_value(spec, number, key) for key in range(spec.metrics)}
    return Sample(
        number=number,
        run_id=run_id_of(experiment_id, number),
        name=name_of(number),
        start=start,
        end=start + 60_000 + random_bits(number, 2) % 600_000,
        metrics={f"metric_{key:03d}": value for key, value in values.items() if value is not None},
        params=_texts("param", spec.params, spec, number),
        tags=tags,
        late_tags=_texts("tag", spec.tags, spec, number),
        deleted=is_deleted(spec, number),
        dirty=is_dirty(spec, number),
    )


def run_id_of(experiment_id: str, number: int) -> str:
    return new_run_id(experiment_id, lambda _: random_bits(number))


def name_of(number: int) -> str:
    return f"{WORDS[random_bits(number, 1) % len(WORDS)]}-{number}"


def metric_value(spec: RunSpec, number: int, key: int) -> float | None:
    """The value of the metric of this number; None where the run lacks it."""
    kind = _fraction(number, 1_000 + 2 * key)
    if kind < spec.missing:
        return None
    if kind < spec.missing + spec.nan:
        return math.nan
    tied = spec.ties[key] if key < len(spec.ties) else spec.tied
    if kind < spec.missing + spec.nan + tied:
        return TIED
    return _fraction(number, 1_001 + 2 * key)


def is_deleted(spec: RunSpec, number: int) -> bool:
    return _is_among(number, spec.deleted)


def is_dirty(spec: RunSpec, number: int) -> bool:
    return _is_among(number, spec.dirty)


def choice(number: int, name: str) -> str:
    """The value of ``param_000`` or ``tag_000``."""
    return f"choice-{random_bits(number, 3 if name == 'param' else 4) % CHOICES}"


def load(
    table: EngineTable, experiment_id: str, spec: RunSpec, numbers: Iterable[int], marked: int = START
) -> int:
    """Put the runs of these numbers into an existing experiment; how many items they came to.

    ``marked`` is the time (ms) at which those left dirty were written last. In SQLite 20,000 small runs
    take some seconds; on another engine 25 items go in one request.
    """
    head = head_of(table, experiment_id)
    if isinstance(table.engine, SqliteEngine):
        return table.engine.load(rows_of(spec, experiment_id, head, numbers, marked))
    items = (items_of(sample(spec, experiment_id, number), head, marked) for number in numbers)
    puts = [Put(item) for item in chain.from_iterable(items)]
    table.batch_write(puts)
    return len(puts)


def head_of(table: EngineTable, experiment_id: str) -> Item:
    """The head of an experiment that exists."""
    head = table.get(keys.experiment_head(experiment_hex(experiment_id) or ""))
    assert head is not None, "the experiment exists"
    return head


def rows_of(
    spec: RunSpec, experiment_id: str, head: Item, numbers: Iterable[int], marked: int = START
) -> Iterator[Row]:
    """The rows of these runs in SQLite. Most are index entries, which differ in nothing but their keys."""
    entry = entry_item(Key("", ""))
    body, size = pack(entry), item_size(entry)
    for number in numbers:
        for item in items_of(sample(spec, experiment_id, number), head, marked):
            if item.keys() == entry.keys():
                pk, sk = item["pk"].encode(), item["sk"].encode()
                yield pk, sk, size + len(pk) + len(sk), body
            else:
                yield row_of(item)


def items_of(made: Sample, head: Item, marked: int) -> Iterator[Item]:
    """Every item of a run in the experiment of this head."""
    document = _document(made, head)
    # Created, logged, finished, perhaps deleted, stamped by the indexer.
    version = 3 + made.deleted + (not made.dirty)
    yield from lay_out(keys.run_partition(made.run_id), document, version, (FACTS, LATEST))
    if made.metrics:
        yield log_item(made.run_id, made.points)
    if made.dirty:
        group = lifecycle_group(Stage(ACTIVE, document.info["born"]))
        position = keys.run_position(made.start, made.run_id)
        yield entry_item(Key(keys.index_partition(made.run_id[:16], group), position))
        yield dirty.put(made.run_id, marked, moved=made.deleted).item
    else:
        entries = list(wanted_entries(made.run_id, document, head))
        order = order_entry(made.run_id, document)
        yield order.item
        yield from (entry_item(key) for key in entries if key != order.key)
        yield from inventory.items(made.run_id, 1 + made.deleted, entries, INDEXED)


def _document(made: Sample, head: Item) -> Document:
    tags = made.tags | {RUN_NAME_TAG: made.name}
    experiment_id = str(int(made.run_id[:16], 16))
    info = RunInfo(
        made.run_id, experiment_id, made.name, USER, "FINISHED", made.start, made.end, ACTIVE, ""
    )
    document = new_document(Run(info, tags=tags), head)
    if made.deleted:
        document.info["stage"] = DELETED
    if not made.dirty:
        document.info[inventory.COMPLETE] = 1 + made.deleted  # it left the entry that it was born with
    later: dict[str, Any] = {facts.PARAM + key: value for key, value in made.params.items()}
    later |= {facts.TAG + key: value for key, value in made.late_tags.items()}
    document.sections[FACTS.attribute] |= later
    document.sections[LATEST.attribute] = {point.key: point for point in made.points}
    return document


def _texts(name: str, count: int, spec: RunSpec, number: int) -> dict[str, str]:
    length = max(1, spec.text_bytes // max(1, spec.params + spec.tags))
    raw = hashlib.shake_128(f"{name} of {number}".encode()).digest(length * count * 3 // 4 + 3)
    text = base64.urlsafe_b64encode(raw).decode()
    own = {f"{name}_{key:03d}": text[key * length : (key + 1) * length] for key in range(1, count)}
    return {f"{name}_000": choice(number, name), **own} if count else {}


def _fraction(number: int, salt: int) -> float:
    return (random_bits(number, salt) >> 11) / 2**53


def _is_among(number: int, share: float) -> bool:
    """Whether the run is one of the share: of the first N runs that is N times the share, rounded down."""
    return math.floor((number + 1) * share) > math.floor(number * share)
