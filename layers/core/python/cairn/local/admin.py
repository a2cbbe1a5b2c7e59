"""``cairn admin``: what an operator does to a table, here or in AWS, beside whatever serves it."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cairn.local.data import Unusable

if TYPE_CHECKING:
    from cairn.app import Maintenance
    from cairn.settings import Settings
    from cairn.storage.reindex import Report

_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class ReindexOptions:
    """``experiment`` by id or name. The table is in the folder ``data``, or DynamoDB's: ``table``, at
    ``aws_endpoint`` where that is no real one."""

    experiment: str
    data: Path
    table: str | None = None
    aws_endpoint: str | None = None


def reindex(options: ReindexOptions, errors: TextIO) -> str:
    """Check and mend the index of an experiment; what was done, in a line. Raises Unusable.

    It may be interrupted at any moment and begun again, and run beside servers."""
    from cairn.errors import CairnError

    with _maintenance(options) as upkeep:
        try:
            experiment_id = upkeep.find(options.experiment)
            if experiment_id is None:
                raise Unusable(f"there is no experiment '{options.experiment}': give its id or its name")
            report = upkeep.reindex(experiment_id, _progress(errors, time.monotonic))
        except CairnError as error:
            raise Unusable(f"the index could not be mended: {' '.join(str(error).split())}") from error
    return _summary(experiment_id, report)


def _summary(experiment_id: str, report: "Report") -> str:
    line = (
        f"experiment {experiment_id}: {report.runs} runs checked, {report.repaired} mended, "
        f"{report.removed} false entries removed"
    )
    if report.waiting:
        line += f"; {report.waiting} being written, the index follows when they are quiet"
    return line


def _progress(errors: TextIO, now: Callable[[], float]) -> Callable[["Report"], None]:
    """Writes a line twice a second."""
    last = now()

    def tell(report: "Report") -> None:
        nonlocal last
        if now() - last < _EVERY_S:
            return
        last = now()
        errors.write(
            f"{report.found} entries found, {report.checked} of {report.runs} runs checked, "
            f"{report.repaired} mended\n"
        )
        errors.flush()

    return tell


@contextmanager
def _maintenance(options: ReindexOptions) -> Iterator["Maintenance"]:
    from cairn.app import maintain, maintain_local
    from cairn.errors import CairnError

    if options.table is None and options.aws_endpoint is None:
        database = options.data.expanduser() / "cairn.db"
        if not database.is_file():
            raise Unusable(f"there is no data in {options.data}: cairn local makes some, --data names it")
        try:
            upkeep = maintain_local(database)
        except (CairnError, sqlite3.Error) as error:
            raise Unusable(f"cannot read {database}: {error}") from error
    else:
        upkeep = maintain(_settings(options))
    try:
        yield upkeep
    finally:
        upkeep.close()


def _settings(options: ReindexOptions) -> "Settings":
    """Of the table alone: an index has nothing to do with a bucket."""
    import os

    import boto3

    from cairn.settings import Settings

    session = boto3.Session()
    if session.get_credentials() is None:
        raise Unusable("no AWS credentials; an emulator takes any")
    return Settings(
        CAIRN_TABLE=options.table or os.environ.get("CAIRN_TABLE", "cairn"),
        CAIRN_BUCKET=os.environ.get("CAIRN_BUCKET", "none"),
        AWS_REGION=session.region_name or "us-east-1",
        AWS_ENDPOINT_URL=options.aws_endpoint,
        CAIRN_QUIET_MS=int(os.environ.get("CAIRN_QUIET_MS", "90000")),
    )
