"""Cairn as a backend: API Gateway events through ``cairn.http.handle``, on either engine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from moto import mock_aws

from cairn import http
from cairn.artifacts.blobs import FolderBlobs
from cairn.artifacts.folder import FolderArtifacts
from cairn.domain.access import DEPLOYMENT, Access
from cairn.domain.entities import Run
from cairn.search.plan import Pause, Search
from cairn.services.ports import Stores
from cairn.sharing.authorize import everything
from cairn.sharing.fronts import local_front
from cairn.storage.creations import Creations
from cairn.storage.datasets import Datasets
from cairn.storage.dynamodb import DynamoDBTable, create_table
from cairn.storage.execute import RunIndex
from cairn.storage.experiments import Experiments
from cairn.storage.history import History
from cairn.storage.indexer import Indexer
from cairn.storage.models import LoggedModels
from cairn.storage.places import Places
from cairn.storage.runs import Runs
from cairn.storage.sqlite import SqliteTable
from cairn.storage.table import Table
from cairn.storage.wire import connect
from tests.differential.operations import Request
from tests.differential.reference import Moment, Reply
from tests.storage.stores import registry, webhooks

OpenTable = Callable[[int], AbstractContextManager[Table]]
"""An empty table; the number makes its name."""


@dataclass(slots=True)
class _Given:
    now: int = 0
    bits: int = 0


@dataclass(slots=True)
class Cairn:
    """The whole application over one table, which every reset replaces."""

    name: str
    _open: OpenTable
    _folder: Path
    _given: _Given = field(default_factory=_Given)
    _stack: ExitStack = field(default_factory=ExitStack)
    _app: http.App | None = None
    _number: int = 0

    def reset(self, now: int) -> None:
        self._stack.close()
        self._number += 1
        self._given.now = now
        table = self._stack.enter_context(self._open(self._number))
        stores = _stores(table, self._folder, self._given)
        stores.experiments.ensure_default(now)  # type: ignore[attr-defined]
        self._app = http.App(stores, local_front, everything, max_body=10_000_000)

    def call(self, request: Request, moment: Moment) -> Reply:
        assert self._app is not None
        self._given.now, self._given.bits = moment.now, moment.bits
        answer = http.handle(self._app, event(request))
        body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        return Reply(answer.status, body)

    def close(self) -> None:
        self._stack.close()


def _stores(table: Table, folder: Path, given: _Given) -> Stores:
    def bits(count: int) -> int:
        return (given.bits << 64 | given.bits) >> (128 - count)

    runs = Runs(table, lambda attempt: None, lambda: given.now, access=DEPLOYMENT)
    indexer = Indexer(table, lambda: given.now, quiet=0)
    return Stores(
        experiments=Experiments(
            table, lambda experiment_id: f"mlflow-artifacts:/{experiment_id}", DEPLOYMENT
        ),
        runs=runs,
        index=_NowAndThenIndexed(RunIndex(table, runs, lambda: 0.0), indexer),
        indexer=indexer,
        history=History(table, DEPLOYMENT),
        datasets=Datasets(table, FolderBlobs(folder / "blobs"), DEPLOYMENT),
        models=LoggedModels(table, lambda attempt: None, DEPLOYMENT),
        registry=registry(table),
        webhooks=webhooks(table),
        creations=Creations(table),
        places=Places(table),
        artifacts=FolderArtifacts(folder, folder / "staging"),
        clock=lambda: given.now,
        bits=bits,
    )


class _NowAndThenIndexed:
    """An index that is brought up to date before every other search: answers must not depend on it."""

    def __init__(self, index: RunIndex, indexer: Indexer) -> None:
        self._index = index
        self._indexer = indexer
        self._searches = 0

    def scoped(self, access: Access) -> "_NowAndThenIndexed":
        self._index = self._index.scoped(access)
        return self

    def search(self, search: Search) -> Iterator[Run | Pause]:
        self._searches += 1
        if self._searches % 2 == 0:
            for experiment_id in search.experiment_ids:
                self._indexer.sweep(experiment_id)
        return self._index.search(search)


def event(request: Request) -> dict[str, Any]:
    """The request as a REST API of API Gateway sends it to a function (payload version 1)."""
    query: dict[str, list[str]] = {}
    for name, value in request.query:
        query.setdefault(name, []).append(value)
    headers = {} if request.body is None else {"Content-Type": ["application/json"]}
    path = quote(request.path)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": path[1:]},
        "requestContext": {"requestId": "differential", "identity": {"user": "local:ada"}},
        "body": None if request.body is None else request.body.decode(),
        "isBase64Encoded": False,
    }


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Cairn]:
    @contextmanager
    def open_table(number: int) -> Iterator[Table]:
        path = folder / f"cairn-{number}.db"
        table = SqliteTable(path)
        try:
            yield table
        finally:
            table.close()
            for each in folder.glob(f"{path.name}*"):
                each.unlink()

    cairn = Cairn("Cairn on SQLite", open_table, folder / "artifacts")
    try:
        yield cairn
    finally:
        cairn.close()


@contextmanager
def on_dynamodb(folder: Path) -> Iterator[Cairn]:
    """Under moto, in this process."""
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-central-1")
        wire = connect("eu-central-1")

        @contextmanager
        def open_table(number: int) -> Iterator[Table]:
            name = f"cairn-{number}"
            create_table(client, name)
            try:
                yield DynamoDBTable(wire, name)
            finally:
                client.delete_table(TableName=name)

        cairn = Cairn("Cairn on DynamoDB", open_table, folder / "artifacts")
        try:
            yield cairn
        finally:
            cairn.close()
            wire.close()
            client.close()
