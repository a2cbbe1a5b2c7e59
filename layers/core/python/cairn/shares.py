"""The composition root of shares: the reconciler, the function that keeps declared shares, and what the API
asks of them.

The two functions reach grants and shares alone; so they load none of what ``app`` wires, and ``app`` loads
this where something is shared.
"""

from typing import TYPE_CHECKING

from cairn.domain.clock import system_clock
from cairn.domain.shares import Place
from cairn.services.share_ports import Shares
from cairn.settings import Settings
from cairn.storage.retry import Retry
from cairn.storage.shares import Shares as Records
from cairn.storage.table import Table

if TYPE_CHECKING:
    from cairn.services.declared import Declarer
    from cairn.sharing.reconcile import Reconciler


def build_reconciler(settings: Settings) -> "Reconciler":
    """The function that makes grants equal to what RAM says."""
    import boto3

    from cairn.sharing.connect import reconciler
    from cairn.sharing.direct import Folder
    from cairn.sharing.shares import Here
    from cairn.storage.grants import Grants

    table, here = _table(settings), Here.of(settings.shares, settings.uri)
    records, role = Records(table, Retry().wait), settings.organizations_role
    folder = Folder(here.partition, settings.bucket, settings.artifact_prefix)
    return reconciler(
        boto3.client,
        settings.endpoint,
        records,
        Grants(table),
        here,
        role,
        system_clock,
        folder if settings.direct_s3 else None,
    )


def build_declarer(settings: Settings) -> "Declarer":
    """The function that keeps the shares which stacks declare."""
    from cairn.services.declared import Declarer

    return Declarer(shares(_table(settings), settings), system_clock)


def shares(table: Table, settings: Settings) -> Shares:
    """Of a deployment. No request speaks to RAM; one that wrote a record calls for the reconciler."""

    def nudge() -> None:
        import boto3

        from cairn.sharing.connect import nudge

        nudge(boto3.client, settings.endpoint, settings.region, settings.reconciler)

    place = Place(
        settings.account, bool(settings.organizations_role), settings.gate, direct_s3=settings.direct_s3
    )
    return Shares(Records(table, Retry().wait), place, lambda name: f"{settings.shares}/{name}", nudge)


def _table(settings: Settings) -> Table:
    from cairn.storage.dynamodb import DynamoDBTable
    from cairn.storage.wire import connect

    return DynamoDBTable(connect(settings.region, settings.endpoint), settings.table)
