"""What every command of ``cairn`` shares: how a mistake is told, and which server is asked."""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from mlflow_cairn.uris import is_arn

if TYPE_CHECKING:
    from mlflow_cairn.server import Server


class Parser(argparse.ArgumentParser):
    """argparse, with one line for a mistake instead of the usage and a line."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (see {self.prog} --help)")


def fail(message: str) -> NoReturn:
    """One line for the user, exit status 2."""
    sys.stderr.write(f"cairn: {message}\n")
    raise SystemExit(2)


def server_of(given: str | None, environ: Mapping[str, str] = os.environ) -> "Server":
    """The server of a ``--server``, or of MLflow's own variable."""
    from mlflow_cairn.server import Server

    uri = given or environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        fail("which server? Set MLFLOW_TRACKING_URI, or give --server")
    if is_arn(uri):
        from mlflow_cairn.shared import plain

        uri = plain(uri)
    if not uri.startswith(("https://", "http://")):
        fail(f"{uri} is no https URL")
    return Server.of(uri, environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True)
