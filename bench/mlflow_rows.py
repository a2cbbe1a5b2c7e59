"""Writes the loader's runs straight into the database of MLflow's server, through its own models.

100,000 runs over its API would take an hour. The rows are those that ``create_run``, ``log_batch`` and
``update_run`` of MLflow's SqlAlchemyStore leave behind. That they are right shows in the answers: those of
MLflow's server are compared with Cairn's, run by run.
"""

import csv
import io
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy

from bench.load import Sample

CHUNK = 5_000
Row = tuple[Any, ...]

_HEAD = (
    *("run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status"),
    *("start_time", "end_time", "source_version", "lifecycle_stage", "artifact_uri", "experiment_id"),
)
_PAIR = ("run_uuid", "key", "value")
_POINT = ("run_uuid", "key", "value", "timestamp", "step", "is_nan")
_NULL = r"\N"


def insert(uri: str, experiment_id: str, artifacts: str, runs: Iterable[Sample]) -> None:
    """All of ``runs`` into an experiment that is there, whose artifact location is ``artifacts``.

    PostgreSQL is told to look at its tables afterwards, as its background worker does within a minute;
    MLflow never asks SQLite to.
    """
    from mlflow.store.tracking.dbmodels import models  # seconds, and only here

    engine = sqlalchemy.create_engine(uri)
    remaining = iter(runs)
    with engine.begin() as connection:
        while chunk := list(itertools.islice(remaining, CHUNK)):
            points = [row for run in chunk for row in _points(run)]
            for model, columns, rows in (
                (models.SqlRun, _HEAD, [_head(run, experiment_id, artifacts) for run in chunk]),
                (models.SqlParam, _PAIR, [row for run in chunk for row in _pairs(run, run.params)]),
                (models.SqlTag, _PAIR, [row for run in chunk for row in _pairs(run, _tags(run))]),
                (models.SqlMetric, _POINT, points),
                (models.SqlLatestMetric, _POINT, points),
            ):
                _write(connection, model.__table__, columns, rows)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sqlalchemy.text("ANALYZE"))
    engine.dispose()


def _write(
    connection: sqlalchemy.Connection, table: sqlalchemy.Table, columns: tuple[str, ...], rows: list[Row]
) -> None:
    """COPY on PostgreSQL, ten times faster there than INSERT; names are checked against the model."""
    names = ", ".join(table.columns[name].name for name in columns)
    if connection.dialect.name == "postgresql":
        text = io.StringIO()
        csv.writer(text).writerows([_NULL if value is None else value for value in row] for row in rows)
        text.seek(0)
        cursor: Any = connection.connection.cursor()  # psycopg2's, which knows COPY
        cursor.copy_expert(
            f"COPY {table.name} ({names}) FROM STDIN WITH (FORMAT csv, NULL '{_NULL}')", text
        )
        cursor.close()
    elif rows:
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)


def _head(run: Sample, experiment_id: str, artifacts: str) -> Row:
    return (
        *(run.run_id, run.name, "UNKNOWN", "", "", run.tags["mlflow.user"], "FINISHED"),
        *(run.start, run.end, "", "deleted" if run.deleted else "active"),
        *(f"{artifacts}/{run.run_id}/artifacts", int(experiment_id)),
    )


def _tags(run: Sample) -> dict[str, str]:
    return {**run.tags, **run.late_tags, "mlflow.runName": run.name}


def _pairs(run: Sample, texts: dict[str, str]) -> Iterator[Row]:
    for key, value in texts.items():
        yield run.run_id, key, value


def _points(run: Sample) -> Iterator[Row]:
    """NaN is a flag beside a zero (SqlAlchemyStore.sanitize_metric_value)."""
    for point in run.points:
        nan = math.isnan(point.value)
        yield run.run_id, point.key, 0.0 if nan else point.value, point.timestamp, point.step, nan
