"""The same entities twice: in MLflow's SQL store on SQLite, and as Cairn's values behind fake stores.

Everything is written through MLflow's own store and read back from it, so that both sides search the same.
"""

import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import sqlalchemy
from mlflow.entities import (
    Dataset,
    DatasetInput,
    ExperimentTag,
    InputTag,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)

from cairn.domain import entities
from cairn.domain.access import DEPLOYMENT
from cairn.services.ports import Stores
from cairn.storage.experiments import Experiments
from cairn.storage.sqlite import SqliteTable
from tests.matching import MatchingIndex

with warnings.catch_warnings():  # SQLAlchemy deprecates what MLflow uses
    warnings.simplefilter("ignore")
    from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

KEYS = ("loss", "val loss", "a.b", "m/1", "é", "x")
TEXTS = (
    "", "a", "A", "abc", "ABC", "aBc", "É", "é", "100%", "a_b", "it's", 'say "x"', "back\\", "two\nlines",
    "10", "9", "-1", " x", "日本", "😀", "\uffff", "zz", "long" * 400, "%", "_", "train", "eval", "2",
    "2.0",
)  # fmt: skip
NUMBERS = (
    0.0, -0.0, 1.0, 1.0, -1.0, 0.5, 2.5, 1e-300, 5e-324, -2.5, 1e308, float("nan"), float("nan"),
    float("inf"),
    float("-inf"), 9007199254740993.0, 0.1 + 0.2, 0.3,
)  # fmt: skip
STARTS = (0, -5, 1, 1, 1_700_000_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 2**62, 9007199254740993)
DATASETS = (("train", "d1"), ("train", "d2"), ("Eval", "d1"), ("é%", "x_1"))
CONTEXTS = (None, "training", "Training", "eval")
USERS = ("", "alice", "Bob")


@dataclass(slots=True, repr=False)
class Universe:
    """MLflow's store, and what it holds as Cairn's entities; experiments as Cairn stores them."""

    reference: SqlAlchemyStore
    table: SqliteTable = field(default_factory=lambda: SqliteTable(None))
    runs: list[entities.Run] = field(default_factory=list)
    models: list[entities.LoggedModel] = field(default_factory=list)

    def close(self) -> None:
        self.reference.engine.dispose()
        self.table.close()

    def stores(self) -> Stores:
        """Stores that hold the same."""
        fake: Any = cast("Any", None)
        return Stores(
            experiments=Experiments(self.table, str, DEPLOYMENT),
            runs=fake,
            index=MatchingIndex(self.runs),
            indexer=fake,
            history=fake,
            datasets=cast("Any", _Datasets()),
            models=cast("Any", _Models(self.models)),
            registry=fake,
            webhooks=fake,
            creations=fake,
            places=fake,
            artifacts=fake,
            clock=fake,
            bits=fake,
            access=DEPLOYMENT,
        )


class _Datasets:
    def fill(self, runs: Sequence[entities.Run]) -> list[entities.Run]:
        return list(runs)


@dataclass(frozen=True)
class _Models:
    held: list[entities.LoggedModel]

    def scan(self, experiment_id: str) -> Iterator[entities.LoggedModel]:
        return (model for model in self.held if model.experiment_id == experiment_id)


