"""Direct S3: which statements follow from shares and RAM's accounts, how they come into the bucket's
policy, and how they leave it, whoever dies or writes meanwhile."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from cairn.domain import shares as rules
from cairn.domain.access import Permission
from cairn.errors import CairnError, InvalidParameterValue
from cairn.sharing.direct import MAX_BYTES, BucketPolicy, Direct, Laying, S3Client, lay_out, statements
from cairn.sharing.ram import Refused, Unavailable
from cairn.sharing.reconcile import Unsettled
from cairn.sharing.shares import Plan
from tests.artifacts.stores import admin, moto_server
from tests.sharing.ram_fake import ORGANISATION, OWNER, refusal
from tests.sharing.stage import ALICE, BASE, BOB, CAROL, FOLDER, TLS, Stage
from tests.storage.faults import Crash


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage(direct=True)
    yield made
    made.close()


def given(stage: Stage) -> set[tuple[str, str, str]]:
    """What the policy gives to other accounts: account, action, resource (a list's with its prefix)."""
    found = set()
    for one in policy(stage):
        if one["Effect"] == "Allow":
            prefixes = one.get("Condition", {}).get("StringLike", {}).get("s3:prefix", [""])
            found |= {
                (who.split(":")[4], action, f"{resource} {prefix}".strip())
                for who in as_list(one["Principal"]["AWS"])
                for action in as_list(one["Action"])
                for resource in as_list(one["Resource"])
                for prefix in as_list(prefixes)
            }
    return found


def policy(stage: Stage) -> list[Any]:
    return list(json.loads(stage.world.policy)["Statement"]) if stage.world.policy else []


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def to_read(account: str, *experiments: str) -> set[tuple[str, str, str]]:
    return {
        one
        for experiment in experiments
        for one in (
            (account, "s3:GetObject", f"arn:aws:s3:::bucket/artifacts/{experiment}/*"),
            (account, "s3:ListBucket", f"arn:aws:s3:::bucket artifacts/{experiment}/*"),
        )
    }


def puts(stage: Stage) -> int:
    return stage.world.calls.count("PutBucketPolicy")


def direct(
    permission: Permission = Permission.READ, *accounts: str, ids: tuple[str, ...] = ("12",)
) -> Direct:
    return Direct("a" * 16, permission, frozenset(accounts), frozenset(ids))


@pytest.mark.parametrize(
    ("permission", "actions"),
    [
        (Permission.READ, {"s3:GetObject"}),
        (Permission.WRITE, {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}),
        (
            Permission.MANAGE,
            {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"},
        ),
    ],
)
def test_a_statement_says_what_the_grant_says(permission: Permission, actions: set[str]) -> None:
    objects, listing = statements(direct(permission, ALICE, ids=("7", "12")), FOLDER)
    assert set(objects["Action"]) == actions
    assert objects["Resource"] == [f"arn:aws:s3:::bucket/artifacts/{n}/*" for n in ("12", "7")]
    assert objects["Principal"] == {"AWS": [f"arn:aws:iam::{ALICE}:root"]}
    assert (listing["Action"], listing["Resource"]) == ("s3:ListBucket", "arn:aws:s3:::bucket")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["artifacts/12/*", "artifacts/7/*"]}}
    assert all(one["Sid"].isalnum() for one in (objects, listing))


def test_nobody_gets_no_statement() -> None:
    assert statements(direct(), FOLDER) == []
    assert lay_out(BASE, [direct()], FOLDER).texts == ()


def test_a_policy_that_says_it_otherwise_is_left_alone() -> None:
    """One text for a list of one, another order, other white space: nothing is put."""
    (text,) = lay_out(BASE, [direct(Permission.WRITE, ALICE)], FOLDER).texts[:1]
    policy = json.loads(text)
    for one in policy["Statement"]:
        if one["Effect"] == "Allow":
            one["Principal"]["AWS"] = one["Principal"]["AWS"][0]
            one["Action"] = as_list(one["Action"])[::-1]
    policy["Statement"].reverse()
    spelled = json.dumps(policy, indent=4)
    assert lay_out(spelled, [direct(Permission.WRITE, ALICE)], FOLDER).texts == ()
    assert lay_out(spelled, [direct(Permission.READ, ALICE)], FOLDER).texts != ()


