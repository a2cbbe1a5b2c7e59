"""From any half state to RAM's truth: random histories, a death between any two calls, a second reconciler
in the middle of the first."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cairn.domain.access import Permission
from cairn.errors import CairnError
from cairn.sharing.ram import Unavailable
from cairn.sharing.reconcile import Unsettled
from tests.sharing.ram_fake import ORGANISATION, OWNER, refusal, unit_arn
from tests.sharing.stage import ALICE, BOB, CAROL, Stage
from tests.storage.faults import Crash

NAMES = ("fraud", "churn")
UPPER, LOWER = "ou-ab12-aaaaaaaa", "ou-ab12-bbbbbbbb"
WHO = (OWNER, ALICE, BOB, ORGANISATION, unit_arn(UPPER))

Act = Callable[[Stage], object]


def tolerant(act: Act) -> Act:
    """What a request is refused is no step; what RAM does not have, nobody can change in the console."""

    def done(stage: Stage) -> object:
        try:
            return act(stage)
        except CairnError:
            return None

    return done


def arn(stage: Stage, name: str) -> str | None:
    found = stage.shares.get(name).ram_arn
    return found if found in stage.world.shares else None


def console(name: str, do: Callable[[Stage, str], object]) -> Act:
    return tolerant(lambda stage: do(stage, found) if (found := arn(stage, name)) else None)


def reconcile(stage: Stage) -> object:
    try:
        return stage.run()
    except (Crash, Unavailable, Unsettled):
        return None


def dying(at: int) -> Act:
    def act(stage: Stage) -> None:
        stage.fuse.reset(blow=at)
        reconcile(stage)
        stage.fuse.reset()

    return act


def beside(at: int, twin: int) -> Act:
    """A second reconciler starts at the n-th call of the first; it dies itself, or ends."""

    def second(stage: Stage) -> None:
        other = stage.fuse
        stage.fuse = type(other)()
        stage.fuse.reset(blow=twin)
        before, after = stage.world.before_call, stage.world.after_call
        stage.world.before_call = stage.world.after_call = stage.fuse.tick
        stage.table._fuse = stage.fuse
        reconcile(stage)
        stage.fuse, stage.table._fuse = other, other
        stage.world.before_call, stage.world.after_call = before, after

    def act(stage: Stage) -> None:
        stage.fuse.reset(at=at, then=lambda: second(stage))
        reconcile(stage)
        stage.fuse.reset()

    return act


def throttled(at: int) -> Act:
    def act(stage: Stage) -> None:
        calls = iter(range(1, 1_000))

        def throttle(operation: str) -> None:
            if next(calls) == at:
                raise refusal(operation, "ThrottlingException")

        before = stage.world.before_call
        stage.world.before_call = throttle
        reconcile(stage)
        stage.world.before_call = before

    return act


def page_size(size: int) -> Act:
    def act(stage: Stage) -> None:
        stage.world.page_size, stage.world.empty_pages = size, size == 1

    return act


names, who, calls = st.sampled_from(NAMES), st.sampled_from(WHO), st.integers(1, 90)
accounts = st.sampled_from((ALICE, BOB, CAROL))
acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(lambda n, w: tolerant(lambda stage: stage.share(n, w)), names, st.sets(who, max_size=3)),
    st.builds(lambda n, w: tolerant(lambda stage: stage.add(n, w)), names, who),
    st.builds(lambda n, w: tolerant(lambda stage: stage.remove(n, w)), names, who),
    st.builds(lambda n: tolerant(lambda stage: stage.delete(n)), names),
    st.builds(lambda n, w: console(n, lambda stage, found: stage.world.revoke(found, w)), names, who),
    st.builds(lambda n, w: console(n, lambda stage, found: stage.world.put_in(found, w)), names, accounts),
    st.builds(
        lambda n, f: console(n, lambda stage, found: stage.world.remove_share(found, forgotten=f)),
        names,
        st.booleans(),
    ),
    st.builds(lambda a: lambda stage: stage.world.accept(a), accounts),
    st.builds(lambda a: lambda stage: stage.world.expire(a), accounts),
    st.just(lambda stage: stage.world.settle()),
    st.just(lambda stage: stage.world.inside[UPPER].symmetric_difference_update({CAROL})),
    st.builds(lambda ms: lambda stage: stage.later(ms), st.sampled_from((1_000, 60_000, 700_000))),
    st.builds(page_size, st.sampled_from((1, 2, 100))),
    st.just(reconcile),
    st.builds(dying, calls),
    st.builds(beside, calls, st.one_of(st.just(0), calls)),
    st.builds(throttled, st.integers(1, 30)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(acts, min_size=3, max_size=25))
@example([tolerant(lambda s: s.share("fraud", (ALICE, BOB))), dying(20), reconcile])
@example(
    [tolerant(lambda s: s.share("fraud")), reconcile, tolerant(lambda s: s.delete("fraud")), throttled(7)]
)
@example(
    [
        tolerant(lambda s: s.share("fraud")),
        throttled(9),
        tolerant(lambda s: s.delete("fraud")),
        throttled(7),
    ]
)
def test_the_grants_come_to_rams_truth(history: list[Act]) -> None:
    stage = Stage()
    try:
        stage.world.add_unit(UPPER, {ALICE})
        stage.world.add_unit(LOWER, {BOB}, above=UPPER)
        for act in history:
            act(stage)
        check(stage)
    finally:
        stage.close()


def check(stage: Stage) -> None:
    """Everything under way comes about; then grants are records times RAM, to the last one, nothing is left
    of what was deleted, and nothing is done any more."""
    stage.quiet()
    expected = stage.expected()
    assert stage.holders() == {holder for holder, grants in expected.items() if grants}
    for holder, grants in expected.items():
        assert stage.held(holder) == grants
    records, _ = stage.shares.all()
    assert not [record.name for record in records if record.deleting]
    assert set(stage.world.parameters) <= {f"/cairn/prod/shares/{record.name}" for record in records}
    stage.world.calls.clear()
    if records:
        assert stage.run().changed == 0
    assert not [call for call in stage.world.calls if not call.startswith(("Get", "List"))] or any(
        record.found.problems for record in records
    )


def accepted(stage: Stage) -> None:
    stage.world.settle()
    for account in (ALICE, BOB):
        stage.world.accept(account)


LIFE: tuple[Act, ...] = (
    lambda stage: stage.share("fraud", (ALICE, BOB, ORGANISATION)),
    accepted,
    lambda stage: stage.remove("fraud", BOB),
    lambda stage: stage.edit("fraud", lambda held: held),
    lambda stage: stage.world.revoke(stage.shares.get("fraud").ram_arn, ALICE),
    lambda stage: stage.delete("fraud"),
    lambda stage: stage.later(200_000),
)
"""A share's whole life: something for the reconciler to do behind each."""


