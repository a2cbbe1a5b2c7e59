"""Tables for tests: SQLite on a file, DynamoDB under moto, each with a meter whose costs are exact."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from mypy_boto3_dynamodb import DynamoDBClient

from cairn.storage.dynamodb import DynamoDBTable, create_table
from cairn.storage.engine import EngineTable
from cairn.storage.meter import Meter
from cairn.storage.retry import Retry
from cairn.storage.sqlite import SqliteTable
from cairn.storage.wire import Wire, connect

NAMES = ("sqlite", "dynamodb")
AT_ONCE = Retry(sleep=lambda seconds: None)
"""Retries without waiting."""

_one_request_at_a_time = threading.RLock()


def _serialised(process: Callable[..., Any]) -> Callable[..., Any]:
    """Moto handles requests of several threads at once and loses updates: DynamoDB does not."""

    @wraps(process)
    def one_at_a_time(*arguments: Any, **keywords: Any) -> Any:
        with _one_request_at_a_time:
            return process(*arguments, **keywords)

    return one_at_a_time


@contextmanager
def sqlite_table(folder: Path, meter: Meter) -> Iterator[EngineTable]:
    table = SqliteTable(folder / "table.db", observer=meter, retry=AT_ONCE)
    try:
        yield table
    finally:
        table.close()


@cache
def client() -> DynamoDBClient:
    """One client for all tests: making one takes longer than most tests; moto catches its requests."""
    return boto3.Session("key", "secret", region_name="eu-central-1").client("dynamodb")


@cache
def _wire() -> Wire:
    return connect("eu-central-1")


@contextmanager
def dynamodb_table(meter: Meter) -> Iterator[EngineTable]:
    process = _serialised(BotocoreStubber.process_request)
    with mock_aws(), patch.object(BotocoreStubber, "process_request", process):
        create_table(client(), "cairn")
        yield DynamoDBTable(_wire(), "cairn", observer=meter, preread=True, retry=AT_ONCE)
        _wire().close()


@contextmanager
def open_table(name: str, folder: Path, meter: Meter) -> Iterator[EngineTable]:
    """The table of an engine by its name, one of ``NAMES``."""
    with sqlite_table(folder, meter) if name == "sqlite" else dynamodb_table(meter) as table:
        yield table
