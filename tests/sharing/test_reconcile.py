"""The reconciler in named situations: who gets in, who gets out, what is told, what is never believed."""

import json
import logging
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from cairn.domain import shares as rules
from cairn.domain.access import Pattern, Permission
from cairn.domain.grants import Grant
from cairn.sharing.ram import Unavailable
from cairn.sharing.reconcile import GRACE_MS, Report
from tests.sharing.ram_fake import ORGANISATION, ORGANISATION_ID, OWNER, refusal, unit_arn
from tests.sharing.stage import ALICE, BOB, CAROL, HERE, URI, Stage

MUTATIONS = {
    "CreateResourceShare",
    "UpdateResourceShare",
    "AssociateResourceShare",
    "DisassociateResourceShare",
    "DeleteResourceShare",
    "PutParameter",
    "DeleteParameter",
}


def changes(stage: Stage) -> list[str]:
    """The calls since the last time that change something at AWS."""
    found = [call for call in stage.world.calls if call in MUTATIONS]
    stage.world.calls.clear()
    return found


def state(stage: Stage, name: str = "fraud") -> str:
    return stage.shares.get(name).found.state


def problem(stage: Stage, name: str = "fraud") -> str:
    (found,) = stage.shares.get(name).found.problems
    return found


def test_nothing_is_asked_of_aws_where_nothing_is_shared(stage: Stage) -> None:
    assert stage.run() == Report()
    assert stage.world.calls == []


def test_a_share_comes_about_step_by_step_and_gives_what_it_says(stage: Stage) -> None:
    stage.share(roles=("Trainer", "ci-*"), permission=Permission.WRITE)
    assert stage.run() == Report(shares=1, waiting=1)
    assert changes(stage) == ["PutParameter", "CreateResourceShare", "AssociateResourceShare"]
    assert (state(stage), stage.holders()) == (rules.WAITING, set())
    stage.world.settle()
    stage.run()
    assert (state(stage), stage.holders()) == (rules.WAITING, set()), "the invitation is open"
    stage.world.accept(ALICE)
    assert stage.run() == Report(shares=1, changed=1)
    assert state(stage) == rules.SHARED
    assert stage.held(ALICE) == {
        Grant(ALICE, Permission.WRITE, pattern, role, "fraud")
        for pattern in (Pattern("experiments", "prefix", "fraud/"), Pattern("models", "name", "fraud"))
        for role in ("Trainer", "ci-*")
    }
    assert changes(stage) == []


def test_the_parameter_says_where_and_which_and_no_more(stage: Stage) -> None:
    share = stage.settled()
    (name,) = stage.world.parameters
    assert name == "/cairn/prod/shares/fraud"
    assert json.loads(stage.world.parameters[name]) == {
        "version": 1,
        "url": URI,
        "region": "eu-central-1",
        "share": share.share_id,
    }
    assert HERE.parameter_arn(share) == f"arn:aws:ssm:eu-central-1:{OWNER}:parameter{name}"


def test_a_second_run_changes_nothing(stage: Stage) -> None:
    stage.settled()
    changes(stage)
    assert stage.run() == Report(shares=1)
    assert stage.world.calls == ["GetResourceShares", *["GetResourceShareAssociations"] * 2]


def test_the_own_accounts_roles_need_no_ram(stage: Stage) -> None:
    stage.share(principals=(OWNER,), roles=("Reader",))
    stage.run()
    assert stage.world.calls == []
    assert {grant.role for grant in stage.held(OWNER)} == {"Reader"}
    assert (state(stage), stage.shares.get("fraud").found.principals) == (rules.SHARED, {OWNER: rules.OWN})
    stage.remove("fraud", OWNER)
    stage.run()
    assert stage.holders() == set()
    stage.add("fraud", OWNER)
    stage.run()
    stage.delete("fraud")
    stage.quiet()
    assert stage.shares.all()[0] == []


def test_units_are_read_with_the_units_below_them(stage: Stage) -> None:
    unit = stage.world.add_unit("ou-ab12-aaaaaaaa", {ALICE})
    stage.world.add_unit("ou-ab12-bbbbbbbb", {BOB}, above="ou-ab12-aaaaaaaa")
    stage.world.add_unit("ou-ab12-cccccccc", {CAROL}, above="ou-ab12-bbbbbbbb")
    stage.world.page_size = 1
    stage.settled(principals=(unit,))
    assert stage.holders() == {ALICE, BOB, CAROL}
    stage.world.inside["ou-ab12-bbbbbbbb"].clear()
    stage.run()
    assert stage.holders() == {ALICE, CAROL}


