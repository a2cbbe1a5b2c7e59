"""How long a call is let through after its share is gone: by a clock that a test moves."""

import pytest

from cairn.domain.access import Action, Permission
from cairn.sharing.authorize import FRESH, Authority, Owner
from cairn.sharing.caller import Caller
from infra.constructs.sharing import EVERY, TIMEOUT_S
from tests.sharing.ram_fake import OWNER
from tests.sharing.stage import ALICE, Stage

PROMISE_S = 6 * 60
READ = Action("experiments:read", Permission.READ, "experiment")
CALLER = Caller("aws", ALICE, "role", "Trainer")


def last_allowed(stage: Stage, deleted: int, starts: range | list[int], took: int) -> int:
    """The last second after the deletion at which a call is let through; one calls each second. A run reads
    RAM when it starts, and what it writes is there when its time ends: what happens meanwhile it misses."""
    now = [0.0]
    authority = Authority(stage.grants, Owner(OWNER), lambda: now[0])
    share = stage.shares.get("fraud")
    last = -1
    for second in range(20 * 60):
        now[0] = float(second)
        stage.now = 1_000_000_000 + second * 1_000
        if second == deleted:
            stage.world.remove_share(share.ram_arn)
        if second - took in starts and second - took >= deleted:
            stage.run()
        if authority(CALLER, READ).sees("experiments", "fraud/cards"):
            last = second
    return last - deleted


@pytest.mark.parametrize("after_a_tick", [0, 1, 17, 150, 299])
def test_a_deleted_share_lets_nobody_in_after_six_minutes(stage: Stage, after_a_tick: int) -> None:
    """The next run takes all the time that Lambda gives it, and the caller has just been looked up."""
    stage.settled()
    every = int(EVERY.to_seconds())
    starts = range(0, 20 * 60, every)
    gone = last_allowed(stage, every + after_a_tick, starts, TIMEOUT_S)
    until = (-after_a_tick) % every + TIMEOUT_S
    assert until - 1 <= gone < until + FRESH, "as it was computed, and as it is promised:"
    assert every + TIMEOUT_S + FRESH <= PROMISE_S


def test_an_event_makes_it_a_minute(stage: Stage) -> None:
    """EventBridge gives an event to its target within seconds as a rule, and a run takes some."""
    stage.settled()
    deleted, delivered, run = 301, 20, 10
    assert last_allowed(stage, deleted, [deleted + delivered], run) <= 60
