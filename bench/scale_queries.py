"""The searches that the user interface makes, and their right answers, known without reading any table.

What the runs hold follows from their numbers (``load.sample``); here the same is kept as columns of a
million numbers, and filtered and sorted as MLflow does, by other code than Cairn's.
"""

import heapq
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.load import PARENT_TAG, START, RunSpec, choice, is_deleted, metric_value, name_of, run_id_of

Place = tuple[float | str, ...]

_MISSING = -1.0
"""In a column; values are from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search, and the numbers of the runs that it finds, in order: the first ``limit`` of them."""

    name: str
    filter: str
    order_by: tuple[str, ...]
    answer: tuple[int, ...]
    matches: int

    def body(self, experiment_id: str) -> dict[str, object]:
        return {
            "experiment_ids": [experiment_id],
            "filter": self.filter,
            "order_by": list(self.order_by),
            "run_view_type": "ACTIVE_ONLY",
        }


class Population:
    """The first ``count`` runs of an experiment, as columns."""

    def __init__(self, spec: RunSpec, experiment_id: str, count: int) -> None:
        self.spec = spec
        self.experiment_id = experiment_id
        self.count = count
        self._metrics = [array("d", map(self._value(key), range(count))) for key in (0, 1)]

    def queries(self, limit: int) -> Iterator[Query]:
        """What is measured; answers of at most ``limit`` runs."""
        first = self._metrics[0]
        active = [n for n in range(self.count) if not is_deleted(self.spec, n)]
        values = sorted((first[n] for n in active if first[n] >= 0), reverse=True)
        family = self.count // 2 // self.spec.family * self.spec.family
        word = name_of(0)[5:9]

        def query(
            name: str,
            text: str,
            test: Callable[[int], bool],
            order: tuple[str, ...] = (),
            key: Callable[[int], Place] = lambda _: (),
        ) -> Query:
            found = [n for n in active if test(n)]
            answer = heapq.nsmallest(limit, found, key=lambda n: (*key(n), *self._newest_first(n)))
            return Query(name, text, order, tuple(answer), len(found))

        yield query("default order", "", lambda _: True)
        by_one = ("metrics.metric_000 DESC",)
        yield query(
            "by one metric, descending", "", lambda _: True, by_one, lambda n: self._metric(0, n, -1)
        )
        yield query(
            "by two metrics, a tenth tied in the first",
            "",
            lambda _: True,
            ("metrics.metric_000 DESC", "metrics.metric_001 ASC"),
            lambda n: (*self._metric(0, n, -1), *self._metric(1, n, 1)),
        )
        yield query(
            "by run name", "", lambda _: True, ("attributes.run_name ASC",), lambda n: (name_of(n),)
        )
        text = f"params.param_000 = '{choice(0, 'param')}'"
        yield query("`params.x = 'y'`, one in 10", text, lambda n: choice(n, "param") == choice(0, "param"))
        for share, rank in (
            ("one run", 1),
            ("1 %", len(values) // 100),
            ("99 %", len(values) - len(values) // 100 - 1),
        ):
            limit_value = values[rank]
            yield query(
                f"`metrics.m > v` by another, {share}",
                f"metrics.metric_000 > {limit_value!r}",
                lambda n, least=limit_value: first[n] > least,  # type: ignore[misc]
                ("metrics.metric_001 DESC",),
                lambda n: self._metric(1, n, -1),
            )
        yield query(
            "`tags.mlflow.parentRunId = '...'`",
            f"tags.`{PARENT_TAG}` = '{run_id_of(self.experiment_id, family)}'",
            lambda n: family < n < family + self.spec.family,
        )
        yield query(
            "`attributes.run_name ILIKE '%x%'`, one in 7",
            f"attributes.run_name ILIKE '%{word.upper()}%'",
            lambda n: word in name_of(n),
        )
        digits = f"-{self.count // 2}"
        yield query(
            "`attributes.run_name ILIKE '%x%'`, a few",
            f"attributes.run_name ILIKE '%{digits}%'",
            lambda n: digits in name_of(n),
        )
        yield query(
            "`tags.mlflow.parentRunId IS NULL`, one in 10",
            f"tags.`{PARENT_TAG}` IS NULL",
            lambda n: n % self.spec.family == 0,
        )
        yield query("`params.x IS NULL`, none", "params.param_001 IS NULL", lambda _: False)

    def run_ids(self, numbers: tuple[int, ...]) -> list[str]:
        return [run_id_of(self.experiment_id, number) for number in numbers]

    def _value(self, key: int) -> Callable[[int], float]:
        def of(number: int) -> float:
            value = metric_value(self.spec, number, key)
            return _MISSING if value is None else value

        return of

    def _newest_first(self, number: int) -> Place:
        start = START + number // self.spec.same_start * 1_000
        return -start, run_id_of(self.experiment_id, number)

    def _metric(self, key: int, number: int, sign: int) -> Place:
        """Up (1) or down (-1) by the metric; then NaN, then what lacks it."""
        value = self._metrics[key][number]
        if math.isnan(value):
            return 1, 0
        return (2, 0) if value == _MISSING else (0, sign * value)