def test_an_organisation_is_one_holder(stage: Stage) -> None:
    stage.world.add_unit("ou-ab12-aaaaaaaa", {ALICE})
    stage.settled(principals=(ORGANISATION,))
    assert stage.holders() == {ORGANISATION_ID}
    (share,) = stage.world.shares.values()
    assert not share.external, "nobody outside was asked for"


def test_whom_an_admin_adds_in_ram_is_in(stage: Stage) -> None:
    share = stage.settled()
    stage.world.put_in(share.ram_arn, BOB)
    stage.run()
    assert stage.holders() == {ALICE, BOB}
    stage.remove("fraud", BOB)
    stage.quiet()
    assert stage.holders() == {ALICE}
    assert set(stage.shares.get("fraud").members) == {ALICE}


def test_whom_an_admin_takes_out_in_ram_is_out_and_stays_out(stage: Stage) -> None:
    share = stage.settled()
    stage.world.revoke(share.ram_arn, ALICE)
    stage.run()
    assert stage.holders() == set()
    stage.quiet()
    assert "AssociateResourceShare" not in changes(stage)[3:]
    assert "cairn share update fraud --principal 444455556666` asks again" in problem(stage)
    stage.add("fraud", ALICE)
    stage.run()
    stage.world.accept(ALICE)
    stage.run()
    assert (state(stage), stage.holders()) == (rules.SHARED, {ALICE})


def test_who_leaves_loses_the_grants_before_ram_is_told(stage: Stage) -> None:
    stage.settled(principals=(ALICE, BOB))
    stage.remove("fraud", ALICE)
    seen = []

    def watch(operation: str) -> None:
        if operation == "DisassociateResourceShare":
            seen.append(stage.holders())

    stage.world.before_call = watch
    stage.run()
    assert seen == [{BOB}]
    stage.quiet()
    assert set(stage.shares.get("fraud").members) == {BOB}


def test_an_invitation_that_expires_is_told_and_asked_again(stage: Stage) -> None:
    stage.share()
    stage.run()
    stage.world.settle()
    stage.run()
    stage.world.expire(ALICE)
    report = stage.run()
    assert (report.problems, state(stage), stage.holders()) == (1, rules.FAILED, set())
    assert "The invitation expired." in problem(stage)
    stage.add("fraud", ALICE)
    stage.run()
    stage.world.accept(ALICE)
    assert stage.run().problems == 0
    assert stage.holders() == {ALICE}


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_share_that_was_deleted_in_ram_gives_nothing_and_begins_anew(
    stage: Stage, forgotten: bool
) -> None:
    share = stage.settled(principals=(ALICE, BOB))
    stage.world.remove_share(share.ram_arn, forgotten=forgotten)
    report = stage.run()
    assert (report.changed, report.problems, stage.holders()) == (2, 1, set())
    assert state(stage) == rules.REVOKED
    assert "cairn share delete fraud" in problem(stage)
    stage.quiet()
    assert len([call for call in changes(stage) if call == "CreateResourceShare"]) == 1
    stage.add("fraud", ALICE)
    stage.quiet()
    stage.world.accept(ALICE)
    stage.run()
    assert stage.holders() == {ALICE}, "BOB was revoked, and nobody named him again"


def test_a_deleted_record_takes_everything_with_it(stage: Stage) -> None:
    stage.settled(principals=(ALICE, BOB))
    stage.delete("fraud")
    changes(stage)
    stage.run()
    assert stage.holders() == set()
    assert changes(stage) == ["DeleteResourceShare", "DeleteParameter"]
    assert state(stage) == rules.DELETING
    stage.quiet()
    assert stage.shares.all()[0] == []
    assert (stage.world.parameters, changes(stage)) == ({}, [])


def test_a_record_that_never_reached_ram_goes_as_well(stage: Stage) -> None:
    stage.share()
    stage.delete("fraud")
    stage.run()
    assert stage.shares.all()[0] == []


def test_a_change_of_the_record_changes_the_grants(stage: Stage) -> None:
    stage.settled()
    stage.edit("fraud", lambda held: replace(held, permission=Permission.MANAGE, roles=("Admin",)))
    stage.run()
    assert {(grant.permission, grant.role) for grant in stage.held(ALICE)} == {(Permission.MANAGE, "Admin")}


def test_two_shares_with_one_account_do_not_touch_each_other(stage: Stage) -> None:
    stage.settled()
    stage.settled("churn", (ALICE, BOB))
    other = Grant(ALICE, Permission.READ, Pattern("models", "name", "x"))
    held = list(stage.held(ALICE))
    stage.grants.replace(ALICE, [*held, other], held)
    stage.delete("churn")
    stage.quiet()
    assert stage.holders() == {ALICE}
    assert {grant.share for grant in stage.held(ALICE)} == {"fraud", ""}
    assert other in stage.held(ALICE), "a grant that follows from no share is somebody else's"


