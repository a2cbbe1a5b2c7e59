"""The command ``cairn access``: why somebody may, or may not, do something; asked of the signed API."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from mlflow_cairn.command import Parser, fail, server_of

_EPILOG = """\
examples:
  cairn access explain --principal arn:aws:iam::444455556666:role/Trainer \\
      --action runs:log --experiment fraud/a
  cairn access explain --principal arn:aws:iam::444455556666:role/Trainer --organisation o-a1b2c3d4e5 \\
      --action registry:read --model fraud

docs/sharing.md lists the actions, and says what decides.
"""
_FIELDS = ("principal", "action", "experiment", "model", "prompt", "organisation")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status: 0 where the principal may, 1 where it may not."""
    from mlflow_cairn.server import Failed

    options = _parser().parse_args(arguments)
    asked = {field: value for field in _FIELDS if (value := getattr(options, field))}
    try:
        told = server_of(options.server).get(f"access/explain?{urlencode(asked)}")
    except Failed as failed:
        fail(str(failed))
    if options.json:
        sys.stdout.write(f"{json.dumps(told, indent=2)}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(told))
    return 0 if told["decision"] == "ALLOWED" else 1


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """An explanation, in words."""
    decisions = {
        "ALLOWED": "may",
        "PERMISSION_DENIED": "may not",
        "INVISIBLE": "may not, and is answered as if it were not there:",
    }
    on = told.get("resource")
    what = "" if on is None else f" on {on['kind'].removesuffix('s')} {on['name'] or on['id']!r}"
    yield f"{told['principal']} {decisions[told['decision']]} {told['action']}{what}"
    yield f"  needs {told['needs']}, has {told['has']}"
    if on is not None and not on["exists"]:
        yield "  nothing of that name is there now"
    for sentence in told["because"]:
        yield f"  {sentence}"
    if told["advice"]:
        yield f"  next: {told['advice']}"


def _parser() -> argparse.ArgumentParser:
    cairn = Parser(prog="cairn")
    access = cairn.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser("access")
    text = "why a principal may, or may not, do something"
    explain = access.add_subparsers(dest="task", required=True, metavar="TASK").add_parser(
        "explain",
        help=text,
        description=f"{text.capitalize()}.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.add_argument("--principal", required=True, metavar="ARN", help="of IAM or STS")
    explain.add_argument("--action", required=True, help="such as runs:log")
    about = explain.add_mutually_exclusive_group()
    about.add_argument("--experiment", metavar="NAME_OR_ID")
    about.add_argument("--model", metavar="NAME", help="a registered model")
    about.add_argument("--prompt", metavar="NAME")
    explain.add_argument("--organisation", metavar="ID", help="the principal's, which its ARN does not say")
    explain.add_argument("--server", metavar="URI", help="the tracking URI (default: MLFLOW_TRACKING_URI)")
    explain.add_argument("--json", action="store_true", help="print the API's answer")
    return cairn


ACCESS = ("say why somebody may, or may not, do something", main)
"""As the command ``cairn`` takes it (entry points, pyproject.toml)."""
