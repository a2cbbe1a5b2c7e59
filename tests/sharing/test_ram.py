"""How RAM's lists are read: the last word on each, and no list without an end."""

from dataclasses import replace
from typing import Any

import pytest

from cairn.sharing.ram import Ram, Unavailable
from tests.sharing.ram_fake import FakeRam
from tests.sharing.stage import ALICE, Stage


def read(stage: Stage) -> dict[str, str]:
    (share,) = Ram(FakeRam(stage.world), "prod").read(frozenset()).values()
    return dict(share.principals)


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_rows_at_one_time_the_one_counts_that_gives_nothing(stage: Stage, order: int) -> None:
    share = stage.settled()
    (row,) = stage.world.rows(share.ram_arn, ALICE)
    stage.world.associations.append(replace(row, status="DISASSOCIATED"))
    stage.world.associations[:] = stage.world.associations[::order]
    assert read(stage) == {ALICE: "DISASSOCIATED"}


@pytest.mark.parametrize("order", [1, -1])
def test_the_later_row_counts(stage: Stage, order: int) -> None:
    share = stage.settled()
    stage.world.revoke(share.ram_arn, ALICE)
    stage.world.put_in(share.ram_arn, ALICE)
    stage.world.associations[:] = stage.world.associations[::order]
    assert read(stage) == {ALICE: "ASSOCIATED"}


def test_a_list_that_repeats_itself_is_left_at_once(stage: Stage) -> None:
    stage.settled()
    stage.world.calls.clear()
    stage.world.change_answer = lambda operation, answer: {**answer, "nextToken": "0"}
    with pytest.raises(Unavailable, match="same page"):
        read(stage)
    assert len(stage.world.calls) == 2


def test_what_others_share_is_none_of_ours(stage: Stage) -> None:
    """But for a share that a record knows: its tags may have been taken away."""
    share = stage.settled()
    stage.world.shares[share.ram_arn].tags.clear()
    assert Ram(FakeRam(stage.world), "prod").read(frozenset()) == {}
    known: dict[str, Any] = dict(Ram(FakeRam(stage.world), "prod").read(frozenset({share.ram_arn})))
    assert set(known) == {share.ram_arn}
    stage.run()
    assert stage.holders() == {ALICE}
