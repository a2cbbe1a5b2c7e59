"""Records of shares: what may be written, and how the table keeps it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cairn.domain import shares as rules
from cairn.domain.access import Pattern, Permission
from cairn.domain.shares import Found, LastRun, Place, Share
from cairn.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from cairn.storage.meter import Meter
from cairn.storage.shares import Shares
from tests.storage.engines import NAMES, open_table
from tests.storage.faults import Crash, FaultyTable

OU = "arn:aws:organizations::999999999999:ou/o-a1b2c3d4e5/ou-ab12-cdefgh34"
ORGANISATION = "arn:aws:organizations::999999999999:organization/o-a1b2c3d4e5"
HERE = Place("111122223333", reads_organizations=False)
SHARE = Share(
    share_id="0" * 16,
    name="fraud",
    permission=Permission.READ,
    patterns=(Pattern("experiments", "prefix", "fraud/"),),
    roles=("Trainer*",),
    members={"444455556666": "wanted"},
    created=1,
    updated=1,
)
FULL = replace(
    SHARE,
    deleting=True,
    declared="stack",
    ram_arn="arn",
    pointed=7,
    granted={"444455556666": 5},
    found=Found(rules.FAILED, {"444455556666": "FAILED"}, ("it did not work",)),
)


@pytest.fixture(params=NAMES)
def shares(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shares]:
    with open_table(request.param, tmp_path, Meter()) as table:
        yield Shares(table, lambda attempt: None)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("fraud/*", Pattern("models", "prefix", "fraud/")),
        ("*", Pattern("models", "prefix", "")),
        ("fraud", Pattern("models", "name", "fraud")),
        ("fr?ud[0-9]", Pattern("models", "name", "fr?ud[0-9]")),
        ("Ünï/*", Pattern("models", "prefix", "Ünï/")),
        (" fraud ", Pattern("models", "name", " fraud ")),
    ],
)
def test_a_pattern_is_a_name_or_a_prefix_and_nothing_else_is_special(text: str, pattern: Pattern) -> None:
    assert rules.patterns_of("models", [text]) == [pattern]


@pytest.mark.parametrize("text", ["", "a*b", "*a", "**", "a/**", "x" * 501])
def test_no_other_pattern_is_taken(text: str) -> None:
    with pytest.raises(InvalidParameterValue, match=r"pattern|before its end"):
        rules.patterns_of("experiments", [text])


@pytest.mark.parametrize("text", ["", "-1", "01", "1*", "1.0", "٣", "9223372036854775808", " 1"])
def test_an_id_is_what_the_server_gives(text: str) -> None:
    with pytest.raises(InvalidParameterValue, match="no experiment id"):
        rules.ids_of([text])
    assert rules.ids_of(["0", "42"]) == [
        Pattern("experiments", "id", "0"),
        Pattern("experiments", "id", "42"),
    ]


@pytest.mark.parametrize(
    ("text", "kind"), [("444455556666", "account"), (ORGANISATION, "organisation"), (OU, "ou")]
)
def test_ram_knows_accounts_units_and_organisations(text: str, kind: str) -> None:
    principal = rules.principal_of(text, Place("111122223333", reads_organizations=True))
    assert (principal.kind, principal.text) == (kind, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("arn:aws:iam::444455556666:role/Trainer", "--role"),
        ("arn:aws:iam::444455556666:root", "--role"),
        ("44445555666", "12 digits"),
        ("٤٤٤٤٥٥٥٥٦٦٦٦", "12 digits"),
        ("o-a1b2c3d4e5", "organization/o-"),
        ("*", "12 digits"),
        ("", "12 digits"),
        (ORGANISATION + "/x", "12 digits"),
    ],
)
def test_nobody_else_can_be_named(text: str, says: str) -> None:
    with pytest.raises(InvalidParameterValue, match=says):
        rules.principal_of(text, HERE)


def test_a_unit_is_refused_where_organizations_cannot_be_read() -> None:
    with pytest.raises(InvalidParameterValue, match="organizations_role"):
        rules.principal_of(OU, HERE)


@pytest.mark.parametrize("role", ["", "*", "a*b", "team/Trainer", "x" * 65, "Rölle"])
def test_a_role_is_a_name_or_the_beginning_of_one(role: str) -> None:
    with pytest.raises(InvalidParameterValue, match="role's name"):
        rules.check_roles([role])
    assert rules.check_roles(["Trainer", "ci-*", "Trainer"]) == ("Trainer", "ci-*")


def test_roles_narrow_accounts_alone() -> None:
    with pytest.raises(InvalidParameterValue, match="no account"):
        rules.check_whole(replace(SHARE, members={ORGANISATION: "wanted"}))
    rules.check_whole(replace(SHARE, members={ORGANISATION: "leaving", "444455556666": "asked"}))


@pytest.mark.parametrize("name", ["", "-a", "a/b", "a b", "x" * 65, "#", "ä"])
def test_a_name_is_part_of_a_parameters_path(name: str) -> None:
    with pytest.raises(InvalidParameterValue, match="share's name"):
        rules.check_name(name)


def test_whom_ram_has_is_not_asked_again_and_whom_it_lost_is() -> None:
    in_ram = replace(
        SHARE, members={"444455556666": "asked"}, found=Found(principals={"444455556666": "ASSOCIATED"})
    )
    again = [rules.Principal("account", "444455556666", "444455556666")]
    assert rules.asked_for(in_ram, again) == in_ram
    lost = replace(in_ram, found=Found(rules.FAILED, {"444455556666": "FAILED"}))
    assert rules.asked_for(lost, again).members == {"444455556666": "wanted"}


def test_a_share_that_was_revoked_begins_anew_with_those_alone_who_are_named() -> None:
    members: dict[str, rules.Wish] = {"444455556666": "asked", "777788889999": "asked"}
    revoked = replace(SHARE, members=members, ram_arn="arn", found=Found(rules.REVOKED))
    anew = rules.asked_for(revoked, [rules.Principal("account", "444455556666", "444455556666")])
    assert (anew.members, anew.ram_arn) == ({"444455556666": "wanted"}, "")
    assert rules.asked_for(revoked, []) == revoked


@pytest.mark.parametrize(
    ("gate", "shut"),
    [
        ("", []),
        ("any-aws-principal", []),
        ("own-account", ["444455556666", "777788889999", ORGANISATION, OU]),
        ("accounts:444455556666, 123412341234", ["777788889999", ORGANISATION, OU]),
        ("organisation:o-a1b2c3d4e5", []),
        ("organisation:o-zzzzzzzzzz", [ORGANISATION]),
    ],
)
def test_it_is_known_whom_the_gate_shuts_out(gate: str, shut: list[str]) -> None:
    texts = ("111122223333", "444455556666", "777788889999", ORGANISATION, OU)
    members: dict[str, rules.Wish] = {**dict.fromkeys(texts, "wanted"), "000000000000": "leaving"}
    place = Place("111122223333", reads_organizations=True, gate=gate)
    assert rules.shut_out(replace(SHARE, members=members), place) == shut


def test_a_record_is_read_as_it_was_written(shares: Shares) -> None:
    shares.create(FULL)
    assert shares.get("fraud") == FULL
    assert shares.all() == ([FULL], None)
    shares.note(LastRun(5, ("arn:stray",)))
    assert shares.all() == ([FULL], LastRun(5, ("arn:stray",)))


def test_a_name_is_taken_once_and_a_replay_is_no_other_share(shares: Shares) -> None:
    shares.create(SHARE)
    shares.change("fraud", lambda held: replace(held, permission=Permission.WRITE))
    assert shares.create(SHARE).permission == Permission.WRITE
    with pytest.raises(ResourceAlreadyExists, match="cairn share update"):
        shares.create(replace(SHARE, share_id="1" * 16))
    shares.change("fraud", lambda held: replace(held, deleting=True))
    with pytest.raises(ResourceAlreadyExists, match="free within minutes"):
        shares.create(replace(SHARE, share_id="1" * 16))


@pytest.mark.parametrize("name", ["other", "", "#", "x" * 2000])
def test_what_is_not_there_is_not_there(shares: Shares, name: str) -> None:
    shares.note(LastRun(5))
    with pytest.raises(ResourceDoesNotExist, match="no share"):
        shares.get(name)


def test_two_writers_lose_nothing(shares: Shares) -> None:
    """The other one writes between the reading and the writing of this one."""
    shares.create(SHARE)
    once = iter([True])

    def edit(held: Share) -> Share:
        if next(once, False):
            shares.change("fraud", lambda other: replace(other, ram_arn="arn"))
        return replace(held, permission=Permission.MANAGE)

    changed = shares.change("fraud", edit)
    assert (changed.ram_arn, changed.permission) == ("arn", Permission.MANAGE)
    assert shares.get("fraud") == changed


def test_a_record_is_removed_as_it_is_known_or_not_at_all(shares: Shares) -> None:
    shares.create(SHARE)
    assert not shares.remove(FULL)
    assert shares.remove(SHARE)
    assert not shares.remove(SHARE)
    assert shares.all() == ([], None)


def test_a_crash_leaves_the_record_as_it_was_or_as_it_was_to_be(tmp_path: Path) -> None:
    with open_table("sqlite", tmp_path, Meter()) as table:
        Shares(table, lambda attempt: None).create(SHARE)
        for before in (1, 2):
            faulty = FaultyTable(table, crash_before=before)
            with pytest.raises(Crash):
                Shares(faulty, lambda attempt: None).change("fraud", lambda held: replace(held, pointed=9))
        assert Shares(table, lambda attempt: None).get("fraud") == SHARE