def test_what_is_somebody_elses_stays_as_it_is() -> None:
    other = {
        "Sid": "Ops",
        "Effect": "Allow",
        "Principal": {"AWS": BOB},
        "Action": "s3:Get*",
        "Resource": "x",
    }
    base = {"Version": "2012-10-17", "Id": "p", "Statement": [TLS, other]}
    (text,) = lay_out(json.dumps(base), [direct(Permission.READ, ALICE)], FOLDER).texts[:1]
    assert {**json.loads(text), "Statement": json.loads(text)["Statement"][:2]} == base
    assert json.loads(lay_out(text, [], FOLDER).texts[0]) == base


def test_a_share_that_does_not_fit_gets_nothing_new_and_loses_what_is_to_go() -> None:
    (text, *_) = lay_out(BASE, [direct(Permission.READ, ALICE, BOB)], FOLDER).texts
    wide = direct(Permission.READ, ALICE, CAROL, ids=("12", *map(str, range(10**18, 10**18 + 300))))
    small = Direct("b" * 16, Permission.READ, frozenset({BOB}), frozenset({"3"}))
    layout = lay_out(text, [wide, small], FOLDER)
    assert set(layout.problems) == {wide.share_id}
    assert str(MAX_BYTES) in layout.problems[wide.share_id]
    left = json.loads(layout.texts[0])["Statement"][1:]
    assert left == [*statements(direct(Permission.READ, ALICE), FOLDER), *statements(small, FOLDER)]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "no"])
def test_a_policy_that_is_none_is_not_written_over(text: str) -> None:
    with pytest.raises(Unavailable):
        lay_out(text, [direct(Permission.READ, ALICE)], FOLDER)


def test_who_is_in_at_ram_reaches_the_files_and_nobody_else(stage: Stage) -> None:
    stage.share("fraud", (ALICE, BOB), direct=("12",))
    stage.run()
    assert given(stage) == set()
    for _ in range(2):
        stage.world.settle()
        stage.world.accept(ALICE)
        stage.run()
    assert stage.holders() == {ALICE}
    assert given(stage) == to_read(ALICE, "12")
    assert policy(stage)[0] == TLS
    stage.world.calls.clear()
    stage.run()
    assert (stage.world.calls.count("GetBucketPolicy"), puts(stage)) == (1, 0)


def test_shares_without_it_name_nobody_in_the_policy(stage: Stage) -> None:
    stage.settled("fraud")
    assert (stage.holders(), stage.world.policy) == ({ALICE}, BASE)


def test_what_a_share_changes_the_policy_follows(stage: Stage) -> None:
    stage.settled("fraud", (ALICE, BOB), direct=("12",))
    stage.edit("fraud", lambda held: replace(held, patterns=tuple(rules.ids_of(["7", "12"]))))
    stage.run()
    assert given(stage) == to_read(ALICE, "7", "12") | to_read(BOB, "7", "12")
    stage.remove("fraud", BOB)
    stage.run()
    stage.world.settle()
    assert given(stage) == to_read(ALICE, "7", "12")
    stage.edit("fraud", lambda held: replace(held, direct=False))
    stage.run()
    assert given(stage) == set()
    assert stage.holders() == {ALICE}


def test_a_revoked_share_loses_its_statements_with_its_grants(stage: Stage) -> None:
    share = stage.settled("fraud", direct=("12",))
    stage.world.remove_share(share.ram_arn)
    stage.run()
    assert (stage.holders(), given(stage)) == (set(), set())