def make(folder: Path, seed: int, runs: int, models: int) -> Universe:
    """A universe of experiments, runs and models with ties, odd values and deletions."""
    rng = random.Random(seed)
    store = SqlAlchemyStore(f"sqlite:///{folder / 'oracle.db'}", (folder / "artifacts").as_uri())
    sqlalchemy.event.listen(store.engine, "connect", _fast)
    store.engine.dispose()
    universe = Universe(store)
    experiment_ids = ["0", *_make_experiments(store, rng)]
    run_ids = [_make_run(store, rng, rng.choice(experiment_ids[:4])) for _ in range(runs)]
    points: dict[str, list[Metric]] = {run_id: [] for run_id in run_ids[:8]}
    for _ in range(models):
        _make_model(store, rng, rng.choice(experiment_ids[:4]), points)
    for run_id, logged in points.items():
        store.log_batch(run_id, logged, [], [])
    for run_id in rng.sample(run_ids, runs // 6):
        store.delete_run(run_id)
    for experiment_id in experiment_ids[4:]:
        if rng.random() < 0.4:
            store.delete_experiment(experiment_id)
    _read(universe, run_ids)
    return universe


def _fast(connection: Any, _record: object) -> None:
    """A test's database may be lost in a crash."""
    connection.execute("PRAGMA synchronous = OFF")


def _make_experiments(store: SqlAlchemyStore, rng: random.Random) -> list[str]:
    names = ["a", "A", "abc", "É", "100%", "a_b", "it's", "日本", "zz", "10", "9", "Two words", "x/y", "%"]
    ids = []
    for name in names:
        tags = [ExperimentTag(key, rng.choice(TEXTS)) for key in KEYS if rng.random() < 0.5]
        ids.append(store.create_experiment(name, tags=tags))
    with store.ManagedSessionMaker(read_only=False) as session:
        for row in session.query(SqlExperiment).all():  # MLflow's clock gives no ties
            row.creation_time = rng.choice((0, 5, 5, 1_700_000_000_000))
            row.last_update_time = rng.choice((1, 1, 7, 1_700_000_000_001))
    return ids


def _make_run(store: SqlAlchemyStore, rng: random.Random, experiment_id: str) -> str:
    tags = [RunTag(key, rng.choice(TEXTS)) for key in KEYS if rng.random() < 0.6]
    name = rng.choice(("a", "A", "abc", "Run é", "100%", "zz"))
    run = store.create_run(experiment_id, rng.choice(USERS), rng.choice(STARTS), tags, name)
    run_id = str(run.info.run_id)
    points = [
        Metric(key, rng.choice(NUMBERS), rng.choice((0, 1, 5)), rng.choice((-1, 0, 2)))
        for key in KEYS
        for _ in range(rng.choice((0, 1, 1, 3)))
    ]
    params = [Param(key, rng.choice(TEXTS)) for key in KEYS if rng.random() < 0.6]
    store.log_batch(run_id, points, params, [])
    uses = [
        DatasetInput(
            Dataset(name, digest, "local", "here"),
            [] if context is None else [InputTag("mlflow.data.context", context)],
        )
        for name, digest in rng.sample(DATASETS, rng.choice((0, 0, 1, 2, 3)))
        for context in [rng.choice(CONTEXTS)]
    ]
    if uses:
        store.log_inputs(run_id, uses)
    if rng.random() < 0.5:
        status = rng.choice((RunStatus.FINISHED, RunStatus.FAILED))
        store.update_run_info(run_id, status, rng.choice((1, 5, 2**53 + 1)), None)
    if rng.random() < 0.3:
        store.delete_tag(run_id, "mlflow.runName")
    return run_id


def _make_model(
    store: SqlAlchemyStore, rng: random.Random, experiment_id: str, points: dict[str, list[Metric]]
) -> None:
    texts = [text for text in TEXTS if text]
    model = store.create_logged_model(
        experiment_id,
        name=rng.choice(("a", "A", "abc", "2", "é", "zz")),
        source_run_id=rng.choice((None, next(iter(points)))),
        tags=[LoggedModelTag(key, rng.choice(texts)) for key in KEYS if rng.random() < 0.5],
        params=[LoggedModelParameter(key, rng.choice(texts)) for key in KEYS if rng.random() < 0.5],
        model_type=rng.choice((None, "agent", "Agent")),
    )
    for key in KEYS:
        for _ in range(rng.choice((0, 1, 2, 4))):
            dataset = rng.choice((None, None, *DATASETS))
            point = Metric(
                key,
                rng.choice(NUMBERS),
                rng.choice((0, 1, 5)),
                rng.randint(-100, 100_000),  # MLflow refuses two points that differ in their value alone
                model_id=model.model_id,
                dataset_name=None if dataset is None else dataset[0],
                dataset_digest=None if dataset is None else dataset[1],
            )
            points[rng.choice(list(points))].append(point)
    if rng.random() < 0.6:
        store.finalize_logged_model(
            model.model_id, rng.choice((LoggedModelStatus.READY, LoggedModelStatus.FAILED))
        )
    with store.ManagedSessionMaker(read_only=False) as session:
        row = session.get(SqlLoggedModel, model.model_id)
        row.creation_timestamp_ms = rng.choice((0, 5, 5, 1_700_000_000_000))
        row.last_updated_timestamp_ms = rng.choice((1, 1, 7))
    if rng.random() < 0.15:
        store.delete_logged_model(model.model_id)


def _read(universe: Universe, run_ids: list[str]) -> None:
    store = universe.reference
    universe.runs = [_run(store.get_run(run_id)) for run_id in run_ids]
    found = store.search_experiments(ViewType.ALL, max_results=1000)
    experiments = Experiments(universe.table, str, DEPLOYMENT)
    for one in found:
        experiments.add(
            entities.Experiment(
                one.experiment_id,
                one.name,
                one.artifact_location,
                one.lifecycle_stage,
                one.creation_time,
                one.last_update_time,
                dict(one.tags),
            )
        )
    with store.ManagedSessionMaker() as session:
        for row in session.query(SqlLoggedModel).all():
            universe.models.append(_model(row.to_mlflow_entity(), row.lifecycle_stage))


def _run(run: Any) -> entities.Run:
    info = run.info
    return entities.Run(
        info=entities.RunInfo(
            info.run_id,
            info.experiment_id,
            info.run_name,
            info.user_id,
            info.status,
            info.start_time,
            info.end_time,
            info.lifecycle_stage,
            info.artifact_uri,
        ),
        metrics={
            one.key: entities.Metric(one.key, one.value, one.timestamp, one.step)
            for one in run.data._metric_objs
        },
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        dataset_inputs=tuple(
            entities.DatasetInput(
                use.dataset.name, use.dataset.digest, {tag.key: tag.value for tag in use.tags}
            )
            for use in run.inputs.dataset_inputs
        ),
    )


def _model(model: Any, stage: str) -> entities.LoggedModel:
    names = {
        LoggedModelStatus.PENDING: "LOGGED_MODEL_PENDING",
        LoggedModelStatus.READY: "LOGGED_MODEL_READY",
        LoggedModelStatus.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
    }
    return entities.LoggedModel(
        model.model_id,
        model.experiment_id,
        model.name,
        model.artifact_location,
        model.creation_timestamp,
        model.last_updated_timestamp,
        names[model.status],
        stage,
        model.model_type,
        model.source_run_id,
        dict(model.tags or {}),
        dict(model.params or {}),
        tuple(
            entities.Metric(
                one.key, one.value, one.timestamp, one.step, one.model_id, one.dataset_name,
                one.dataset_digest,
                one.run_id,
            )
            for one in model.metrics or []
        ),
    )  # fmt: skip
