"""LIKE and ILIKE against SQLite itself."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import InvalidParameterValue
from cairn.search.like import fold, ilike, like

_PIECES = ("%", "_", "a", "A", "b", "é", "É", "\n", "😀", "\\", ".", "*", "[", "ſ", "K")
_texts = st.lists(st.sampled_from(_PIECES), max_size=8).map("".join)


@pytest.fixture(scope="module")
def sqlite() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA case_sensitive_like = true")
    return connection


@given(text=_texts, pattern=_texts)
def test_like_is_sqlites(sqlite: sqlite3.Connection, text: str, pattern: str) -> None:
    (expected,) = sqlite.execute("SELECT ? LIKE ?", (text, pattern)).fetchone()
    assert like(pattern)(text) is bool(expected)


@given(text=_texts, pattern=_texts)
def test_ilike_is_mlflows_on_sqlite(sqlite: sqlite3.Connection, text: str, pattern: str) -> None:
    (expected,) = sqlite.execute("SELECT lower(?) LIKE lower(?)", (text, pattern)).fetchone()
    assert ilike(pattern)(text) is bool(expected)


def test_only_ascii_folds() -> None:
    assert fold("AZÉİ") == "azÉİ"
    assert not ilike("é")("É")


def test_a_pattern_of_many_wildcards_stays_fast() -> None:
    assert not like("%a" * 2_000 + "%b")("a" * 8_000)


def test_a_pattern_that_sqlite_refuses_is_refused() -> None:
    with pytest.raises(InvalidParameterValue, match="too complex"):
        like("a" * 50_001)