@pytest.mark.parametrize(
    "entity",
    [f"arn:aws:iam::{ALICE}:role/Trainer", f"arn:aws:iam::{ALICE}:user/eve", "lambda.amazonaws.com"],
)
def test_what_cannot_be_granted_to_is_ignored_and_told(stage: Stage, entity: str) -> None:
    share = stage.settled()
    stage.world.put_in(share.ram_arn, entity)
    assert stage.run().problems == 1
    assert stage.holders() == {ALICE}
    assert entity in problem(stage)


def test_roles_are_not_widened_to_an_organisation(stage: Stage) -> None:
    share = stage.settled(roles=("Trainer",))
    stage.world.put_in(share.ram_arn, ORGANISATION)
    assert stage.run().problems == 1
    assert stage.holders() == {ALICE}


def test_what_ram_refuses_is_told_and_holds_up_nobody_else(stage: Stage) -> None:
    stage.share("churn", ("arn:aws:organizations::888888888888:organization/o-zzzzzzzzzz", ALICE))
    stage.settled("fraud", (BOB,))
    stage.world.accept(ALICE)
    stage.run()
    assert stage.holders() == {ALICE, BOB}
    assert "UnknownResourceException" in stage.shares.get("churn").found.problems[0]
    assert stage.run() == Report(shares=2, problems=1)


def test_a_share_over_something_else_gives_nothing(stage: Stage) -> None:
    """The record's RAM share has lost the parameter; one that has it is nobody's."""
    share = stage.settled()
    for row in stage.world.associations:
        if row.kind == "RESOURCE":
            row.status = "DISASSOCIATED"
    stage.run()
    assert (state(stage), stage.holders()) == (rules.FAILED, set())
    assert "does not share" in problem(stage)
    assert share.ram_arn in problem(stage)


def test_a_share_of_another_account_gives_nothing(stage: Stage) -> None:
    share = stage.settled()
    stage.world.shares[share.ram_arn].owner = BOB
    stage.run()
    assert stage.holders() == set()
    assert "belongs to account" in problem(stage)


def test_shares_without_a_record_give_nothing_and_are_told(stage: Stage) -> None:
    share = stage.settled()
    twin = replace(stage.world.shares[share.ram_arn], arn=stage.world.new_arn())
    twin.tags = {"cairn:deployment": "prod", "cairn:share": "f" * 16}
    stage.world.shares[twin.arn] = twin
    stage.world.put_in(twin.arn, BOB)
    other = replace(twin, arn=stage.world.new_arn(), tags={"cairn:deployment": "test"})
    stage.world.shares[other.arn] = other
    assert stage.run().unmatched == 1
    _, last = stage.shares.all()
    assert last is not None
    assert (last.unmatched, last.time) == ((twin.arn,), stage.now)
    assert stage.holders() == {ALICE}


