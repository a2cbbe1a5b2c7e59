"""The command ``cairn``: what a data scientist needs of it, and the commands that other packages add.

``token``, ``ui`` and ``whoami`` are here. A package adds a command by an entry point of the group
``cairn.commands``: a pair of a line of help, and what is called with the whole command line and returns the
exit status. A user's mistake is one line on standard error and exit status 2.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import EntryPoints, entry_points
from typing import TYPE_CHECKING, Any, NoReturn, cast

from mlflow_cairn.command import Parser, fail, server_of

if TYPE_CHECKING:
    from mlflow_cairn.server import Server

GROUP = "cairn.commands"

Added = tuple[str, Callable[[Sequence[str]], int]]

_EPILOG = """\
examples:
  cairn whoami                             what the server takes you for
  cairn ui                                 the web UI, in a browser that this signs in
  cairn token                              a token that reads, good for an hour
  cairn token --permission WRITE --hours 8
  eval "$(cairn token --export)"           into this shell: MLflow's client uses it from here on
  cairn token --revoke                     void all tokens that you minted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    added = entry_points(group=GROUP)
    if given and given[0] in added.names:
        _, run = cast("Added", added[given[0]].load())
        return run(given)
    return _run(_parser(added).parse_args(given))


def _run(options: argparse.Namespace) -> int:
    from mlflow.exceptions import MlflowException

    from mlflow_cairn.server import Failed

    try:
        server = server_of(options.server)
        sys.stdout.write(_ANSWERS[options.command](server, options))
    except Failed as failed:
        fail(str(failed))
    except MlflowException as refused:
        fail(refused.message)
    return 0


def _ui(server: "Server", options: argparse.Namespace) -> str:
    from mlflow_cairn.ui import open_ui

    return open_ui(server, options.permission, options.hours, only_print=options.print)


def _whoami(server: "Server", _: argparse.Namespace) -> str:
    me = server.get("whoami")
    lines = [f"principal     {me['principal']}", f"server        {server.uri}"]
    if me.get("session"):
        lines.append(f"session       {me['session']} (decides nothing)")
    if me.get("organisation"):
        lines.append(f"organisation  {me['organisation']}")
    return "\n".join(lines) + "\n"


def _token(server: "Server", options: argparse.Namespace) -> str:
    if options.revoke:
        body = {"principal": options.principal} if options.principal else {}
        revoked = server.post("tokens/revoke", body)
        return f"All tokens that {revoked['principal']} minted until now are void.\n"
    if options.list:
        tokens = server.get("tokens/list")["tokens"]
        return "".join(f"{_line(token)}\n" for token in tokens) or "No token is good.\n"
    minted = server.post("tokens/create", {"permission": options.permission, "hours": options.hours})
    if options.json:
        return json.dumps({**minted, "tracking_uri": server.token_uri}) + "\n"
    if options.export:
        wanted = {"MLFLOW_TRACKING_URI": server.token_uri, "MLFLOW_TRACKING_TOKEN": minted["token"]}
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in wanted.items())
    sys.stderr.write(
        f"{minted['permission']} as {minted['principal']} until {_time(minted['expires'])}, "
        f"at {server.token_uri}\n"
    )
    return f"{minted['token']}\n"


_ANSWERS: Mapping[str, Callable[["Server", argparse.Namespace], str]] = {
    "token": _token,
    "ui": _ui,
    "whoami": _whoami,
}


def _line(token: Mapping[str, Any]) -> str:
    return f"{token['permission']:<6} until {_time(token['expires'])}  minted {_time(token['created'])}"


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


class _Version(argparse.Action):
    """Looked up only where it is asked for: that costs as much as all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        sys.stdout.write(f"cairn {version('mlflow-cairn')}\n")
        parser.exit()


def _parser(added: EntryPoints) -> argparse.ArgumentParser:
    parser = Parser(
        prog="cairn",
        description="Cairn, an MLflow backend without a server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for entry in sorted(added, key=lambda entry: entry.name):
        commands.add_parser(entry.name, help=cast("Added", entry.load())[0])
    whoami = commands.add_parser("whoami", help="what the server takes you for")
    token = commands.add_parser("token", help="a token for what cannot sign requests")
    ui = commands.add_parser("ui", help="the web UI, in a browser that this signs in")
    for command in (whoami, token, ui):
        command.add_argument(
            "--server", metavar="URI", help="the tracking URI (default: MLFLOW_TRACKING_URI)"
        )
    token.add_argument(
        "--permission", choices=("READ", "WRITE"), default="READ", help="what it may at most"
    )
    ui.add_argument(
        "--permission",
        choices=("READ", "WRITE", "MANAGE"),
        default="MANAGE",
        help="what the browser may at most (default: what you may)",
    )
    ui.add_argument("--hours", type=_hours, default=12, metavar="N", help="1 to 12 (default: 12)")
    ui.add_argument("--print", action="store_true", help="print the address; open no browser")
    token.add_argument("--hours", type=_hours, default=1, metavar="N", help="1 to 12 (default: 1)")
    what = token.add_mutually_exclusive_group()
    what.add_argument("--export", action="store_true", help="print lines for a shell")
    what.add_argument("--json", action="store_true", help="print all about it, as JSON")
    what.add_argument("--list", action="store_true", help="your tokens that are good; mints none")
    what.add_argument("--revoke", action="store_true", help="void your tokens; mints none")
    token.add_argument("--principal", metavar="ARN", help="with --revoke: whose, for admins")
    return parser


def _hours(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 12):
        raise argparse.ArgumentTypeError(f"it is good for 1 to 12 hours, not {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
