"""MLflow's own server as a backend: its Flask application on SQLite, called without a socket.

Nothing of MLflow's logic is replaced. Three of its inputs are given, so that answers can be compared to the
byte and ties come out in one order: the clock, the random part of the ids of runs and logged models (in the
form in which Cairn makes them), and the random name of a run that has none.
"""

import importlib
import json
import logging
import os
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.differential.operations import Request


@dataclass(frozen=True, slots=True)
class Moment:
    """What a call is given beside the request: the time in milliseconds, 64 random bits, and the name for a
    run without one (None: the backend makes its own)."""

    now: int
    bits: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes


class Backend(Protocol):
    """Something that speaks MLflow's REST API."""

    name: str

    def reset(self, now: int) -> None:
        """Forget everything; the Default experiment is made at ``now``."""

    def call(self, request: Request, moment: Moment) -> Reply: ...


@dataclass(slots=True)
class _Given:
    """The inputs of the call that is running."""

    now: int = 0
    run: str | None = None
    name: str | None = None


class _Ids:
    """Stands in for the module ``uuid`` in MLflow's store: the first id of a call that creates a run or a
    model is the one that was given, all others are random."""

    UUID = uuid.UUID

    def __init__(self, given: _Given) -> None:
        self._given = given

    def uuid4(self) -> uuid.UUID:
        planned, self._given.run = self._given.run, None
        return uuid.UUID(hex=planned) if planned is not None else uuid.uuid4()


@dataclass(slots=True)
class Mlflow:
    """MLflow's application over one database."""

    name: str
    _store: Any
    _registry: Any
    _client: Any
    _given: _Given = field(default_factory=_Given)

    def reset(self, now: int) -> None:
        from mlflow.store.db.base_sql_model import Base

        self._given.now = now
        with _inputs(self._given):
            with self._store.engine.begin() as connection:
                for table in reversed(Base.metadata.sorted_tables):
                    connection.execute(table.delete())
            with self._store.ManagedSessionMaker(read_only=False) as session:
                self._store._create_default_experiment(session)

    def call(self, request: Request, moment: Moment) -> Reply:
        from mlflow.server import handlers

        self._given.now, self._given.name = moment.now, moment.name
        self._given.run = _planned_id(request, moment.bits)
        setattr(handlers, "_tracking_store", self._store)  # noqa: B010 - the server's global, one per backend
        setattr(handlers, "_model_registry_store", self._registry)  # noqa: B010
        registry: Any = importlib.import_module("mlflow.store.model_registry.sqlalchemy_store")
        registry.MlflowClient = lambda: self._store  # it would ask the server itself, by HTTP
        with _inputs(self._given):
            answer = self._client.open(
                request.path,
                method=request.method,
                query_string=list(request.query),
                data=request.body,
                content_type="application/json" if request.body is not None else None,
            )
        return Reply(answer.status_code, answer.data)


def _planned_id(request: Request, bits: int) -> str | None:
    """32 hex digits for what the request creates: 16 of its experiment, 16 random; all random for a
    webhook; None where it creates none of these, or names no experiment that could exist."""
    if request.method == "POST" and request.path.endswith("/webhooks"):
        return uuid.UUID(int=bits << 64 | bits, version=4).hex
    if request.method != "POST" or not request.path.endswith(("/runs/create", "/logged-models")):
        return None
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        return None
    experiment = body.get("experiment_id") if isinstance(body, dict) else None
    number = int(experiment) if isinstance(experiment, str) and experiment.isdecimal() else 0
    return f"{number:016x}{bits:016x}" if number < 2**63 else None


@contextmanager
def _inputs(given: _Given) -> Iterator[None]:
    """Clock, ids and names as given, while a call lasts."""
    store: Any = importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
    registry: Any = importlib.import_module("mlflow.store.model_registry.sqlalchemy_store")
    own = store.get_current_time_millis, store.uuid, store._generate_random_name
    registry.get_current_time_millis = lambda: given.now
    store.get_current_time_millis = lambda: given.now
    store.uuid = registry.uuid = _Ids(given)
    store._generate_random_name = lambda: given.name if given.name is not None else own[2]()
    logging.disable(logging.CRITICAL)  # it logs a traceback for each bad input
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of MLflow's own code, and none of ours
            yield
    finally:
        logging.disable(logging.NOTSET)
        store.get_current_time_millis, store.uuid, store._generate_random_name = own
        registry.get_current_time_millis, registry.uuid = own[:2]


def mlflow_backend(folder: Path, name: str = "mlflow") -> Mlflow:
    """MLflow's server over a new database in ``folder``. The first one in a process takes seconds."""
    uri = f"sqlite:///{folder}/{name}.db"
    environment = {
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / f"{name}-artifacts"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # A search tries to import this module and goes on without it. Without the packages that it wants, every
    # search would try, and compile it, again: 50 ms.
    sys.modules.setdefault("mlflow.server.auth", None)  # type: ignore[arg-type]
    before = {key: os.environ.get(key) for key in environment}
    os.environ.update(environment)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mlflow.server import app
            from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            store = SqlAlchemyStore(uri, "mlflow-artifacts:/")
            registry = RegistryStore(uri)
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.__setitem__(key, value)
    return Mlflow(name, store, registry, app.test_client())