def test_a_tampered_parameter_changes_nothing_and_is_put_right(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.settled()
    name = HERE.parameter(stage.shares.get("fraud"))
    held, grants = stage.world.parameters[name], stage.held(ALICE)
    forged = {"url": "https://evil.example", "principals": [BOB], "permission": "MANAGE"}
    stage.world.parameters[name] = json.dumps(forged)
    stage.run()
    assert stage.holders() == {ALICE}
    assert stage.held(ALICE) == grants
    stage.later(86_400_000)
    with caplog.at_level(logging.WARNING):
        stage.run()
    assert stage.world.parameters[name] == held
    assert "did not say what it should" in caplog.text


def test_pages_are_read_to_the_end_empty_ones_too(stage: Stage) -> None:
    accounts = [f"{number:012d}" for number in range(1, 30)]
    stage.world.page_size, stage.world.empty_pages = 3, True
    stage.settled(principals=accounts)
    assert stage.holders() == set(accounts)


def without_status(answer: dict[str, Any]) -> dict[str, Any]:
    (name,) = [name for name, rows in answer.items() if isinstance(rows, list)]
    return {name: [{key: row[key] for key in row if key != "status"} for row in answer[name]]}


FIRST_PAGE = {
    "no list": lambda answer: {},
    "rows without status": without_status,
    "the same page again": lambda answer: {**answer, "nextToken": "0"},
}


@pytest.mark.parametrize("change", FIRST_PAGE.values(), ids=FIRST_PAGE)
def test_a_reading_that_is_not_whole_changes_nothing(stage: Stage, change: Any) -> None:
    share = stage.settled(principals=(ALICE, BOB))
    stage.world.revoke(share.ram_arn, BOB)
    stage.world.change_answer = lambda operation, answer: change(answer)
    changes(stage)
    with pytest.raises(Unavailable):
        stage.run()
    assert stage.holders() == {ALICE, BOB}
    assert changes(stage) == []


@pytest.mark.parametrize("at", range(6))
def test_a_throttle_anywhere_changes_nothing(stage: Stage, at: int) -> None:
    """Six readings before anything is done: two of three lists."""
    share = stage.settled(principals=(ALICE, BOB))
    stage.world.revoke(share.ram_arn, BOB)
    calls = iter(range(100))

    def throttle(operation: str) -> None:
        if next(calls) == at:
            raise refusal(operation, "ThrottlingException")

    stage.world.before_call = throttle
    with pytest.raises(Unavailable):
        stage.run()
    assert stage.holders() == {ALICE, BOB}
    stage.run()
    assert stage.holders() == {ALICE}


def test_an_empty_answer_that_a_second_one_contradicts_changes_nothing(stage: Stage) -> None:
    stage.settled()
    calls = iter(range(100))

    def lose(operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if operation.startswith("GetResourceShare") and next(calls) < 3:
            return {key: [] for key, rows in answer.items() if isinstance(rows, list)}
        return answer

    stage.world.change_answer = lose
    assert stage.run() == Report(shares=1)
    assert stage.holders() == {ALICE}


def test_ram_that_shows_late_what_it_made_is_asked_once(stage: Stage) -> None:
    stage.share()
    stage.world.change_answer = lambda operation, answer: (
        {key: [] for key in answer} if operation.startswith("GetResourceShare") else answer
    )
    for _ in range(3):
        stage.run()
        stage.later(60_000)
    assert state(stage) == rules.NEW
    stage.world.change_answer = lambda operation, answer: answer
    stage.quiet()
    stage.world.accept(ALICE)
    stage.run()
    assert [call for call in changes(stage) if call == "CreateResourceShare"] == ["CreateResourceShare"]
    assert stage.holders() == {ALICE}


def test_units_that_cannot_be_read_stay_as_they_were_and_all_else_goes_on(stage: Stage) -> None:
    unit = stage.world.add_unit("ou-ab12-aaaaaaaa", {ALICE, BOB})
    stage.settled(principals=(unit,))
    churn = stage.settled("churn", (CAROL,))
    stage.organizations = False
    stage.world.inside["ou-ab12-aaaaaaaa"] = {ALICE}
    stage.world.revoke(churn.ram_arn, CAROL)
    stage.edit("fraud", lambda held: replace(held, permission=Permission.WRITE))
    assert stage.run().problems == 2
    assert stage.holders() == {ALICE, BOB}
    assert {grant.permission for grant in stage.held(BOB)} == {Permission.WRITE}
    assert "cannot be read" in problem(stage)
    stage.world.remove_share(stage.shares.get("fraud").ram_arn)
    stage.run()
    assert stage.holders() == set(), "a share that is gone needs no unit"


def test_a_unit_that_somebody_adds_where_none_can_be_read_gives_nothing(stage: Stage) -> None:
    stage.organizations = False
    share = stage.settled()
    stage.world.add_unit("ou-ab12-aaaaaaaa", {BOB})
    stage.world.put_in(share.ram_arn, unit_arn("ou-ab12-aaaaaaaa"))
    assert stage.run().problems == 1
    assert stage.holders() == {ALICE}


def test_who_would_hold_more_than_an_item_takes_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.settled()
    churn = stage.settled("churn")
    monkeypatch.setattr("cairn.storage.grants._MAX_BYTES", 150)
    stage.edit("fraud", lambda held: replace(held, roles=tuple(f"role-{n * 7919}" for n in range(20))))
    stage.world.revoke(churn.ram_arn, ALICE)
    assert stage.run().problems == 2
    assert "pass 150 bytes" in problem(stage)
    assert stage.held(ALICE) == set(), "what goes is gone, whatever does not fit"


def test_a_record_keeps_who_held_grants_until_no_run_can_be_writing_them(stage: Stage) -> None:
    share = stage.settled()
    stage.world.revoke(share.ram_arn, ALICE)
    stage.run()
    assert set(stage.shares.get("fraud").granted) == {ALICE}
    stage.later(GRACE_MS)
    stage.run()
    assert stage.shares.get("fraud").granted == {}


def test_a_request_that_comes_between_loses_nothing(stage: Stage) -> None:
    """Whatever a request writes while the reconciler runs is still there after it."""
    for at in range(1, 60):
        made = Stage()
        made.share()
        made.fuse.reset(at=at, then=partial(made.add, "fraud", BOB))
        made.run()
        made.quiet()
        for account in (ALICE, BOB):
            made.world.accept(account)
        made.run()
        assert (at > made.fuse.count) or made.holders() == {ALICE, BOB}, at
        made.close()