def test_a_deleted_share_loses_its_statements_before_its_record_goes(stage: Stage) -> None:
    stage.settled("fraud", direct=("12",))
    stage.delete("fraud")
    stage.later()
    stage.s3.get_bucket_policy, kept = broken("GetBucketPolicy"), stage.s3.get_bucket_policy  # type: ignore[method-assign]
    for _ in range(3):
        with pytest.raises(Unavailable):
            stage.run()
        stage.later()
    assert stage.holders() == set()
    assert "cannot be read" in stage.shares.get("fraud").found.problems[0]
    stage.s3.get_bucket_policy = kept  # type: ignore[method-assign]
    stage.quiet()
    assert given(stage) == set()
    assert stage.shares.all()[0] == []


def broken(operation: str, code: str = "SlowDown") -> Callable[..., Any]:
    def call(**_: object) -> Any:
        raise refusal(operation, code)

    return call


def test_a_deployment_that_writes_over_it_is_put_right(stage: Stage) -> None:
    stage.settled("fraud", direct=("12",))
    stage.world.policy = BASE
    stage.run()
    assert given(stage) == to_read(ALICE, "12")


def test_a_statement_that_nobody_shares_goes_even_without_any_share(stage: Stage) -> None:
    stage.settled("fraud", direct=("12",))
    left = stage.world.policy
    stage.delete("fraud")
    stage.quiet()
    assert stage.shares.all()[0] == []
    stage.world.policy = left
    stage.run()
    assert policy(stage) == [TLS]


def test_a_policy_of_ours_alone_ends_with_a_statement_that_gives_nothing(stage: Stage) -> None:
    stage.world.policy = None
    stage.settled("fraud", direct=("12",))
    assert given(stage) == to_read(ALICE, "12")
    stage.delete("fraud")
    stage.quiet()
    assert given(stage) == set()
    (last,) = policy(stage)
    assert last["Effect"] == "Deny"
    before = puts(stage)
    stage.run()
    assert puts(stage) == before


def test_where_s3_refuses_to_give_it_still_takes_away(stage: Stage) -> None:
    """One account that S3 does not know must not keep another's revocation from coming about."""
    stage.settled("fraud", (ALICE,), direct=("12",))
    stage.s3.unknown = {CAROL}
    stage.settled("churn", (CAROL,), direct=("7",))
    share = stage.shares.get("fraud")
    stage.world.revoke(share.ram_arn, ALICE)
    stage.run()
    assert given(stage) == set()
    assert "Invalid principal" in stage.shares.get("churn").found.problems[0]
    stage.s3.unknown = set()
    stage.run()
    assert given(stage) == to_read(CAROL, "7")
    assert stage.shares.get("churn").found.problems == ()


