"""Start a local server and stop it: the composition root of ``cairn local``.

Settings come from the command line, the caller is the operating system's user. What cannot work (a port in
use, a folder that cannot be written, an endpoint that does not answer) raises Unusable before anything is
served.
"""

import errno
import getpass
import ipaddress
import logging
import os
import signal
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cairn.domain.access import DEPLOYMENT
from cairn.domain.clock import system_clock
from cairn.domain.release import MLFLOW_VERSION
from cairn.local.data import DataFolder, Unusable, open_folder
from cairn.local.events import Wsgi
from cairn.local.guard import Guard
from cairn.local.hooks import delivering
from cairn.local.overview import OverviewPage
from cairn.local.server import Gateway, Server, bind
from cairn.local.tell import telling
from cairn.local.ui import StockUi, find_build
from cairn.local.upkeep import upkeep

if TYPE_CHECKING:
    from cairn.http import App


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """``data`` None keeps nothing. With ``aws_endpoint`` the data is there, ``data`` is not looked at. To
    the file ``events`` every event is appended. ``any_name``: requests by any name and from any page are
    answered; otherwise from this machine's alone."""

    host: str
    port: int
    data: Path | None
    aws_endpoint: str | None
    events: Path | None = None
    any_name: bool = False


_print = partial(print, flush=True)


def run_local(options: LocalOptions, announce: Callable[[str], object] = _print) -> None:
    """Serve until SIGINT or SIGTERM. Raises Unusable."""
    signal.signal(signal.SIGTERM, _leave)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns whenever all threads are busy
    with _listener(options.host, options.port) as listener, _data(options) as folder:
        tempfile.tempdir = str(folder.uploads)  # big requests wait beside the data, not in a small /tmp
        app = _app(options, folder)
        server = Server(_front(app, options), listener)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: _stop(server))
        with delivering(app.stores.webhooks) as hear, _telling(options, folder, announce, hear):
            announce(banner(options, folder, listener))
            with upkeep(app.stores.scoped(DEPLOYMENT)):
                server.run()


def _telling(
    options: LocalOptions,
    folder: DataFolder,
    announce: Callable[[str], object],
    hear: Callable[[Mapping[str, Any]], object],
) -> AbstractContextManager[None]:
    """Events come off the SQLite file alone: at an endpoint they are the deployed publisher's."""
    if options.aws_endpoint is not None:
        return nullcontext()
    from cairn.app import open_outbox

    return telling(
        partial(open_outbox, folder.database), folder.events_lock, options.events, announce, hear
    )


def banner(options: LocalOptions, folder: DataFolder, listener: socket.socket) -> str:
    """What the user reads at the start."""
    host, port = listener.getsockname()[:2]
    uri = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if options.aws_endpoint is not None:
        kept = f"data in DynamoDB and S3 at {options.aws_endpoint}"
    elif options.data is None:
        kept = "data in a temporary folder that is dropped at the end"
    else:
        kept = f"data in {folder.root}"
    lines = [
        f"Cairn serves {uri}, {kept}",
        "Point a training script at it:",
        "  pip install mlflow",
        f"  export MLFLOW_TRACKING_URI={uri}",
        "  python train.py",
        f"In a browser: {uri}/cairn tells what is here, {uri} is MLflow's own UI.",
    ]
    if folder.shared:
        lines.append("Another cairn local has this data open too: both serve the same runs.")
    if not _is_loopback(host):
        lines.append(
            "Everybody who reaches this address can read and write: there is no access control here."
        )
    lines.append("Ctrl-C stops it.")
    return "\n".join(lines)


def _app(options: LocalOptions, folder: DataFolder) -> "App":
    """Imported only now: a mistake on the command line is told before that."""
    return _embedded(folder) if options.aws_endpoint is None else _at_endpoint(options.aws_endpoint)


def _front(app: "App", options: LocalOptions) -> Wsgi:
    from cairn.http import handle, raw_methods

    gateway = Gateway(partial(handle, app), raw_methods, _user(), system_clock)
    ui = OverviewPage(StockUi(gateway, find_build(MLFLOW_VERSION), MLFLOW_VERSION))
    return ui if options.any_name else Guard(ui)


def _embedded(folder: DataFolder) -> "App":
    from cairn.app import build_local
    from cairn.errors import CairnError

    try:
        return build_local(folder.database, folder.artifacts, folder.blobs, folder.uploads)
    except (CairnError, sqlite3.Error) as error:
        raise Unusable(f"cannot keep data in {folder.database}: {_line(error)}") from error


def _at_endpoint(endpoint: str) -> "App":
    """Table and bucket as CAIRN_TABLE and CAIRN_BUCKET name them, else ``cairn`` and ``cairn-local``."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from cairn.app import build_local_aws
    from cairn.errors import CairnError
    from cairn.settings import Settings

    try:
        session = boto3.Session()
        if session.get_credentials() is None:
            raise Unusable(
                "no AWS credentials; an emulator takes any: "
                "AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"
            )
        return build_local_aws(
            Settings(
                CAIRN_TABLE=os.environ.get("CAIRN_TABLE", "cairn"),
                CAIRN_BUCKET=os.environ.get("CAIRN_BUCKET", "cairn-local"),
                AWS_REGION=session.region_name or "us-east-1",
                AWS_ENDPOINT_URL=endpoint,
            )
        )
    except (BotoCoreError, ClientError, CairnError) as error:
        raise Unusable(f"cannot keep data at {endpoint}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    try:
        listener = bind(host, port)
    except OSError as error:
        reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise Unusable(f"cannot listen at {host} port {port}: {reason}") from error
    with listener:
        yield listener


@contextmanager
def _data(options: LocalOptions) -> Iterator[DataFolder]:
    if options.data is not None and options.aws_endpoint is None:
        with open_folder(options.data) as folder:
            yield folder
    else:  # uploads need a place while they arrive, whoever keeps them then
        with (
            tempfile.TemporaryDirectory(prefix="cairn-") as temporary,
            open_folder(Path(temporary)) as folder,
        ):
            yield folder


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without an entry in passwd
        return str(os.getuid())


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def _stop(server: Server) -> None:
    """The first signal lets requests under way finish; the next ends the process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    server.stop()
