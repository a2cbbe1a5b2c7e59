"""The composition root: the only place that names concrete stores and makes clients.

``build`` wires a deployed function, ``build_local`` a server on this machine on a SQLite file and a folder,
``build_local_aws`` one on DynamoDB and S3 at an endpoint; ``build_follower``, ``build_worker`` and
``build_overdue`` (with ``build_remains``) the functions of the background work, ``build_publisher`` that of
events. Each imports its engines when it is called: a function pays for no SQLite, a local server for no AWS
client.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cairn.domain.access import DEPLOYMENT
from cairn.domain.clock import system_clock
from cairn.domain.webhooks import Webhook
from cairn.errors import CairnError
from cairn.http import App
from cairn.services.ports import ArtifactStore, BlobStore, Carriage, Stores
from cairn.services.registry_ports import Registry
from cairn.services.webhook_ports import Webhooks
from cairn.settings import Settings
from cairn.sharing.authorize import Authority, Owner, everything
from cairn.sharing.fronts import deployed_front, local_front
from cairn.storage.budget import bounds_of
from cairn.storage.creations import Creations
from cairn.storage.datasets import Datasets
from cairn.storage.dirty import QUIET
from cairn.storage.engine import EngineTable
from cairn.storage.execute import RunIndex
from cairn.storage.experiments import Experiments
from cairn.storage.grants import Grants
from cairn.storage.history import History
from cairn.storage.indexer import Indexer
from cairn.storage.model_versions import ModelVersions
from cairn.storage.models import LoggedModels
from cairn.storage.places import Places
from cairn.storage.registered_models import RegisteredModels
from cairn.storage.registry_index import RegistryIndex
from cairn.storage.retry import Retry
from cairn.storage.runs import Runs
from cairn.storage.table import Table
from cairn.storage.together import SideBySide, Together, in_turn
from cairn.storage.webhooks import Webhooks as WebhookItems

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from cairn.events.publish import Publisher
    from cairn.services.share_ports import Shares
    from cairn.storage.outbox import Outbox
    from cairn.storage.reindex import Report
    from cairn.storage.sessions import Sessions
    from cairn.storage.tokens import Tokens
    from cairn.upkeep.follow import Follower
    from cairn.upkeep.overdue import Overdue
    from cairn.upkeep.queue import Queue
    from cairn.upkeep.remains import Remains
    from cairn.upkeep.work import Worker
    from cairn.webhooks.deliver import Outcome
    from cairn.webhooks.post import Way
    from cairn.webhooks.queue import Courier, Dispatcher, Remote
    from cairn.webhooks.secrets import OwnSecrets, ParameterSecrets

_MEBIBYTE = 2**20
_LAMBDA_BODY = 6 * _MEBIBYTE
_LAMBDA_ANSWER = 6 * _MEBIBYTE - 16 * 1024
"""Lambda takes and returns 6 MB; what wraps an answer needs a little of it."""
_LAMBDA_FILE = 4_500_000
"""Bytes of a file that fit into 6 MB as base64."""
_LOCAL_BODY = 128 * _MEBIBYTE
"""A dataset's profile alone may have 16 million characters."""
_LOCAL_LOCATION = "mlflow-artifacts:/"


def build(settings: Settings) -> App:
    """A deployed function: DynamoDB and S3, callers as API Gateway checked them."""
    table = _table(settings)
    carriage = Carriage(upload=_LAMBDA_FILE, download=_LAMBDA_FILE)
    stores = _aws_stores(settings, table, carriage, _remote_webhooks(table, settings))
    authority = Authority(Grants(table), Owner(settings.account, settings.roles_of_owner), time.monotonic)
    sessions = _sessions(table) if settings.ui else None
    return App(
        replace(
            stores,
            look_up=authority.look_up,
            shares=_shares(table, settings),
            sessions=sessions,
            ui_origin=settings.ui_origin,
        ),
        deployed_front,
        authority,
        max_body=_LAMBDA_BODY,
        max_answer=_LAMBDA_ANSWER,
    )


