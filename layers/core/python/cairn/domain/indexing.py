"""What came of an attempt to index a run: whoever asked knows whether to ask again."""

from enum import Enum


class Outcome(Enum):
    """``INDEXED`` and ``SUPERSEDED`` end the matter for the mark that was asked about; ``EARLY`` and
    ``CONTENDED`` want the same question again, later."""

    INDEXED = "indexed"
    """The index says what the facts say, and the mark is gone."""

    SUPERSEDED = "superseded"
    """The mark is newer or gone: the run was written since, or is indexed already."""

    EARLY = "early"
    """The mark has not stood for long enough."""

    CONTENDED = "contended"
    """Another write or another indexer came in between; the mark still stands."""
