"""The browser's front before anybody is signed in: the UI's page, sign-in, sign-out."""

from cairn import startup  # isort: split

from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.entrance import build_doors
from cairn.settings import Settings

logger = Logger()
doors = build_doors(Settings.from_environment(), Path(__file__).with_name("index.html").read_bytes())
"""The page lies beside this file in what is deployed (infra/site.py)."""
startup.done()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The event holds codes and cookies: it is not logged."""
    return doors.answer(event)