def build_follower(settings: Settings) -> "Follower":
    """The function that turns records of the table's stream into tasks; it never reads the table."""
    from cairn.upkeep.follow import Follower

    return Follower(_queue(settings), system_clock, settings.quiet_ms)


def build_worker(settings: Settings) -> "Worker":
    """The function that does the tasks of the queue."""
    from cairn.storage.fold import Fold
    from cairn.upkeep.work import Worker

    table = _table(settings)
    return Worker(Indexer(table, system_clock, settings.quiet_ms), Fold(table))


def build_overdue(settings: Settings) -> "Overdue":
    """The function that sends again what was lost."""
    from cairn.upkeep.overdue import Overdue

    table = _table(settings)
    experiments = Experiments(table, settings.location_of, DEPLOYMENT)
    bits = random.SystemRandom().getrandbits
    return Overdue(
        table,
        lambda: [experiment.experiment_id for experiment in experiments.scan(with_tags=False)],
        _queue(settings),
        system_clock,
        bits,
    )


def build_remains(settings: Settings) -> "Remains":
    """What removes deleted models, beside ``build_overdue``."""
    from cairn.storage.registry_sweep import sweep
    from cairn.upkeep.remains import Remains

    table = _table(settings)
    return Remains(lambda limit: sweep(table, limit), system_clock)


def build_publisher(settings: Settings) -> "Publisher":
    """The function that publishes events; it never reads the table."""
    import boto3

    from cairn.events.publish import Publisher

    bus = boto3.client("events", region_name=settings.region, endpoint_url=settings.endpoint)
    letters = boto3.client("sqs", region_name=settings.region, endpoint_url=settings.endpoint)
    return Publisher(bus, settings.event_bus, letters, settings.dead_letters, Retry().wait)


def build_dispatcher(settings: Settings) -> "Dispatcher":
    """The function that finds the webhooks that listen to an event."""
    import boto3

    from cairn.webhooks.queue import Dispatcher

    sqs = boto3.client("sqs", region_name=settings.region, endpoint_url=settings.endpoint)
    return Dispatcher(WebhookItems(_table(settings), Retry().wait).all, sqs, settings.deliveries)


def build_courier(settings: Settings, *, way: "Way | None" = None) -> "Courier":
    """The function that delivers: it reaches no table and no bucket. ``way`` as of ``build_local``."""
    import boto3

    from cairn.webhooks.deliver import Deliverer
    from cairn.webhooks.queue import Courier

    sqs = boto3.client("sqs", region_name=settings.region, endpoint_url=settings.endpoint)
    deliverer = Deliverer(way or _way(), _secrets(settings), system_clock)
    bits = random.SystemRandom().getrandbits
    return Courier(deliverer.send, sqs, settings.deliveries, settings.deliveries_failed, bits)


def build_local(
    database: Path | None, artifacts: Path, blobs: Path, staging: Path, *, way: "Way | None" = None
) -> App:
    """A server on this machine: one SQLite file (None: a temporary one) and folders.

    The experiment ``0`` is made where it is missing. ``staging`` lies on the file system of ``artifacts``,
    secrets of webhooks beside ``blobs``. ``way`` is how webhooks leave, where that is not the usual one.
    """
    from cairn.artifacts.blobs import FolderBlobs
    from cairn.artifacts.folder import FolderArtifacts
    from cairn.storage.sqlite import SqliteTable
    from cairn.webhooks.secrets import FolderSecrets

    table = SqliteTable(database, outbox=True)
    stores = _stores(
        table,
        lambda experiment_id: f"{_LOCAL_LOCATION}{experiment_id}",
        FolderArtifacts(artifacts, staging),
        FolderBlobs(blobs),
        _own_webhooks(table, FolderSecrets(blobs.parent / "secrets"), way),
        Carriage(),
        multipart=False,
    )
    return _local(stores)


def open_outbox(database: Path) -> "Outbox":
    """What a local server's writes left for events; the file is there."""
    from cairn.storage.outbox import Outbox

    return Outbox(database)


