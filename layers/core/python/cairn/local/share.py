"""The command ``cairn share``: what a deployment's admin does about shares, by its signed API.

Nothing here decides: the API does, by whoever the AWS credentials stand for. ``status`` ends with 1 where a
person has to look at something, so that a script can ask.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from mlflow_cairn.command import Parser, fail, server_of

_SHARE = "share experiments, models and prompts with other accounts"
_EPILOG = """\
examples:
  cairn share create fraud --experiments 'fraud/*' --models 'fraud-*' --permission READ \\
      --principal 444455556666 --role 'Train*'
  cairn share status fraud                 how it stands, and what to do next
  cairn share update fraud --principal 777788889999
  cairn share update fraud --remove-principal 444455556666
  cairn share delete fraud

The server is MLFLOW_TRACKING_URI's, or --server's; requests are signed by your AWS credentials.
docs/sharing.md says what RAM carries, and how soon what follows.
"""


class Api(Protocol):
    """The server's own routes (``mlflow_cairn.server.Server``)."""

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]: ...


Connect = Callable[[str | None], Api]


def main(arguments: Sequence[str] | None = None, connect: Connect | None = None) -> int:
    """Run the command; the exit status."""
    from mlflow_cairn.server import Failed

    options = _parser().parse_args(arguments)
    try:
        answer = _ask((connect or server_of)(options.server), options)
    except Failed as failed:
        fail(str(failed))
    if options.json:
        sys.stdout.write(f"{json.dumps(answer, indent=2)}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _told(answer, options.task))
    return 1 if options.task == "status" and _wants_somebody(answer) else 0


def _ask(api: Api, options: argparse.Namespace) -> dict[str, Any]:
    path = f"shares/{quote(options.name, safe='')}" if getattr(options, "name", None) else "shares"
    match options.task:
        case "create":
            return api.call("POST", "shares", {"name": options.name, **_given(options)})
        case "update":
            return api.call("PATCH", path, _given(options))
        case "delete":
            return api.call("DELETE", path)
        case "status":
            asked = f"?name={quote(options.name, safe='')}" if options.name else ""
            return api.call("GET", f"share-status{asked}")
        case _:
            return api.call("GET", path)


def _given(options: argparse.Namespace) -> dict[str, object]:
    """What the user said, under the names of the API's fields."""
    names = {
        "permission": "permission",
        "experiments": "experiments",
        "experiment_ids": "experiment_ids",
        "models": "models",
        "prompts": "prompts",
        "principal": "principals",
        "remove_principal": "remove_principals",
        "role": "roles",
    }
    said = {field: getattr(options, name, None) for name, field in names.items()}
    if getattr(options, "any_role", False):
        said["roles"] = []
    said["direct_s3"] = getattr(options, "direct_s3", None)
    return {field: value for field, value in said.items() if value is not None}


def _told(answer: Mapping[str, Any], task: str) -> Iterator[str]:
    if "share" in answer:
        yield from _whole(answer["share"])
        return
    if not answer["shares"]:
        yield "Nothing is shared. `cairn share create` shares something."
    for share in answer["shares"]:
        if task == "list":
            yield f"{share['name']:<20} {share['state']:<9} {share['permission']:<6} {_patterns(share)}"
        else:
            yield from _standing(share)
    if answer.get("reconciler"):
        yield from _reconciler(answer["reconciler"])


def _whole(share: Mapping[str, Any]) -> Iterator[str]:
    for name in ("experiments", "experiment_ids", "models", "prompts", "roles"):
        if share[name]:
            yield f"{name:<15} {', '.join(share[name])}"
    yield f"{'permission':<15} {share['permission']}"
    if share["direct_s3"]:
        yield f"{'direct S3':<15} files in the bucket, by the accounts' own credentials"
    yield f"{'parameter':<15} {share['parameter']}"
    if share["ram_share"]:
        yield f"{'RAM share':<15} {share['ram_share']}"
    if share["declared_by"]:
        yield f"{'declared by':<15} {share['declared_by']}"
    yield from _standing(share)


def _standing(share: Mapping[str, Any]) -> Iterator[str]:
    yield f"{share['name']}: {share['state']}"
    for one in share["principals"]:
        leaves = ", leaves" if one["wish"] == "leaving" else ""
        yield f"  {one['principal']}: {one['status']}{leaves}"
    for problem in share["problems"]:
        yield f"  problem: {problem}"
    yield f"  next: {share['next']}"


def _reconciler(found: Mapping[str, Any]) -> Iterator[str]:
    for arn in found["unmatched"]:
        yield (
            f"RAM share {arn} has no record and gives nothing to anybody: delete it "
            f"(aws ram delete-resource-share --resource-share-arn {arn})."
        )
    if found["late"]:
        yield found["next"]


def _wants_somebody(answer: Mapping[str, Any]) -> bool:
    found = answer.get("reconciler") or {"late": False, "unmatched": []}
    return bool(found["late"] or found["unmatched"] or any(one["problems"] for one in answer["shares"]))


def _patterns(share: Mapping[str, Any]) -> str:
    kinds = ("experiments", "experiment_ids", "models", "prompts")
    return "; ".join(f"{kind} {', '.join(share[kind])}" for kind in kinds if share[kind])


def _parser() -> argparse.ArgumentParser:
    cairn = Parser(prog="cairn")
    share = cairn.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser(
        "share",
        description="Share experiments, models and prompts with other AWS accounts, by AWS RAM.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tasks = share.add_subparsers(dest="task", required=True, metavar="TASK")
    helps = {
        "create": "make a share",
        "update": "change what is given; a list replaces the one before it, an empty one removes it",
        "list": "all shares, a line each",
        "show": "what a share is, and how it stands",
        "status": "how a share stands, or all; ends with 1 where somebody has to look",
        "delete": "end a share: nobody has access by it within 5 minutes",
    }
    made = {task: tasks.add_parser(task, help=text, description=text) for task, text in helps.items()}
    for task, parser in made.items():
        if task != "list":
            parser.add_argument("name", metavar="NAME", nargs="?" if task == "status" else None)
        if task in ("create", "update"):
            _add_contents(parser, new=task == "create")
        parser.add_argument(
            "--server", metavar="URI", help="the tracking URI (default: MLFLOW_TRACKING_URI)"
        )
        parser.add_argument("--json", action="store_true", help="print the API's answer")
    return cairn


def _add_contents(parser: argparse.ArgumentParser, *, new: bool) -> None:
    several = "+" if new else "*"
    what = "exact names, or a prefix with one '*' at its end"
    for kind in ("experiments", "models", "prompts"):
        parser.add_argument(f"--{kind}", nargs=several, action="extend", metavar="PATTERN", help=what)
    parser.add_argument("--experiment-ids", nargs=several, action="extend", metavar="ID")
    parser.add_argument("--permission", choices=("READ", "WRITE", "MANAGE"), help="default: READ")
    parser.add_argument(
        "--principal",
        action="append",
        required=new,
        metavar="PRINCIPAL",
        help="an account's 12 digits, or the ARN of an organisation or an organisational unit; repeatable",
    )
    parser.add_argument(
        "--role",
        action="append",
        metavar="NAME",
        help="these roles of the accounts alone, or those that begin so ('Train*'); repeatable",
    )
    parser.add_argument(
        "--direct-s3",
        action="store_true" if new else argparse.BooleanOptionalAction,
        default=None,
        help="name the accounts in the bucket's policy as well; for experiment ids alone (docs/sharing.md)",
    )
    if not new:
        parser.add_argument("--any-role", action="store_true", help="not narrowed to roles any more")
        parser.add_argument("--remove-principal", action="append", metavar="PRINCIPAL", help="repeatable")


SHARE = (_SHARE, main)
"""As the command ``cairn`` takes it (entry points, pyproject.toml)."""
