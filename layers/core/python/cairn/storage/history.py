"""The history of metrics: the points of one key, read from a run's metric log."""

from cairn.domain.entities import Metric
from cairn.domain.metrics import distinct, history_order
from cairn.storage import keys
from cairn.storage.codec import decode_series
from cairn.storage.table import Query, Table


class History:
    """Points by run and key (``services.ports.HistoryStore``)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def points(self, run_id: str, key: str) -> list[Metric]:
        """1 Query per MB of the run's metric log."""
        points: list[Metric] = []
        after: str | None = None
        while True:
            page = self._table.query(Query(keys.run_partition(run_id), prefix=keys.LOG_PREFIX, after=after))
            for item in page.items:
                for series in decode_series(item["b"]):
                    if series.key == key:
                        columns = zip(series.values, series.timestamps, series.steps, strict=True)
                        points.extend(Metric(key, *column) for column in columns)
            after = page.after
            if after is None:
                break
        return sorted(distinct(points), key=history_order)