def build_local_aws(settings: Settings) -> App:
    """A server on this machine whose data is at ``settings.endpoint``.

    Table, bucket and experiment ``0`` are made where they are missing."""
    import boto3

    from cairn.storage.dynamodb import create_table

    client = boto3.client("dynamodb", region_name=settings.region, endpoint_url=settings.endpoint)
    create_table(client, settings.table)
    _create_bucket(settings)
    table = _table(settings)
    webhooks = _own_webhooks(table, _secrets(settings))
    return _local(_aws_stores(settings, table, Carriage(), webhooks))


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What an operator does to a table, beside whatever serves it."""

    table: EngineTable
    experiments: Experiments
    indexer: Indexer

    def find(self, experiment: str) -> str | None:
        """The id of an experiment, given by id or by name."""
        named = self.experiments.find(experiment)
        if named is not None:
            return named.experiment_id
        try:
            return self.experiments.get(experiment).experiment_id
        except CairnError:
            return None

    def reindex(self, experiment_id: str, tell: "Callable[[Report], None]") -> "Report":
        """Of an experiment that exists."""
        from cairn.storage.reindex import Reindex

        return Reindex(self.table, self.indexer, tell).reindex(f"{int(experiment_id):016x}")

    def close(self) -> None:
        self.table.close()


def maintain(settings: Settings) -> Maintenance:
    """Of the table that the settings name."""
    table = _table(settings)
    return Maintenance(
        table,
        Experiments(table, settings.location_of, DEPLOYMENT),
        Indexer(table, system_clock, settings.quiet_ms),
    )


def maintain_local(database: Path) -> Maintenance:
    """Of a SQLite file, which a server may have open."""
    from cairn.storage.sqlite import SqliteTable

    table = SqliteTable(database)
    return Maintenance(table, Experiments(table, lambda _: "", DEPLOYMENT), Indexer(table, system_clock))


def ensure_default(app: App) -> None:
    """Make the experiment ``0`` where it is missing: at deployment, or at a local server's first start."""
    experiments = app.stores.experiments
    assert isinstance(experiments, Experiments)
    experiments.ensure_default(app.stores.clock())


def _local(stores: Stores) -> App:
    app = App(stores, local_front, everything, max_body=_LOCAL_BODY)
    ensure_default(app)
    return app


def _aws_stores(settings: Settings, table: Table, carriage: Carriage, webhooks: Webhooks) -> Stores:
    from cairn.artifacts.blobs import S3Blobs
    from cairn.artifacts.s3 import S3Artifacts

    s3 = cast("S3Client", _Later(lambda: _s3(settings)))
    return _stores(
        table,
        settings.location_of,
        S3Artifacts(s3, settings.bucket, settings.artifact_prefix),
        S3Blobs(s3, settings.bucket),
        webhooks,
        carriage,
        multipart=settings.multipart,
        artifact_root=f"s3://{settings.bucket}/{settings.artifact_prefix}",
        quiet=settings.quiet_ms,
        tokens=_tokens(table) if settings.tokens else None,
        together=SideBySide(),
    )


def _stores(
    table: Table,
    location_of: Callable[[str], str],
    artifacts: ArtifactStore,
    blobs: BlobStore,
    webhooks: Webhooks,
    carriage: Carriage,
    *,
    multipart: bool,
    artifact_root: str | None = None,
    quiet: int = QUIET,
    tokens: "Tokens | None" = None,
    together: Together = in_turn,
) -> Stores:
    pause = Retry().wait
    runs = Runs(table, pause, system_clock, quiet)
    registered = RegisteredModels(table, pause)
    return Stores(
        experiments=Experiments(table, location_of),
        runs=runs,
        index=RunIndex(table, runs, time.monotonic, bounds=bounds_of(quiet), together=together),
        indexer=Indexer(table, system_clock, quiet),
        history=History(table, together=together),
        datasets=Datasets(table, blobs),
        models=LoggedModels(table, pause),
        registry=Registry(registered, ModelVersions(table, pause), RegistryIndex(table, registered)),
        webhooks=webhooks,
        creations=Creations(table),
        places=Places(table),
        artifacts=artifacts,
        clock=system_clock,
        bits=random.SystemRandom().getrandbits,
        carriage=carriage,
        multipart=multipart,
        artifact_root=artifact_root,
        tokens=tokens,
    )


