"""Codes and sessions in the table: one winner for a code, whatever dies in between, at a known price."""

from dataclasses import replace
from pathlib import Path

import pytest

from cairn.domain.access import Permission
from cairn.domain.sessions import CODE_MS, Code
from cairn.domain.tokens import HOUR_MS, Token
from cairn.errors import Unauthenticated
from cairn.sharing.caller import Caller
from cairn.sharing.sessions import CODE_PREFIX, SignIn, invite
from cairn.sharing.tokens import place
from cairn.storage import keys
from cairn.storage.engine import EngineTable
from cairn.storage.meter import Meter
from cairn.storage.sessions import Sessions
from cairn.storage.table import ConditionFailed, Query, Table
from cairn.storage.tokens import Tokens
from tests.storage.engines import open_table
from tests.storage.faults import Crash, FaultyTable

HOLDER, OTHER = "ab" * 16, "cd" * 16
HASHED = "ef" * 32
NOW = 1_795_262_400_000
SESSION = Token(
    "aws", "123456789012", "role", "Train", "o-a1b2c3d4e5", "job-7", Permission.READ, NOW, NOW + HOUR_MS
)
CODE = Code(SESSION, NOW + CODE_MS)
ADA = Caller("aws", "123456789012", "role", "Train")


def test_a_code_is_taken_once(table: EngineTable) -> None:
    sessions = Sessions(table)
    sessions.add_code(HOLDER, HASHED, CODE)
    assert sessions.find_code(HOLDER, HASHED) == (CODE, -1)
    assert sessions.find_code(OTHER, HASHED) == (None, -1)
    assert sessions.find(HOLDER, HASHED) == (None, -1), "a code is no session"
    assert Tokens(table).find(HOLDER, HASHED) == (None, -1), "nor a token"
    assert sessions.take_code(HOLDER, HASHED)
    assert not sessions.take_code(HOLDER, HASHED)
    assert sessions.find_code(HOLDER, HASHED) == (None, -1)


def test_a_session_is_there_until_it_ends(table: EngineTable) -> None:
    sessions = Sessions(table)
    sessions.add(HOLDER, HASHED, SESSION)
    assert sessions.find(HOLDER, HASHED) == (SESSION, -1)
    with pytest.raises(ConditionFailed):
        sessions.add(HOLDER, HASHED, replace(SESSION, name="Admin"))
    sessions.end(HOLDER, HASHED)
    sessions.end(HOLDER, HASHED)
    assert sessions.find(HOLDER, HASHED) == (None, -1)


def test_a_mark_is_the_tokens_own(table: EngineTable) -> None:
    sessions = Sessions(table)
    sessions.add(HOLDER, HASHED, SESSION)
    sessions.add_code(HOLDER, HASHED, CODE)
    Tokens(table).revoke(HOLDER, NOW)
    assert sessions.find(HOLDER, HASHED) == (SESSION, NOW)
    assert sessions.find_code(HOLDER, HASHED) == (CODE, NOW)
    sessions.revoke(HOLDER, NOW + 1)
    assert Tokens(table).find(HOLDER, HASHED) == (None, NOW + 1)


def test_what_is_over_is_cleaned_up_by_and_by(table: EngineTable) -> None:
    sessions = Sessions(table)
    sessions.add(HOLDER, HASHED, SESSION)
    sessions.add_code(HOLDER, HASHED, CODE)
    for key in (keys.session(HOLDER, HASHED), keys.code(HOLDER, HASHED)):
        item = table.get(key)
        assert item is not None
        assert SESSION.expires <= item["ttl"] * 1000 <= SESSION.expires + 2 * HOUR_MS


def asked_for(table: Table) -> str:
    text, code = invite(ADA, Permission.MANAGE, 12, NOW, lambda bits: 77)
    where = place(text, CODE_PREFIX)
    assert where is not None
    Sessions(table).add_code(where.holder, where.hashed, code)
    return text


def kept(table: Table, prefix: str) -> int:
    text, _ = invite(ADA, Permission.MANAGE, 12, NOW, lambda bits: 77)
    where = place(text, CODE_PREFIX)
    assert where is not None
    return len(table.query(Query(keys.token_partition(where.holder), prefix=prefix)).items)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_crash_leaves_one_way_in_at_most(number: int, after: bool, tmp_path: Path) -> None:
    """Around each request of the opening: either the code is still good and nobody is signed in, or it is
    gone; a session is left only where the last request was carried out, and nobody was told its text."""
    with open_table("sqlite", tmp_path, Meter()) as table:
        text = asked_for(table)
        before, past = (None, number) if after else (number, None)
        faulty = FaultyTable(table, crash_before=before, crash_after=past)
        secrets = iter(range(10))
        sign_in = SignIn(Sessions(faulty), lambda: NOW, lambda bits: next(secrets))
        with pytest.raises(Crash):
            sign_in.open(text)
        codes, sessions = kept(table, "C#"), kept(table, "S#")
        done = number + after - 1
        assert (codes, sessions) == (int(done < 2), int(done == 3))
        faulty.restart()
        if codes:
            assert sign_in.open(text).session.name == "Train"
        else:
            with pytest.raises(Unauthenticated):
                sign_in.open(text)
        assert kept(table, "C#") == 0
        assert kept(table, "S#") == int(done in (0, 1, 3))


def test_of_two_who_show_one_code_one_is_signed_in(table: EngineTable) -> None:
    """Both have read it before either takes it."""
    text = asked_for(table)
    secrets = iter(range(10))
    second = SignIn(Sessions(table), lambda: NOW, lambda bits: next(secrets))

    class Slow(Sessions):
        def take_code(self, holder: str, hashed: str) -> bool:
            second.open(text)
            return super().take_code(holder, hashed)

    with pytest.raises(Unauthenticated):
        SignIn(Slow(table), lambda: NOW, lambda bits: next(secrets)).open(text)
    assert kept(table, "S#") == 1
