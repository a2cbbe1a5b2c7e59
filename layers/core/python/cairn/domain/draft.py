"""A draft: the part of a run's (or a logged model's) facts that a change touches, open to be changed.

A change names first which entries it touches, so that storage reads no more than it must; a pure function
then edits the draft, possibly several times (once per attempt). It must not keep anything between attempts.
"""

from dataclasses import dataclass, field
from typing import Any

from cairn.domain.entities import Metric


@dataclass(frozen=True, slots=True)
class Touch:
    """The entries that a change reads or writes, by kind. Model outputs and inputs are keyed by model id,
    datasets by (name, digest)."""

    params: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    metrics: frozenset[str] = frozenset()
    datasets: frozenset[tuple[str, str]] = frozenset()
    model_inputs: frozenset[str] = frozenset()
    model_outputs: frozenset[str] = frozenset()


@dataclass(slots=True)
class Draft:
    """``info`` is the head's (``lifecycle_stage`` in it is the effective one, experiment included); the
    mappings hold at least the touched entries that exist. Setting an entry writes it, deleting one deletes
    it. An input's value is its tags; an output's its step."""

    info: dict[str, Any]
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    datasets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    model_inputs: dict[str, int] = field(default_factory=dict)
    model_outputs: dict[str, int] = field(default_factory=dict)
