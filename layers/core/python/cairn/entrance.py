"""The composition root of the functions that stand before the others: the authorizer of tokens and
sessions, and the doors of the browser's front.

They read the partitions of tokens alone, and every request waits for one of them; so they load none of what
``app`` wires.
"""

import random
from typing import TYPE_CHECKING

from cairn.domain.clock import system_clock
from cairn.settings import Settings
from cairn.sharing.sessions import SESSION_PREFIX, SignIn
from cairn.sharing.tokens import Gatekeeper
from cairn.storage.sessions import Sessions
from cairn.storage.table import Table
from cairn.storage.tokens import Tokens

if TYPE_CHECKING:
    from cairn.artifacts.site import SiteBucket
    from cairn.sharing.authorizer import Authorizer
    from cairn.sharing.doors import Doors


def build_authorizer(settings: Settings) -> "Authorizer":
    """Finds whom a token stands for, or a browser's session."""
    from cairn.sharing.authorizer import Authorizer
    from cairn.sharing.browser import SessionAuthorizer

    table = _table(settings)
    admit = Gatekeeper(Sessions(table).find, system_clock, SESSION_PREFIX).admit
    of_sessions = SessionAuthorizer(admit, settings.ui_origin)
    return Authorizer(Gatekeeper(Tokens(table).find, system_clock).admit, of_sessions.answer)


def build_doors(settings: Settings, page: bytes) -> "Doors":
    """Signs browsers in and out, and sends them the UI's page."""
    from cairn.sharing import pages
    from cairn.sharing.doors import Doors

    sign_in = SignIn(Sessions(_table(settings)), system_clock, random.SystemRandom().getrandbits)
    policy = pages.stock_policy([pages.bucket_host(settings.bucket, settings.region)])
    return Doors(sign_in, page, pages.headers(policy, pages.ASK_AGAIN), settings.ui_origin)


def build_site(bucket: str) -> "SiteBucket":
    """Puts the UI's files into a bucket, at deploy."""
    import boto3

    from cairn.artifacts.site import SiteBucket

    return SiteBucket(boto3.client("s3"), bucket)


def _table(settings: Settings) -> Table:
    from cairn.storage.dynamodb import DynamoDBTable
    from cairn.storage.wire import connect

    return DynamoDBTable(connect(settings.region, settings.endpoint), settings.table)