@pytest.mark.parametrize("stop", range(len(LIFE)))
def test_a_death_between_any_two_calls_is_mended(stop: int) -> None:
    at = 1
    while True:
        stage = Stage()
        stage.world.add_unit(UPPER, {CAROL})
        for act in LIFE[:stop]:
            act(stage)
            stage.run()
        LIFE[stop](stage)
        stage.fuse.reset(blow=at)
        reconcile(stage)
        died = stage.fuse.dead
        stage.fuse.reset()
        check(stage)
        stage.close()
        if not died:
            break
        at += 1
    assert at > 8, "there was something to die in"


@pytest.mark.parametrize("wished", [Permission.READ, Permission.MANAGE])
def test_a_slow_reconciler_does_not_bring_back_what_a_quick_one_took(wished: Permission) -> None:
    """At each call of the first, ALICE is taken out in RAM and a second one runs whole. When the first has
    come to its end, she is out."""
    at = 0
    while True:
        at += 1
        stage = Stage()
        stage.share("fraud", (ALICE,), permission=wished)
        stage.run()
        stage.world.settle()
        stage.world.accept(ALICE)

        def out(stage: Stage = stage) -> None:
            stage.world.revoke(stage.shares.get("fraud").ram_arn, ALICE)
            reconcile(stage)

        stage.fuse.reset(at=at, then=out)
        stage.run()
        fired = stage.fuse.count >= at
        stage.fuse.reset()
        last_was_read = stage.holders()
        stage.close()
        if not fired:
            break
        assert last_was_read == set(), f"at call {at}"
    assert at > 20
