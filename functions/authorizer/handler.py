"""The Lambda authorizer of tokens and of browsers' sessions: which principal one stands for."""

from cairn import startup  # isort: split

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from cairn.entrance import build_authorizer
from cairn.settings import Settings

logger = Logger()
authorizer = build_authorizer(Settings.from_environment())
startup.done()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What it fails with is its answer, where a token is no good. The event holds the token, or the cookie:
    it is not logged."""
    return authorizer.answer(event)
