"""The commands ``cairn local`` and ``cairn admin``: their arguments, and what they say of wrong ones.

The command ``cairn`` itself is the client's (``mlflow_cairn.cli``), which these are added to.

A user's mistake is one line on standard error and exit status 2. Everything heavy is imported when it is
needed: ``--help`` is instant, and a local server answers within 1.5 s of its start.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from mlflow_cairn.command import Parser, fail

_LOCAL = "serve MLflow's tracking API from this machine"
_ADMIN = "look after the data, beside whatever serves it"
_EPILOG = """\
examples:
  cairn local                           http://127.0.0.1:5000, data in ./.cairn
  cairn local --port 5001 --data ~/ml   another port, another folder
  cairn local --ephemeral --port 0      a free port, data that is dropped at the end
  cairn local --aws-endpoint http://127.0.0.1:8000
                                        DynamoDB and S3 of an emulator; table and bucket are made

point a training script at it:
  export MLFLOW_TRACKING_URI=http://127.0.0.1:5000
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = _parser().parse_args(arguments)
    return _reindex(options) if options.command == "admin" else _local(options)


def _reindex(options: argparse.Namespace) -> int:
    if options.data is not None and (options.aws_endpoint is not None or options.table is not None):
        fail("--data names a folder, --table and --aws-endpoint a table in DynamoDB: choose")
    from cairn.local.admin import ReindexOptions, reindex
    from cairn.local.data import Unusable

    data = options.data or Path(".cairn")
    wanted = ReindexOptions(options.experiment, data, options.table, options.aws_endpoint)
    try:
        sys.stdout.write(f"{reindex(wanted, sys.stderr)}\n")
    except Unusable as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("cairn: interrupted; what was mended stays, and it may be begun again\n")
        return 130
    return 0


def _local(options: argparse.Namespace) -> int:
    if options.ephemeral and options.data is not None:
        fail("--data and --ephemeral exclude each other: keep the data, or drop it")
    if options.aws_endpoint is not None and (options.ephemeral or options.data is not None):
        fail("--aws-endpoint keeps the data there: leave out --data and --ephemeral")
    if options.aws_endpoint is not None and options.events is not None:
        fail("--events tells of data on this machine: leave out --aws-endpoint")
    from cairn.local.data import Unusable
    from cairn.local.run import LocalOptions, run_local

    try:
        run_local(
            LocalOptions(
                host=options.host or "127.0.0.1",
                port=options.port,
                data=None if options.ephemeral else options.data or Path(".cairn"),
                aws_endpoint=options.aws_endpoint,
                events=options.events,
                any_name=options.host is not None,
            )
        )
    except Unusable as error:
        fail(str(error))
    except KeyboardInterrupt:
        return 0  # while starting: nothing was under way
    return 0


class _Version(argparse.Action):
    """Print the version; it is looked up only then, the look-up costs as much as the rest of ``--help``."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        sys.stdout.write(f"cairn {version('cairn-server')}\n")
        parser.exit()


def _add_admin(commands: "argparse._SubParsersAction[Parser]") -> None:
    admin = commands.add_parser("admin", help=_ADMIN)
    tasks = admin.add_subparsers(dest="task", required=True, metavar="TASK")
    reindex = tasks.add_parser(
        "reindex",
        help="check the search index of an experiment and mend it",
        description="Compare the search index of an experiment with its runs, restore what is missing and\n"
        "remove what is false. Servers may run meanwhile; it may be interrupted and repeated.\n"
        "On DynamoDB it reads the whole table, at half a read unit per 4 KB.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    reindex.add_argument("experiment", metavar="EXPERIMENT", help="its id or its name")
    reindex.add_argument("--data", type=Path, metavar="DIR", help="folder of the data (default: ./.cairn)")
    reindex.add_argument("--table", metavar="NAME", help="a deployed table instead, in the AWS account")
    reindex.add_argument(
        "--aws-endpoint",
        type=_url,
        metavar="URL",
        help="an emulator's DynamoDB instead; the table is --table's, or CAIRN_TABLE's, or cairn",
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="cairn", description="An MLflow backend without a server: in AWS, or on this machine."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    local = commands.add_parser(
        "local",
        help=_LOCAL,
        description="Serve MLflow's tracking API from this machine until Ctrl-C:\n"
        "the same handlers as in AWS, on a SQLite file and a folder.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    local.add_argument(
        "--host",
        help="address to listen at (default: 127.0.0.1, and requests that name this machine alone)",
    )
    local.add_argument(
        "--port",
        type=_port,
        default=5000,
        help="port to listen at, 0 for a free one (default: %(default)s)",
    )
    local.add_argument(
        "--data", type=Path, metavar="DIR", help="folder that keeps the data (default: ./.cairn)"
    )
    local.add_argument(
        "--ephemeral", action="store_true", help="keep the data in a temporary folder, dropped at the end"
    )
    local.add_argument(
        "--aws-endpoint",
        type=_url,
        metavar="URL",
        help="keep the data in DynamoDB and S3 at this endpoint; table and bucket are made if missing",
    )
    local.add_argument(
        "--events", type=Path, metavar="FILE", help="append every event to this file, as a line of JSON"
    )
    _add_admin(commands)
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"'{text}' is no port: a number from 0 to 65535")
    return int(text)


def _url(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError(f"'{text}' is no URL like http://127.0.0.1:8000")
    return text


LOCAL = (_LOCAL, main)
ADMIN = (_ADMIN, main)
"""As the command ``cairn`` takes them (entry points, pyproject.toml)."""


if __name__ == "__main__":
    sys.exit(main())