@pytest.mark.parametrize("call", ["get_bucket_policy", "put_bucket_policy"])
def test_s3_in_trouble_keeps_nobody_from_losing_grants(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    share = stage.settled("fraud", (ALICE, BOB), direct=("12",))
    stage.world.revoke(share.ram_arn, ALICE)
    with monkeypatch.context() as patch:
        patch.setattr(stage.s3, call, broken(call))
        with pytest.raises(Unavailable):
            stage.run()
    assert stage.holders() == {BOB}
    assert stage.shares.get("fraud").found.problems
    stage.run()
    assert given(stage) == to_read(BOB, "12")


def test_what_may_not_be_changed_is_the_shares_problem(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.s3, "put_bucket_policy", broken("PutBucketPolicy", "AccessDenied"))
    share = stage.settled("fraud", direct=("12",))
    assert (share.found.state, stage.holders()) == ("FAILED", {ALICE})
    assert "S3 refused to change the bucket's policy: AccessDenied" in share.found.problems[0]


def test_an_organisation_that_somebody_adds_in_ram_is_not_named(stage: Stage) -> None:
    share = stage.settled("fraud", direct=("12",))
    stage.world.put_in(share.ram_arn, ORGANISATION)
    stage.world.settle()
    stage.run()
    assert given(stage) == to_read(ALICE, "12")
    assert "no account" in stage.shares.get("fraud").found.problems[0]


def test_s3_that_shows_late_what_it_was_told_is_told_once_a_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.share("fraud", direct=("12",))
    for _ in range(2):
        stage.run()
        stage.world.settle()
        stage.world.accept(ALICE)
    monkeypatch.setattr(stage.s3, "get_bucket_policy", lambda **_: {"Policy": BASE})
    stage.world.calls.clear()
    stage.run()
    assert puts(stage) == 1
    assert given(stage) == to_read(ALICE, "12")


def test_without_the_setting_nothing_is_read_and_somebody_is_told(stage: Stage) -> None:
    stage.settled("fraud", direct=("12",))
    stage.direct = False
    stage.world.calls.clear()
    stage.run()
    assert "GetBucketPolicy" not in stage.world.calls
    assert "direct_s3=true" in stage.shares.get("fraud").found.problems[0]
    stage.delete("fraud")
    stage.quiet()
    assert stage.holders() == set()
    assert stage.shares.get("fraud").deleting, "the record stays while its statements may"
    stage.direct = True
    stage.quiet()
    assert (stage.shares.all()[0], given(stage)) == ([], set())


def joined(stage: Stage) -> None:
    stage.world.settle()
    for account in (ALICE, BOB):
        stage.world.accept(account)


LIFE: tuple[Callable[[Stage], object], ...] = (
    lambda stage: stage.share("fraud", (ALICE, BOB), direct=("12",)),
    joined,
    lambda stage: stage.edit("fraud", lambda held: replace(held, patterns=tuple(rules.ids_of(["7"])))),
    lambda stage: stage.remove("fraud", BOB),
    lambda stage: setattr(stage.world, "policy", BASE),
    lambda stage: stage.delete("fraud"),
    lambda stage: stage.later(200_000),
)


def wanted(stage: Stage) -> set[tuple[str, str, str]]:
    """Worked out from who holds grants, which test_converge checks against RAM."""
    found: set[tuple[str, str, str]] = set()
    for holder in stage.holders() - {OWNER}:
        for grant in stage.held(holder):
            found |= to_read(holder, grant.pattern.text)
    return found


@pytest.mark.parametrize("stop", range(len(LIFE)))
def test_a_death_between_any_two_calls_is_mended(stop: int) -> None:
    at = 1
    while True:
        stage = Stage(direct=True)
        for act in LIFE[:stop]:
            act(stage)
            stage.run()
        LIFE[stop](stage)
        stage.fuse.reset(blow=at)
        with suppress(Crash, Unavailable, Unsettled, CairnError):
            stage.run()
        died = stage.fuse.dead
        stage.fuse.reset()
        record = {one.name for one in stage.shares.all()[0]}
        assert record or not given(stage), "the record went before its statements"
        stage.quiet()
        assert given(stage) == wanted(stage)
        assert policy(stage)[0] == TLS
        if stop == len(LIFE) - 1:
            assert policy(stage) == [TLS]
        stage.close()
        if not died:
            return
        at += 1


def ends_meanwhile(stage: Stage) -> None:
    stage.delete("fraud")
    stage.run()


@pytest.mark.parametrize("stop", range(1, 4))
def test_what_a_second_run_took_away_meanwhile_stays_away(stop: int) -> None:
    """At any call of the first run the share is deleted, and another run sees to it."""
    at = 1
    while True:
        stage = Stage(direct=True)
        for act in LIFE[:stop]:
            act(stage)
            stage.run()
        LIFE[stop](stage)
        stage.fuse.reset(at=at, then=partial(ends_meanwhile, stage))
        with suppress(Unsettled):
            stage.run()
        over = stage.fuse.count < at
        stage.fuse.reset()
        if not over:
            assert (stage.holders(), given(stage)) == (set(), set())
        stage.close()
        if over:
            return
        at += 1


def test_an_account_whose_grants_do_not_fit_is_not_named(stage: Stage) -> None:
    share = stage.settled("fraud", direct=("12",))
    laying = Laying(BucketPolicy(stage.s3, FOLDER, OWNER))
    plan = Plan(share, share, {ALICE, BOB}, accounts={ALICE, BOB})
    assert laying.look([plan], ())
    assert not laying.look([plan], {BOB})
    assert laying.look([plan], {ALICE, BOB})


def test_the_record_stays_while_s3_shows_its_statements(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 took the change and shows the policy as it was: only what it shows counts."""
    stage.settled("fraud", direct=("12",))
    shown = stage.world.policy
    stage.delete("fraud")
    with monkeypatch.context() as patch:
        patch.setattr(stage.s3, "get_bucket_policy", lambda **_: {"Policy": shown})
        stage.quiet()
        assert stage.shares.get("fraud").found.problems == ()
    stage.run()
    assert stage.shares.all()[0] == []


def test_no_record_goes_while_the_policy_cannot_be_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor that of a share which was direct until a moment ago."""
    stage.settled("fraud", direct=("12",))
    stage.edit("fraud", lambda held: replace(held, direct=False))
    stage.delete("fraud")
    with monkeypatch.context() as patch:
        patch.setattr(stage.s3, "get_bucket_policy", broken("GetBucketPolicy", "AccessDenied"))
        stage.quiet()
        assert stage.shares.get("fraud").deleting
    stage.quiet()
    assert (stage.shares.all()[0], given(stage)) == ([], set())


def test_a_refusal_is_told_by_the_run_that_met_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.settled("fraud", direct=("12",))
    stage.world.policy = BASE
    monkeypatch.setattr(stage.s3, "put_bucket_policy", broken("PutBucketPolicy", "AccessDenied"))
    assert stage.run().problems == 1


def test_who_cannot_be_granted_reaches_no_file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_grants = stage.grants.replace

    def replaced(holder: str, *grants: Any) -> bool:
        if holder == BOB:
            raise InvalidParameterValue("BOB holds too much.")
        return replace_grants(holder, *grants)

    monkeypatch.setattr(stage.grants, "replace", replaced)
    share = stage.settled("fraud", (ALICE, BOB), direct=("12",))
    assert given(stage) == to_read(ALICE, "12")
    assert "BOB holds too much." in share.found.problems


@pytest.mark.parametrize(
    ("before", "after"), [(Permission.READ, Permission.MANAGE), (Permission.MANAGE, Permission.READ)]
)
def test_what_does_not_fit_keeps_the_lesser_permission(before: Permission, after: Permission) -> None:
    (text, *_) = lay_out(BASE, [direct(before, ALICE)], FOLDER).texts
    wide = direct(after, ALICE, ids=("12", *map(str, range(10**18, 10**18 + 300))))
    left = json.loads((lay_out(text, [wide], FOLDER).texts or (text,))[0])["Statement"][1:]
    assert left == statements(direct(Permission.READ, ALICE), FOLDER)


def test_an_emulators_bucket_takes_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto keeps what it is given and decides nothing by it; its errors have S3's codes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with moto_server() as url:
        client = admin(url)
        client.create_bucket(Bucket="bucket")
        bucket = BucketPolicy(cast(S3Client, client), FOLDER, "123456789012")
        assert bucket.read() is None
        (text, *_) = lay_out(bucket.read(), [direct(Permission.WRITE, ALICE)], FOLDER).texts
        bucket.write(text)
        assert lay_out(bucket.read(), [direct(Permission.WRITE, ALICE)], FOLDER).texts == ()
        with pytest.raises(Refused):
            BucketPolicy(cast(S3Client, client), replace(FOLDER, bucket="nobodys"), "1" * 12).read()
