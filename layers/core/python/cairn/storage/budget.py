"""What one search may read, and how it divides that."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Bounds:
    """Read units and seconds of one search, and the sizes by which it decides. Tests make them small."""

    units: float = 3_400
    """A search stops here; a last batch, or a last page of entries, stays below 4,000."""
    overdraft: float = 400
    """What a batch of facts may spend beyond."""
    seconds: float = 4.0
    """A search stops after as long; it is promised to answer within 5."""
    page: int = 1_000
    """Entries, of about 120 bytes, that one request reads at most; of several experiments, marks too."""
    probe: int = 400
    """Entries of a range that are read to learn how many there are. So many runs are read at once."""
    streams: int = 16
    """Partitions times spans of a range that is probed; a probe reads each of them."""
    trial: int = 90
    """Runs of a walk that are matched before its ranges are read whole."""
    worth: float = 300
    """Units that the rest of a page costs in a walk, as its first runs let expect: more, and reading the
    ranges pays."""
    reserve: float = 1_000
    """Units that reading a range leaves for what follows."""
    worth_all: float = 1_000
    """The same for a range that holds all runs that have its field."""
    sieved: int = 50
    """One entry in as many, or fewer, passes the sieve of a range: it pays to go through it over several
    requests."""
    group: int = 300
    """Runs of equal rank that are read at once to sort them; more are swept."""
    most: int = 4_000
    """Matches that a sweep holds; no request reads more runs."""
    carried: int = 1_000
    """Matches that a token carries, by their ids: 43 KB; fewer where runs are large."""
    experiments: int = 100
    """Experiments that are walked together: their heads fill one BatchGetItem. Of more the search goes
    through part by part."""
    patience: int = 60_000
    """Milliseconds after which a search that goes on reads the marks again (half of it, in a range), and
    leaves a range: less than runs must be quiet before they are indexed, so that none moves behind its back
    that it does not know."""
    slack: int = 30_000
    """Milliseconds by which a mark may bear an earlier time than the one at which it was set."""


BOUNDS = Bounds()


def bounds_of(quiet: int) -> Bounds:
    """The bounds where runs are indexed once they have been quiet for so many milliseconds."""
    return replace(BOUNDS, patience=quiet * 2 // 3, slack=quiet // 3)


@dataclass(slots=True)
class Budget:
    """What is left of a search's bounds; ``now`` is a monotonic clock in seconds."""

    now: Callable[[], float]
    bounds: Bounds
    units: float = field(init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self.units = self.bounds.units
        self._began = self.now()

    def spend(self, units: float) -> None:
        self.units -= units

    def is_spent(self, reserve: float = 0) -> bool:
        """Whether not more than ``reserve`` units are left, or the same share of the time."""
        share = 1 - reserve / self.bounds.units
        return self.units <= reserve or self.now() - self._began > self.bounds.seconds * share
