"""What shares cost: requests that write records, and the reconciler where nothing changed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cairn.domain.access import Permission
from cairn.domain.shares import Share
from cairn.sharing.ram import Parameters, Ram
from cairn.sharing.reconcile import Reconciler
from cairn.storage.engine import EngineTable
from cairn.storage.grants import Grants
from cairn.storage.meter import Meter
from cairn.storage.shares import Shares
from tests.budget.conftest import units
from tests.sharing.ram_fake import FakeRam, FakeSsm, World
from tests.sharing.stage import HERE
from tests.sharing.test_shares import SHARE
from tests.storage.engines import NAMES, open_table

Metered = tuple[EngineTable, Meter]


@pytest.fixture(params=NAMES)
def metered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Metered]:
    meter = Meter()
    with open_table(request.param, tmp_path, meter) as table:
        yield table, meter


def named(number: int, members: int = 1) -> Share:
    accounts = {f"{number:04d}{member:08d}": "wanted" for member in range(members)}
    return replace(SHARE, share_id=f"{number:016x}", name=f"share-{number}", members=accounts)  # type: ignore[arg-type]


def test_requests(metered: Metered) -> None:
    table, meter = metered
    shares = Shares(table, lambda attempt: None)
    with meter.measure() as made:
        shares.create(named(1))
    assert units(made) == [1, 1, 0]
    with meter.measure() as got:
        shares.get("share-1")
    assert units(got) == [1, 0, 1]
    with meter.measure() as changed:
        shares.change("share-1", lambda held: replace(held, permission=Permission.WRITE))
    assert units(changed) == [2, 1, 1]


def test_the_reconciler_where_nothing_changed(metered: Metered) -> None:
    """10 shares with 10 accounts each: 1 query, 1 batch of grants, 1 note of the time."""
    table, meter = metered
    shares, grants, world, now = Shares(table, lambda attempt: None), Grants(table), World(), 1_000_000
    ram, parameters = Ram(FakeRam(world), "prod"), Parameters(FakeSsm(world))

    def units_of(unit: str) -> frozenset[str]:
        raise AssertionError(unit)

    reconciler = Reconciler(shares, grants, ram, parameters, units_of, HERE, lambda: now)
    with meter.measure() as idle:
        reconciler.run()
    assert units(idle) == [1, 0, 1]
    for number in range(10):
        shares.create(replace(named(number, members=10), created=now, updated=now))
    for _ in range(3):
        reconciler.run()
        world.settle()
        for share in shares.all()[0]:
            for account in share.members:
                world.accept(account)
    assert reconciler.run().changed == 0
    world.calls.clear()
    with meter.measure() as quiet:
        assert reconciler.run().changed == 0
    assert units(quiet) == [3, 1, 101]
    assert len(world.calls) == 2 + 1
