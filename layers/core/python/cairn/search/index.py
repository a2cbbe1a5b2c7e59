"""What the index says of a run: one entry for each value that a search may look for or sort by.

An entry is a field and a value, both text that orders by its UTF-8 bytes as the values do. A field is one
letter and a name: ``m`` metric, ``p`` param, ``t`` tag, ``a`` attribute, ``d`` dataset. What a run lacks
has no entry. Entries are hints: the facts decide. Where they are stored is not known here.
"""

import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from cairn.domain.entities import Run

METRIC, PARAM, TAG, ATTRIBUTE, DATASET = "m", "p", "t", "a", "d"
CONTEXT_TAG = "mlflow.data.context"

VALUES, NANS = "v", "w"
"""The first character of a value: NaN sorts behind every number (MLflow's rule)."""

TEXT_LENGTH = 128
"""Characters of a text that an entry holds: at most 512 bytes of the 1,024 that a sort key may have."""

_WHOLE, _CUT = "\0\0", "\0\2"
_NUMBER = 17  # characters of a number's value
_SIGN = 0x8000000000000000
_ALL = 0xFFFFFFFFFFFFFFFF


class Entry(NamedTuple):
    field: str
    value: str


def entries(run: Run) -> Iterator[Entry]:
    """Every entry that a run should have."""
    for key, point in run.metrics.items():
        yield Entry(METRIC + key, number(point.value))
    for key, value in run.params.items():
        yield Entry(PARAM + key, text(value))
    for key, value in run.tags.items():
        yield Entry(TAG + key, text(value))
    info = run.info
    for name, attribute in (
        ("run_name", info.run_name),
        ("status", info.status),
        ("user_id", info.user_id),
    ):
        yield Entry(ATTRIBUTE + name, text(attribute))
    if info.end_time is not None:
        yield Entry(ATTRIBUTE + "end_time", integer(info.end_time))
    for use in run.dataset_inputs:
        yield Entry(DATASET + "name", text(use.name))
        yield Entry(DATASET + "digest", text(use.digest))
        if CONTEXT_TAG in use.tags:
            yield Entry(DATASET + "context", text(use.tags[CONTEXT_TAG]))


def number(value: float) -> str:
    """A double: 16 hex digits of its order-preserving bits; -0.0 is 0.0, NaN is in a range of its own."""
    if math.isnan(value):
        return NANS
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
    return f"{VALUES}{bits ^ _ALL if bits & _SIGN else bits | _SIGN:016x}"


def integer(value: int) -> str:
    """An int64: 16 hex digits that order as it does."""
    return f"{VALUES}{value + 2**63:016x}"


def text(value: str) -> str:
    """Text, terminated so that no value is the beginning of another; cut past 128 characters, which shows.
    A cut value sorts behind the same characters alone, as the whole one does."""
    kept = value[:TEXT_LENGTH].replace("\0", "\0\1")
    return VALUES + kept + (_WHOLE if len(value) <= TEXT_LENGTH else _CUT)


def is_cut(value: str) -> bool:
    """Whether an entry's value is but the beginning of the run's."""
    return value.endswith(_CUT)


def is_value(value: str) -> bool:
    """Whether it has the form of an entry's value: what has not would be out of order among those."""
    if value[:1] != VALUES:
        return value == NANS
    return len(value) == _NUMBER or value.endswith((_WHOLE, _CUT))


def from_text(value: str) -> str:
    """The text of an entry's value that is not cut."""
    return value[len(VALUES) : -len(_WHOLE)].replace("\0\1", "\0")
