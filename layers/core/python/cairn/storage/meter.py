"""The request meter: what each physical request is billed, and who listens.

Engines compute a ``Cost`` per request from item sizes, as the DynamoDB Developer Guide does ("Read and
write operations", "Transactions: capacity management"), and hand it to an observer; ``Meter`` is the
observer that tests and the budget suite read. A throttled request bills nothing and is not reported.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cairn.storage.table import Cost, Key

Observer = Callable[[Cost], None]

_READ_UNIT = 4096
_WRITE_UNIT = 1024


def read_units(size: int, consistent: bool) -> float:
    """Units of reading ``size`` bytes at once: 1 per started 4 KB, at least 1; half if not consistent."""
    units = max(1, -(-size // _READ_UNIT))
    return units if consistent else units / 2


def write_units(before: int, after: int = 0) -> int:
    """Units of one write: 1 per started KB of the larger of the item before and after, at least one."""
    return max(1, -(-max(before, after) // _WRITE_UNIT))


def read_cost(operation: str, pk: str, size: int, consistent: bool) -> Cost:
    """GetItem (0 bytes: a missing item) or Query (the sum of the page's items)."""
    units = read_units(size, consistent)
    return Cost(operation, read_units=units, partitions={pk: units})


def batch_read_cost(sizes: Mapping[Key, int], consistent: bool) -> Cost:
    """BatchGetItem: each item rounds up by itself, a missing one (0 bytes) counts one unit."""
    units = [(key.pk, read_units(size, consistent)) for key, size in sizes.items()]
    return Cost("BatchGetItem", read_units=sum(unit for _, unit in units), partitions=_by_partition(units))


def write_cost(operation: str, sizes: Iterable[tuple[Key, int, int]], factor: int = 1) -> Cost:
    """One or many writes as (key, bytes before, bytes after); ``factor`` 2 for a transaction."""
    units = [(key.pk, float(factor * write_units(before, after))) for key, before, after in sizes]
    return Cost(operation, write_units=sum(unit for _, unit in units), partitions=_by_partition(units))


def _by_partition(units: Iterable[tuple[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for pk, unit in units:
        total[pk] = total.get(pk, 0) + unit
    return total


@dataclass(slots=True)
class Measurement:
    """The requests of one ``with meter.measure()``, in the order in which they ended."""

    costs: list[Cost] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return len(self.costs)

    @property
    def write_units(self) -> float:
        return sum(cost.write_units for cost in self.costs)

    @property
    def read_units(self) -> float:
        return sum(cost.read_units for cost in self.costs)

    @property
    def partitions(self) -> dict[str, float]:
        """Units by partition key: where the load went."""
        return _by_partition(pair for cost in self.costs for pair in cost.partitions.items())


class Meter:
    """Hears the costs of all threads; every measurement that is open gets each of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[Measurement] = []

    def __call__(self, cost: Cost) -> None:
        with self._lock:
            for measurement in self._open:
                measurement.costs.append(cost)

    @contextmanager
    def measure(self) -> Iterator[Measurement]:
        measurement = Measurement()
        with self._lock:
            self._open.append(measurement)
        try:
            yield measurement
        finally:
            with self._lock:
                # By identity: two measurements with equal costs are equal, and not the same.
                self._open = [other for other in self._open if other is not measurement]
