"""Tokens in the table: found with their principal's mark in one request, void once they are revoked."""

from dataclasses import replace

import pytest

from cairn.domain.access import Permission
from cairn.domain.tokens import HOUR_MS, Token
from cairn.storage import keys
from cairn.storage.engine import EngineTable
from cairn.storage.meter import Meter
from cairn.storage.table import ConditionFailed
from cairn.storage.tokens import Tokens

HOLDER, OTHER = "ab" * 16, "cd" * 16
HASHED = "ef" * 32
TOKEN = Token(
    "aws", "123456789012", "role", "Train", "o-a1b2c3d4e5", "job-7", Permission.READ, 1_000, 1_000 + HOUR_MS
)


def test_a_token_is_found_under_its_principal_alone(table: EngineTable) -> None:
    tokens = Tokens(table)
    tokens.add(HOLDER, HASHED, TOKEN)
    assert tokens.find(HOLDER, HASHED) == (TOKEN, -1)
    assert tokens.find(OTHER, HASHED) == (None, -1)
    assert tokens.find(HOLDER, "00" * 32) == (None, -1)


def test_a_mark_is_found_with_the_token_and_only_moves_on(table: EngineTable) -> None:
    tokens = Tokens(table)
    tokens.add(HOLDER, HASHED, TOKEN)
    tokens.revoke(HOLDER, 5_000)
    assert tokens.find(HOLDER, HASHED) == (TOKEN, 5_000)
    tokens.revoke(HOLDER, 4_000)
    assert tokens.find(HOLDER, HASHED) == (TOKEN, 5_000), "a slower clock, or an older request"
    tokens.revoke(HOLDER, 6_000)
    assert tokens.find(HOLDER, HASHED) == (TOKEN, 6_000)
    assert tokens.find(OTHER, HASHED) == (None, -1)


def test_a_list_has_no_revoked_ones(table: EngineTable) -> None:
    tokens = Tokens(table)
    assert tokens.held(HOLDER) == []
    later = replace(TOKEN, created=9_000, ceiling=Permission.WRITE)
    tokens.add(HOLDER, HASHED, TOKEN)
    tokens.add(HOLDER, "00" * 32, later)
    tokens.add(OTHER, HASHED, TOKEN)
    assert sorted(tokens.held(HOLDER), key=lambda token: token.created) == [TOKEN, later]
    tokens.revoke(HOLDER, 5_000)
    assert tokens.held(HOLDER) == [later]


def test_a_hash_is_taken_once(table: EngineTable) -> None:
    tokens = Tokens(table)
    tokens.add(HOLDER, HASHED, TOKEN)
    with pytest.raises(ConditionFailed):
        tokens.add(HOLDER, HASHED, replace(TOKEN, name="Admin"))


def test_what_is_over_is_cleaned_up_by_and_by(table: EngineTable) -> None:
    tokens = Tokens(table)
    tokens.add(HOLDER, HASHED, TOKEN)
    tokens.revoke(HOLDER, 5_000)
    token, mark = table.get(keys.token(HOLDER, HASHED)), table.get(keys.revocation(HOLDER))
    assert token is not None
    assert mark is not None
    assert token["ttl"] * 1000 >= TOKEN.expires
    assert mark["ttl"] * 1000 >= 5_000 + 12 * HOUR_MS, "outlives what it voids"


def test_prices(table: EngineTable, meter: Meter) -> None:
    tokens = Tokens(table)
    with meter.measure() as measured:
        tokens.add(HOLDER, HASHED, TOKEN)
        tokens.find(HOLDER, HASHED)
        tokens.revoke(HOLDER, 5_000)
        tokens.held(HOLDER)
    spent = [(cost.operation, cost.write_units, cost.read_units) for cost in measured.costs]
    assert [operation for operation, *_ in spent] == ["PutItem", "BatchGetItem", "PutItem", "Query"]
    assert [(write, read) for _, write, read in spent] == [(1, 0), (0, 2), (1, 0), (0, 1)]
