"""Datasets of an experiment, one item for each (name, digest), and one for each context it was used in.

A schema and profile of more than 100 KB lie in the blob store (S3 in AWS): an item holds 400 KB, MLflow's
profiles up to 16 MB.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol, Self

from cairn.domain.access import UNDECIDED, Access
from cairn.domain.entities import Dataset, Run
from cairn.ids import experiment_hex
from cairn.storage import keys
from cairn.storage.codec import FORMAT, decode_json, encode_json
from cairn.storage.expr import Absent
from cairn.storage.scope import all_shown
from cairn.storage.table import ConditionFailed, Item, Key, Put, Query, Table

_INLINE_BYTES = 100_000
MAX_SUMMARIES = 1_000
"""MLflow's limit of search-datasets."""


class Blobs(Protocol):
    """Bytes under a key that their content gives."""

    def put(self, data: bytes) -> str: ...

    def get(self, key: str) -> bytes: ...


class Datasets:
    """The datasets of every experiment (``services.ports.DatasetStore``)."""

    def __init__(self, table: Table, blobs: Blobs, access: Access = UNDECIDED) -> None:
        self._table = table
        self._blobs = blobs
        self._access = access

    def scoped(self, access: Access) -> Self:
        return type(self)(self._table, self._blobs, access)

    def add(self, experiment_id: str, datasets: Sequence[Dataset]) -> None:
        """1 PutItem for each that is new; 1 failed one for each that is not, which stays as it is."""
        for dataset in datasets:
            key = keys.dataset(_hex(experiment_id), dataset.name, dataset.digest)
            try:
                self._table.put(Put({**self._body(dataset), "pk": key.pk, "sk": key.sk}, Absent()))
            except ConditionFailed:
                continue

    def use(self, experiment_id: str, uses: Sequence[tuple[str, str, str | None]]) -> None:
        """1 BatchWriteItem per 25 distinct (name, digest, context)."""
        puts = []
        for name, digest, context in dict.fromkeys(uses):
            key = keys.dataset_use(_hex(experiment_id), name, digest, context)
            item = {"pk": key.pk, "sk": key.sk, "f": FORMAT, "n": name, "d": digest}
            puts.append(Put(item if context is None else {**item, "c": context}))
        self._table.batch_write(puts)

    def fill(self, runs: Sequence[Run]) -> list[Run]:
        """1 BatchGetItem per 100 distinct datasets, 1 read of the blob store for each large one."""
        wanted = {
            keys.dataset(_hex(run.info.experiment_id), use.name, use.digest): None
            for run in runs
            for use in run.dataset_inputs
        }
        found = {key: self._dataset(item) for key, item in self._table.batch_get(list(wanted)).items()}
        return [
            replace(run, dataset_inputs=_filled(run, found)) if run.dataset_inputs else run for run in runs
        ]

    def summaries(self, experiment_ids: Sequence[str]) -> list[dict[str, str]]:
        """1 Query for each experiment, and 1 BatchGetItem of their heads unless the access is to all;
        at most 1,000 summaries. Nothing of an experiment that is not to be seen."""
        summaries: list[dict[str, str]] = []
        numbers = [(one, experiment_hex(one)) for one in dict.fromkeys(experiment_ids)]
        seen = self._seen([experiment for _, experiment in numbers if experiment is not None])
        for experiment_id, experiment in numbers:
            if experiment is None or experiment not in seen:
                continue
            after: str | None = None
            while len(summaries) < MAX_SUMMARIES:
                pk = keys.experiment_partition(experiment)
                page = self._table.query(
                    Query(pk, prefix=keys.USE_PREFIX, after=after, limit=MAX_SUMMARIES - len(summaries))
                )
                for item in page.items:
                    summary = {"experiment_id": experiment_id, "name": item["n"], "digest": item["d"]}
                    summaries.append({**summary, "context": item["c"]} if item.get("c") else summary)
                after = page.after
                if after is None:
                    break
        return summaries

    def _seen(self, experiments: Sequence[str]) -> Collection[str]:
        if self._access.unrestricted:
            return experiments
        heads = self._table.batch_get([keys.experiment_head(one) for one in experiments])
        seen = all_shown(self._access, heads)
        return {one for one in experiments if keys.experiment_head(one) in seen}

    def _body(self, dataset: Dataset) -> dict[str, Any]:
        blob = encode_json([dataset.schema, dataset.profile])
        stored = {"b": blob} if len(blob) <= _INLINE_BYTES else {"x": self._blobs.put(blob)}
        return {
            "f": FORMAT,
            "n": dataset.name,
            "d": dataset.digest,
            "st": dataset.source_type,
            "so": dataset.source,
            **stored,
        }

    def _dataset(self, item: Item) -> Dataset:
        schema, profile = decode_json(item["b"] if "b" in item else self._blobs.get(item["x"]))
        return Dataset(item["n"], item["d"], item["st"], item["so"], schema, profile)


def _hex(experiment_id: str) -> str:
    return f"{int(experiment_id):016x}"


def _filled(run: Run, found: dict[Key, Dataset]) -> tuple[Any, ...]:
    experiment = _hex(run.info.experiment_id)
    return tuple(
        replace(use, dataset=found.get(keys.dataset(experiment, use.name, use.digest)))
        for use in run.dataset_inputs
    )