def _shares(table: Table, settings: Settings) -> "Shares | None":
    """Of a deployment; elsewhere there is no RAM."""
    if not settings.shares:
        return None
    from cairn.shares import shares

    return shares(table, settings)


def _own_webhooks(table: Table, secrets: "OwnSecrets", way: "Way | None" = None) -> Webhooks:
    """Delivered by this process."""

    def send(webhook: Webhook, event_id: str, payload: Mapping[str, Any]) -> "Outcome":
        from cairn.webhooks.deliver import Deliverer, delivery

        return Deliverer(way or _way(), secrets, system_clock).send(delivery(webhook, event_id, payload))

    return Webhooks(
        WebhookItems(table, Retry().wait), secrets, send, _resolve if way is None else way.resolve
    )


def _remote_webhooks(table: Table, settings: Settings) -> Webhooks:
    """Delivered by the function that may do nothing else; most requests need none of it."""
    secrets = cast("OwnSecrets", _Later(lambda: _secrets(settings)))
    remote = cast("Remote", _Later(lambda: _remote(settings)))

    def send(webhook: Webhook, event_id: str, payload: Mapping[str, Any]) -> "Outcome":
        from cairn.webhooks.deliver import delivery

        return remote.send(delivery(webhook, event_id, payload))

    return Webhooks(WebhookItems(table, Retry().wait), secrets, send, _resolve)


def _remote(settings: Settings) -> "Remote":
    import boto3
    from botocore.config import Config

    from cairn.webhooks.queue import Remote

    # The function ends after its own timeout; a call that is repeated would deliver twice.
    config = Config(read_timeout=20, connect_timeout=3, retries={"max_attempts": 0})
    client = boto3.client(
        "lambda", region_name=settings.region, endpoint_url=settings.endpoint, config=config
    )
    return Remote(client, settings.deliver_function)


def _secrets(settings: Settings) -> "ParameterSecrets":
    import boto3

    from cairn.webhooks.secrets import ParameterSecrets

    ssm = boto3.client("ssm", region_name=settings.region, endpoint_url=settings.endpoint)
    return ParameterSecrets(ssm, settings.secrets_path, settings.secrets_key or None)


@cache
def _way() -> "Way":
    """The one way of production: the system's authorities, every check."""
    import ssl

    from cairn.webhooks.post import Way

    return Way(ssl.create_default_context())


def _resolve(host: str) -> Sequence[str]:
    from cairn.webhooks.post import resolve

    return resolve(host)


def _tokens(table: Table) -> "Tokens":
    from cairn.storage.tokens import Tokens

    return Tokens(table)


def _sessions(table: Table) -> "Sessions":
    from cairn.storage.sessions import Sessions

    return Sessions(table)


def _table(settings: Settings) -> EngineTable:
    from cairn.storage.dynamodb import DynamoDBTable
    from cairn.storage.wire import connect

    return DynamoDBTable(connect(settings.region, settings.endpoint), settings.table)


def _queue(settings: Settings) -> "Queue":
    import boto3

    from cairn.upkeep.queue import Queue

    sqs = boto3.client("sqs", region_name=settings.region, endpoint_url=settings.endpoint)
    return Queue(sqs, settings.queue)


def _s3(settings: Settings) -> "S3Client":
    from cairn.artifacts.client import s3_client

    return s3_client(settings.region, settings.endpoint)


def _create_bucket(settings: Settings) -> None:
    client = _s3(settings)
    try:
        if settings.region == "us-east-1":
            client.create_bucket(Bucket=settings.bucket)
        else:
            client.create_bucket(
                Bucket=settings.bucket,
                CreateBucketConfiguration={"LocationConstraint": cast(Any, settings.region)},
            )
    except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        return


class _Later:
    """A client that is made at its first use: most requests need no S3, and a cold start is short."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._make()
        return getattr(self._client, name)
